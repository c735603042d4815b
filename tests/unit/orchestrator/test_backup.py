# SPDX-License-Identifier: Apache-2.0
"""Backups: what is in them, what is sealed, what is refused, and power cuts while a restore is put in place."""

import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.orchestrator.backup import manifest as m
from pilotlight.orchestrator.backup import restore, seal
from pilotlight.orchestrator.backup.content import Kind, is_part, kind
from pilotlight.orchestrator.backup.create import Device, create
from pilotlight.orchestrator.backup.manifest import BadBackup
from pilotlight.orchestrator.backup.reading import Backup, check_entry
from pilotlight.orchestrator.backup.restore import FOLDER, READY, Store

HERE = Device("1.2.0", "cm5", "press-7")
PASSPHRASE = "a long passphrase"
SECRETS = (b"PRIVATE KEY", b"argon-hash-of-anna", b"enrol-token", b"sealed-setting")


@pytest.fixture(autouse=True)
def quick_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "N", 1 << 14)


def fill(data: Path) -> Path:
    """A data partition as a device has it."""
    for name, text, mode in (
        ("pilotlight/etc/io.yaml", "lines: {}\n", 0o644),
        ("pilotlight/etc/link.yaml", "sealed-setting\n", 0o640),
        ("pilotlight/runtime/state.json", '{"wanted": true}', 0o600),
        ("pilotlight/runtime/programs/p1/upload.zip", "zip" * 1000, 0o600),
        ("pilotlight/web/key.pem", "PRIVATE KEY", 0o600),
        ("pilotlight/web/token.key", "sessions", 0o600),
        ("pilotlight/etc/hawkbit.token", "enrol-token", 0o600),
        ("pilotlight/hawkbit/action.json", "order", 0o600),
        ("pilotlight/orchestrator/updates.json", "history", 0o600),
        ("pilotlight/orchestrator/bundles/upload.raucb", "bundle", 0o600),
        ("pilotlight/boot/outcomes.json", "{}", 0o600),
        ("system/site/hostname", "press-7\n", 0o644),
        ("system/ssh/authorized_keys", "ssh-ed25519 AAAA\n", 0o600),
        ("system/ssh/ssh_host_ed25519_key", "PRIVATE KEY", 0o600),
        ("system/log/journal", "log", 0o600),
        ("system/machine-id", "0" * 32, 0o444),
    ):
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    (data / "system/site/localtime").symlink_to("/usr/share/zoneinfo/Europe/Vienna")
    users = sqlite3.connect(data / "pilotlight/web/users.db")
    users.execute("PRAGMA journal_mode=WAL")
    users.execute("CREATE TABLE users (hash TEXT)")
    users.execute("INSERT INTO users VALUES ('argon-hash-of-anna')")
    users.commit()  # still open, as the web daemon has it: the row is in the write-ahead log
    users.close()
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fill(tmp_path / "data")


def made(data: Path, passphrase: str = PASSPHRASE, device: Device = HERE) -> io.BytesIO:
    target = io.BytesIO()
    create(data, target, device, "2026-11-21T10:00:00Z", passphrase)
    target.seek(0)
    return target


def names(file: io.BytesIO, passphrase: str = "") -> set[str]:
    return {info.name for info, _ in Backup(file).entries(passphrase) if not info.isdir()}


PUBLIC = {
    "pilotlight/etc/io.yaml", "pilotlight/runtime/state.json", "pilotlight/runtime/programs/p1/upload.zip",
    "system/site/hostname", "system/site/localtime", "system/ssh/authorized_keys",
}  # fmt: skip
SECRET = {
    "pilotlight/etc/link.yaml", "pilotlight/web/key.pem", "pilotlight/web/users.db",
    "pilotlight/etc/hawkbit.token", "system/ssh/ssh_host_ed25519_key",
}  # fmt: skip


def test_what_is_in_a_backup(data: Path) -> None:
    assert names(made(data), PASSPHRASE) == PUBLIC | SECRET
    assert names(made(data)) == PUBLIC
    assert names(made(data, "")) == PUBLIC


