# SPDX-License-Identifier: Apache-2.0
"""The boot handler on real files: its verbs, the one sector, and what others can read of it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.orchestrator.boot import __main__ as handler
from pilotlight.orchestrator.boot import store, texts
from pilotlight.orchestrator.boot.core import ATTEMPTS, Commit, Facts, Pending, Refused

from image import boot_files


class Places:
    """The handler's places as paths."""

    def __init__(self, root: Path) -> None:
        self.real = store.Places(str(root))

    def __getattr__(self, name: str) -> Path:
        return Path(getattr(self.real, name))


ROOT = Path(__file__).parents[3]
FAT = bytes(82) + b"FAT32   " + bytes(420) + b"\x55\xaa"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An appliance as it was shipped, running slot A, with boot files in both slots."""
    places = Places(tmp_path)
    for path in (places.configuration, places.bootloader, places.partitions, places.statuses.parent):
        path.mkdir(parents=True)
    (places.configuration / "autoboot.txt").write_bytes(boot_files.autoboot("A"))
    for letter in "ab":
        (places.partitions / f"boot-{letter}").write_bytes(FAT)
    start(tmp_path, "A", tryboot=False)
    return tmp_path


def start(root: Path, slot: str, tryboot: bool) -> None:
    """What firmware and kernel tell after a start of a slot."""
    places = Places(root)
    (places.bootloader / "partition").write_bytes((2 if slot == "A" else 3).to_bytes(4, "big"))
    (places.bootloader / "tryboot").write_bytes(int(tryboot).to_bytes(4, "big"))
    places.command_line.write_text(f"console=x pilotlight.slot={slot} rauc.slot={slot}\n")
    places.reboot_parameter.unlink(missing_ok=True)


def run(root: Path, *words: str) -> int:
    return handler.main(list(words), str(root))


def ask(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(root, *words) == 0
    return capsys.readouterr().out.strip()


def test_everybody_may_read_what_is_published_whoever_starts_it(root: Path) -> None:
    """RAUC's umask lets nobody else read; the orchestrator has to."""
    before = os.umask(0o077)
    try:
        assert run(root, "set-primary", "B") == 0
        start(root, "B", tryboot=True)
        assert run(root, "set-state", "B", "good") == 0
        for path in (Places(root).status, Places(root).outcomes):
            assert path.stat().st_mode & 0o777 == 0o644, path
        assert Places(root).pending.exists() is False
    finally:
        os.umask(before)


def test_an_update_from_install_to_commit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = Places(root)
    places.statuses.write_text("[slot.boot.0]\nbundle.version=1\n\n[slot.boot.1]\nbundle.version=1.1.0\n")
    assert ask(root, capsys, "get-current") == ask(root, capsys, "get-primary") == "A"
    assert run(root, "set-state", "B", "bad") == 0
    assert ask(root, capsys, "get-state", "B") == "bad"
    assert run(root, "set-primary", "B") == 0
    assert ask(root, capsys, "get-primary") == "B"
    assert not places.reboot_parameter.exists()
    assert run(root, "arm") == 0
    assert places.reboot_parameter.read_text() == "0 tryboot"
    start(root, "B", tryboot=True)
    assert run(root, "account") == 0
    told = json.loads(places.status.read_text())
    assert (told["current"], told["committed"], told["trial"]) == ("B", "A", True)
    assert (told["pending"]["version"], told["pending"]["attempts"]) == ("1.1.0", 1)
    assert run(root, "set-state", "B", "good") == 0
    assert (places.configuration / "autoboot.txt").read_bytes() == boot_files.autoboot("B")
    assert not (places.configuration / "pending.json").exists()
    assert [ask(root, capsys, "get-state", slot) for slot in "AB"] == ["good", "good"]
    told = json.loads(places.status.read_text())
    assert (told["committed"], told["trial"], told["pending"]) == ("B", False, None)
    (outcome,) = json.loads(places.outcomes.read_text())
    assert (outcome["outcome"], outcome["slot"], outcome["version"]) == ("committed", "B", "1.1.0")
    assert run(root, "arm") == 0
    assert not places.reboot_parameter.exists()


def test_a_failed_trial_tells_its_reasons_in_the_old_slot(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = Places(root)
    for words in (["set-primary", "B"], ["arm"]):
        assert run(root, *words) == 0
    start(root, "B", tryboot=True)
    assert run(root, "account") == 0
    assert run(root, "fail", "the web does not answer", "no program runs") == 0
    assert run(root, "arm") == 0
    assert not places.reboot_parameter.exists()
    start(root, "A", tryboot=False)
    assert run(root, "account") == 0
    assert "the web does not answer; no program runs" in capsys.readouterr().err
    (outcome,) = json.loads(places.outcomes.read_text())
    assert outcome["reasons"] == ["the web does not answer", "no program runs"]
    assert ask(root, capsys, "get-primary") == "A"


def test_the_emulated_firmware_is_asked_by_its_port(root: Path) -> None:
    places = Places(root)
    places.firmware_port.parent.mkdir(parents=True)
    places.firmware_port.touch()
    run(root, "set-primary", "B")
    run(root, "arm")
    assert places.firmware_port.read_bytes() == b"tryboot\n"


def test_the_attempt_is_on_disk_before_the_firmware_is_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(store, "ask_firmware", lambda places: seen.append(attempts(root)))
    run(root, "set-primary", "B")
    run(root, "arm")
    assert seen == [1]


def attempts(root: Path) -> int:
    pending = texts.decode((Places(root).configuration / "pending.json").read_bytes())
    assert pending is not None
    return pending.attempts


def test_whether_a_program_ran_is_remembered(root: Path) -> None:
    places = Places(root)
    places.programs.parent.mkdir(parents=True)
    places.programs.write_text('{"run":true,"fault":""}')
    run(root, "set-primary", "B")
    run(root, "arm")
    assert json.loads((places.configuration / "pending.json").read_text())["ran"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set-state", "A", "bad"], "every reset starts"),
        (["set-state", "B", "good"], "does not run"),
        (["fail", "x"], "no slot is on trial"),
        (["set-primary", "C"], "say A or B"),
    ],
)
def test_refusals_say_why_and_change_nothing(
    root: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in Places(root).configuration.iterdir()}
    assert run(root, *words) == 1
    assert said in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in Places(root).configuration.iterdir()}