def test_what_is_left_out_is_named(data: Path) -> None:
    manifest = Backup(made(data, "")).manifest
    left_out = {f"{part}/{name}" for part, saved in manifest.parts.items() for name in saved.left_out}
    assert left_out == SECRET
    assert all(saved.left_out == () for saved in Backup(made(data)).manifest.parts.values())


def unpacked(file: io.BytesIO) -> bytes:
    """All bytes of a backup that can be read without its passphrase."""
    found = b""
    for info, content in Backup(file).entries(""):
        found += info.name.encode() + (content.read() if content else b"")
    return file.getvalue() + found


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_no_secret_is_in_clear(data: Path, passphrase: str) -> None:
    readable = unpacked(made(data, passphrase))
    assert [secret for secret in SECRETS if secret in readable] == []
    assert b"lines: {}" in readable


def test_a_database_is_saved_with_its_log(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "pilotlight/web/users.db")) as users:
        users.execute("INSERT INTO users VALUES ('second')")
        users.commit()
        assert (data / "pilotlight/web/users.db-wal").stat().st_size > 0
        file = made(data)
    content = {info.name: content.read() for info, content in Backup(file).entries(PASSPHRASE) if content}
    (tmp_path / "copy.db").write_bytes(content["pilotlight/web/users.db"])
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert len(copy.execute("SELECT * FROM users").fetchall()) == 2
    assert not list((data / "pilotlight/web").glob(".backup-*"))


def restored(file: io.BytesIO, into: Path, passphrase: str = PASSPHRASE) -> Path:
    into.mkdir(exist_ok=True)
    restore.stage(into, file, HERE, "anna", passphrase)
    assert restore.apply(into) is not None
    return into


def content(data: Path) -> dict[str, str]:
    """Every file below the data partition, databases as their rows."""
    found = {}
    for path in sorted(data.rglob("*")):
        name = str(path.relative_to(data))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.suffix == ".db":
            with closing(sqlite3.connect(path)) as database:
                found[name] = str(database.execute("SELECT * FROM users").fetchall())
        elif path.is_file() and not path.name.endswith(("-wal", "-shm")):
            found[name] = f"{path.stat().st_mode & 0o7777:o} {path.read_text()}"
    return found


def test_a_new_device_becomes_the_old_one(data: Path, tmp_path: Path) -> None:
    found = content(restored(made(data), tmp_path / "new"))
    assert found == {name: text for name, text in content(data).items() if name in PUBLIC | SECRET}


def test_without_the_passphrase_secrets_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    file, other = made(data), fill(tmp_path / "other")
    (other / "pilotlight/web/key.pem").write_text("KEY OF ITS OWN")
    (other / "pilotlight/etc/link.yaml").write_text("setting of its own")
    (other / "pilotlight/etc/io.yaml").write_text("other: 1")
    (other / "pilotlight/etc/more.yaml").write_text("more: 1")
    (other / "pilotlight/etc/more.yaml").chmod(0o644)
    (other / "pilotlight/orchestrator/updates.json").write_text("history of its own")
    found = content(restored(file, other, ""))
    assert found["pilotlight/web/key.pem"] == "600 KEY OF ITS OWN"
    assert found["pilotlight/etc/link.yaml"] == "640 setting of its own"
    assert found["pilotlight/etc/io.yaml"] == "644 lines: {}\n"
    assert "pilotlight/etc/more.yaml" not in found  # the part is as it was when it was saved
    assert found["system/ssh/ssh_host_ed25519_key"] == "600 PRIVATE KEY"
    assert found["pilotlight/boot/outcomes.json"] == "600 {}"
    assert found["pilotlight/etc/hawkbit.token"] == "600 enrol-token"


def test_the_history_of_updates_stays_with_the_device(data: Path, tmp_path: Path) -> None:
    file, other = made(data), fill(tmp_path / "other")
    (other / "pilotlight/orchestrator/updates.json").write_text("history of its own")
    (other / "pilotlight/hawkbit/action.json").write_text("order of its own")
    found = content(restored(file, other))
    assert found["pilotlight/hawkbit/action.json"] == "600 order of its own"
    assert found["pilotlight/orchestrator/updates.json"] == "600 history of its own"
    assert found["pilotlight/orchestrator/bundles/upload.raucb"] == "600 bundle"


class PowerCut(BaseException):
    """The power goes."""


class CutStore(Store):
    """A disk whose power goes before the step with a given number."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise PowerCut

    def move(self, source: Path, target: Path) -> None:
        self._step()
        super().move(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        if path.is_dir() and self.left == 0 and (path / "new").exists():
            next(path.glob("*/*/*"), path).rename(path / "half")  # some of it is gone already
            raise PowerCut
        super().remove(path)


@pytest.mark.parametrize("made_since", [False, True])
def test_a_power_cut_at_any_step_leaves_the_old_or_the_new(data: Path, tmp_path: Path, made_since: bool) -> None:
    file = made(data)
    wanted = {name: text for name, text in content(data).items() if name in PUBLIC | SECRET}
    for steps in range(100):
        other = tmp_path / f"device-{steps}"
        (other / "pilotlight/etc").mkdir(parents=True)
        (other / "pilotlight/etc/io.yaml").write_text("old")
        (other / "pilotlight/orchestrator/bundles").mkdir(parents=True)
        (other / "pilotlight/orchestrator/updates.json").write_text("history of its own")
        restore.stage(other, file, HERE, "anna", PASSPHRASE)
        store = CutStore(steps)
        try:
            restore.apply(other, store)
        except PowerCut:
            if made_since:  # a bind mount makes the folder it is of, empty, when it is not there
                (other / "pilotlight/etc").mkdir(exist_ok=True)
            restore.apply(other)
        assert {name: text for name, text in content(other).items() if name in PUBLIC | SECRET} == wanted
        assert (other / "pilotlight/orchestrator/updates.json").read_text() == "history of its own"
        assert (other / "pilotlight/orchestrator/bundles").is_dir()
        assert not (other / FOLDER).exists()
        assert restore.apply(other) is None
        if store.left > 0:
            break
    assert 8 < steps < 30


def test_nothing_changes_before_the_decision(data: Path, tmp_path: Path) -> None:
    file = made(data)
    before = content(data)
    restore.stage(data, file, HERE, "anna", PASSPHRASE)
    (data / FOLDER / READY).unlink()  # the power went just before it was written
    assert restore.apply(data) is None
    assert content(data) == before


def test_a_restore_can_be_taken_back(data: Path) -> None:
    before = content(data)
    restore.stage(data, made(data), HERE, "anna", PASSPHRASE)
    restore.discard(data)
    assert restore.apply(data) is None and content(data) == before


def refused(file: io.BytesIO, data: Path, device: Device = HERE, passphrase: str = PASSPHRASE) -> str:
    before = content(data)
    with pytest.raises(BadBackup) as caught:
        restore.stage(data, file, device, "anna", passphrase)
    assert content(data) == before
    return str(caught.value)


def test_foreign_and_newer_backups_are_refused(data: Path) -> None:
    file = made(data)
    assert "of board cm5, this one is qemu-arm64" in refused(file, data, Device("1.2.0", "qemu-arm64", ""))
    assert "update it first" in refused(file, data, Device("1.1.9", "cm5", ""))
    restore.stage(data, file, Device("1.3.0", "cm5", ""), "anna", PASSPHRASE)
    restore.discard(data)
    newer = with_manifest(file, {"format": m.FORMAT + 1, "shape": "of the future"})
    assert "a newer Pilotlight (1.2.0) made this" in refused(newer, data)
    assert "no backup" in refused(with_manifest(file, {"product": "other"}), data)


def with_manifest(file: io.BytesIO, change: dict[str, object]) -> io.BytesIO:
    """The same backup with another manifest."""
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as old, tarfile.open(fileobj=target, mode="w") as new:
        for info in old:
            stream = old.extractfile(info)
            assert stream is not None
            text = stream.read()
            if info.name == m.NAME:
                text = msgspec.json.encode(msgspec.json.decode(text) | change)
                info.size = len(text)
            new.addfile(info, io.BytesIO(text))
    target.seek(0)
    return target


def test_a_wrong_passphrase_and_a_changed_manifest_are_refused(data: Path) -> None:
    file = made(data)
    assert "passphrase is wrong" in refused(file, data, passphrase="another passphrase")
    assert "passphrase has 8 to" in refused(file, data, passphrase="short")
    assert "was changed" in refused(with_manifest(file, {"hostname": "other"}), data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_backup_is_refused(draw: st.DataObject) -> None:
    file = io.BytesIO(SAMPLE.getvalue())
    size = len(file.getvalue())
    cut = draw.draw(st.integers(0, size - 10240))
    if draw.draw(st.booleans()):
        file.truncate(cut)
    else:
        file.seek(cut)
        byte = file.read(1)
        file.seek(cut)
        file.write(bytes([byte[0] ^ 1 << draw.draw(st.integers(0, 7))]))
    file.seek(0)
    try:
        backup = Backup(file)
        found = {info.name: stream.read() if stream else b"" for info, stream in backup.entries(PASSPHRASE)}
    except BadBackup:
        return
    assert found == WHOLE  # padding of the archive, or a field of it that says nothing


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory: pytest.TempPathFactory) -> None:
    global SAMPLE, WHOLE
    n, seal.N = seal.N, 1 << 14
    SAMPLE = made(fill(tmp_path_factory.mktemp("sample") / "data"))
    seal.N = n
    WHOLE = {info.name: stream.read() if stream else b"" for info, stream in Backup(SAMPLE).entries(PASSPHRASE)}


SAMPLE = io.BytesIO()
WHOLE: dict[str, bytes] = {}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pilotlight/etc/../../../etc/passwd"}, {"name": "/etc/passwd"}, {"name": "pilotlight/other/x"},
        {"name": "system/machine-id"}, {"name": "pilotlight/etc/./x"}, {"name": "pilotlight/etc/a\nb"},
        {"mode": 0o4755}, {"uid": 1000}, {"gid": 999}, {"type": tarfile.CHRTYPE}, {"type": tarfile.LNKTYPE},
        {"type": tarfile.SYMTYPE, "linkname": "/etc/shadow"}, {"name": "pilotlight/etc"}, {"mode": 0o2644},
    ],
)  # fmt: skip
def test_an_entry_that_no_backup_has_is_refused(change: dict[str, object]) -> None:
    manifest = Backup(SAMPLE).manifest
    info = tarfile.TarInfo("pilotlight/etc/x.yaml")
    check_entry(info, manifest, set())
    for name, value in change.items():
        setattr(info, name, value)
    with pytest.raises(BadBackup):
        check_entry(info, manifest, set())


def test_an_entry_twice_is_refused() -> None:
    info = tarfile.TarInfo("pilotlight/etc/x.yaml")
    with pytest.raises(BadBackup, match="twice"):
        check_entry(info, Backup(SAMPLE).manifest, {info.name})


def test_a_link_leads_to_a_time_zone_only() -> None:
    info = tarfile.TarInfo("system/site/localtime")
    info.type, info.linkname = tarfile.SYMTYPE, "/usr/share/zoneinfo/Europe/Vienna"
    check_entry(info, Backup(SAMPLE).manifest, set())
    info.linkname = "/usr/share/zoneinfo/../../../etc/shadow"
    with pytest.raises(BadBackup):
        check_entry(info, Backup(SAMPLE).manifest, set())


def test_what_is_not_known_is_secret() -> None:
    assert kind("pilotlight/scada", ("x",), 0o644) is Kind.SECRET
    assert kind("pilotlight/web", ("certificate.pem",), 0o644) is Kind.SECRET
    assert kind("pilotlight/etc", ("a.yaml",), 0o600) is Kind.SECRET
    assert kind("pilotlight/runtime", (".build", "x"), 0o600) is Kind.LEFT


@pytest.mark.parametrize("name", ["pilotlight/boot", "pilotlight/..", "system/log", "pilotlight/a/b", "pilotlight"])
def test_what_is_no_part(name: str) -> None:
    assert not is_part(name)