def test_a_slot_without_boot_files_is_not_tried(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (Places(root).partitions / "boot-b").write_bytes(bytes(512))
    assert run(root, "set-primary", "B") == 1
    assert "no boot files" in capsys.readouterr().err
    assert not (Places(root).configuration / "pending.json").exists()


def test_without_boot_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "get-primary") == 1
    assert "no boot configuration" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["jump"], ["set-state", "A"], ["get-state"], ["arm", "B"]])
def test_unknown_words(root: Path, words: list[str]) -> None:
    assert run(root, *words) == 2


def test_without_a_device_tree_the_command_line_tells(root: Path) -> None:
    places = Places(root)
    for name in ("partition", "tryboot"):
        (places.bootloader / name).unlink()
    places.command_line.write_text("rauc.slot=B pilotlight.partition=3 pilotlight.tryboot=1")
    assert store.facts(places.real) == Facts(3, True, "B")
    places.command_line.write_text("rauc.slot=B")
    assert store.facts(places.real) == Facts(None, False, "B")


def test_the_commit_is_one_write_of_one_sector_in_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(root)
    file = places.configuration / "autoboot.txt"
    inode = file.stat().st_ino
    writes: list[tuple[int, int]] = []
    flags: list[int] = []
    real_write, real_open = os.pwrite, os.open

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        writes.append((len(data), offset))
        return real_write(descriptor, data, offset)

    def opened(path: str, how: int, *more: int) -> int:
        flags.append(how)
        return real_open(path, how, *more)

    monkeypatch.setattr(store.os, "pwrite", pwrite)
    monkeypatch.setattr(store.os, "open", opened)
    store.perform(places.real, [Commit("B")])
    assert writes == [(512, 0)]
    assert flags[0] & os.O_DIRECT and flags[0] & os.O_SYNC == os.O_SYNC
    assert not flags[0] & (os.O_CREAT | os.O_TRUNC)
    assert (file.stat().st_ino, file.stat().st_size) == (inode, 512)


def test_a_file_of_another_size_is_not_touched(root: Path) -> None:
    file = Places(root).configuration / "autoboot.txt"
    file.write_bytes(b"[all]\nboot_partition=2\n")
    with pytest.raises(Refused):
        store.overwrite_sector(str(file), texts.autoboot("B"))
    assert file.read_bytes() == b"[all]\nboot_partition=2\n"


def test_a_history_that_cannot_be_kept_stops_no_commit(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(root, "set-primary", "B")
    start(root, "B", tryboot=True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(store, "_record", full)
    assert run(root, "set-state", "B", "good") == 0
    assert texts.committed((Places(root).configuration / "autoboot.txt").read_bytes()) == "B"
    assert "history" in capsys.readouterr().err


def test_history_is_bounded_and_has_nothing_twice(root: Path) -> None:
    places = Places(root)
    for number in range(store.OUTCOMES_LIMIT + 5):
        record = handler.core.Record(Pending("B", time=number), "failed", ("x",))
        store.perform(places.real, [record, record])
    kept = json.loads(places.outcomes.read_text())
    assert [entry["time"] for entry in kept] == list(range(5, store.OUTCOMES_LIMIT + 5))


def test_both_sides_write_the_same_sector() -> None:
    for slot in "AB":
        assert texts.autoboot(slot) == boot_files.autoboot(slot)
        assert len(texts.autoboot(slot)) == texts.SECTOR
        assert texts.committed(texts.autoboot(slot)) == slot


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 512,
        b"[all]\nboot_partition=4\n".ljust(512),
        b"[tryboot]\nboot_partition=2\n".ljust(512),
        b"\xff" * 512,
    ],
)
def test_a_strange_autoboot_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        texts.committed(data)


PENDINGS = st.builds(
    Pending, slot=st.sampled_from("AB"), version=st.text(max_size=20), time=st.integers(0, 1 << 33),
    attempts=st.integers(0, ATTEMPTS), armed=st.booleans(), started=st.booleans(), ran=st.booleans(),
    reasons=st.lists(st.text(max_size=160), max_size=8).map(tuple),
)  # fmt: skip


@given(PENDINGS)
def test_a_wish_survives_the_file(pending: Pending) -> None:
    assert texts.decode(texts.encode(pending)) == pending


@given(PENDINGS, st.integers(0, 5000), st.binary(min_size=1, max_size=8))
def test_a_damaged_wish_is_none(pending: Pending, at: int, noise: bytes) -> None:
    data = texts.encode(pending)
    at %= len(data)
    damaged = data[:at] + noise + data[at + len(noise) :]
    assert texts.decode(damaged) in (None, pending)
    assert texts.decode(data[:at]) in (None, pending)


def test_it_loads_little() -> None:
    """RAUC starts it several times for each command, and a start costs what it loads."""
    slow = {"pathlib", "json", "dataclasses", "inspect", "logging", "msgspec", "gi", "asyncio", "subprocess"}
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'daemons')!r}); import pilotlight.orchestrator.boot.__main__; "
        f"print(*({slow} & sys.modules.keys()))"
    )
    words = [sys.executable, "-I", "-S", "-c", script]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.split() == []
