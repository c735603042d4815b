# SPDX-License-Identifier: Apache-2.0
"""The provisioning file: what is taken, what is refused where, and power cuts between any two steps."""

import base64
import socket
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon.settings import parse_settings
from pilotlight.orchestrator.hawkbit.settings import HawkbitSettings
from pilotlight.orchestrator.provision import plan
from pilotlight.orchestrator.provision.__main__ import claimed
from pilotlight.orchestrator.provision.disk import Disk
from pilotlight.orchestrator.provision.judge import ELSEWHERE, KEYS, Facts, Judgement, judge
from pilotlight.orchestrator.provision.name import take_name
from pilotlight.orchestrator.provision.preseed import PreseedError, parse
from pilotlight.orchestrator.provision.steps import FILE, PENDING, RECORD, RESULT, Provisioning

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"\0\0\0\x20" + bytes(32)).decode()
KEY = f"ssh-ed25519 {BLOB} me@desk"
FACTS = Facts(lambda zone: zone == "Europe/Vienna", ssh_server=True)
WHOLE = f"""\
config_version = "1.0"

[system]
hostname = "Press-7"

[user]
name = "anna"
password = "correct horse"

[ssh]
enabled = true
authorized_keys = [
  "{KEY}",
]

[locale]
timezone = "Europe/Vienna"
keymap = "at"

[network]
method = "static"
address = "192.168.7.5/24"
gateway = "192.168.7.1"
dns = ["192.168.7.1"]

[time]
ntp = ["time.example", "192.168.7.1"]

[cloud]
url = "https://fleet.example/DEFAULT"
token = "s3cret-token"
"""
SECRETS = (b"correct horse", b"s3cret-token")


def judged(text: str, facts: Facts = FACTS) -> Judgement:
    return judge(parse(text.encode()), facts)


def refusals(text: str, facts: Facts = FACTS) -> list[str]:
    return [f"{r.line}: {r.key}: {r.reason}" for r in judged(text, facts).refused]


def with_head(text: str) -> str:
    return f'config_version = "1.0"\n{text}'


def test_a_whole_file_is_taken() -> None:
    outcome = judged(WHOLE)
    assert outcome.refused == []
    values = outcome.values
    assert (values.hostname, values.timezone, values.ntp) == (
        "press-7",
        "Europe/Vienna",
        ["time.example", "192.168.7.1"],
    )
    assert values.keys == [KEY]
    assert values.network is not None and values.network.address == "192.168.7.5/24"
    assert values.admin is not None and values.admin.name == "anna"
    assert [r.key for r in outcome.passed_over] == ["locale.keymap"]


def test_what_the_imager_writes_is_taken_as_it_is() -> None:
    text = f"""\
config_version = "1.0"

[system]
hostname = "raspberry"

[user]
name = "pi"
password = "$y$j9T$abcdefgh$ijklmnop"
password_encrypted = true
groups = ["sudo"]

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "{KEY}",
]

[wlan]
ssid = "home"
password = "x"
password_encrypted = false
hidden = false

[locale]
keymap = "us"
timezone = "Europe/Vienna"
"""
    outcome = judged(text)
    assert outcome.refused == []
    assert outcome.values.admin is not None and outcome.values.admin.hashed
    assert {r.key for r in outcome.passed_over} == {"user.groups", "[wlan]", "locale.keymap"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[system]\nhostnam = 'a'", "3: system.hostnam: unknown key; did you mean `hostname`?"),
        ("[sytem]\nhostname = 'a'", "2: [sytem]: unknown table; did you mean `system`?"),
        ("[system]\n# note\nhostname = 'a b'", "4: system.hostname: a host name is 1 to 63 letters"),
        ("[system]\nhostname = 7", "3: system.hostname: a text in quotes is wanted"),
        ("system.hostname = '-'", "2: system.hostname: a host name is 1 to 63"),
        ("[user]\nname = 'a'", "2: user.password: password is missing"),
        ("[user]\nname = 'a'\npassword = 'short'", "4: user.password: a password has 8 to 256"),
        ("[user]\nname = 'a'\npassword = 'x'\npassword_encrypted = true", "4: user.password: no hash that this"),
        ("[ssh]\nenabled = true", "2: ssh.authorized_keys: SSH needs at least one public key"),
        ("[ssh]\nenabled = 'yes'", "3: ssh.enabled: true or false is wanted"),
        ("[ssh]\nauthorized_keys = []", "2: ssh.enabled: say enabled"),
        ("[ssh]\nenabled = true\nauthorized_keys = ['ssh-ed25519 AAAA']", "4: ssh.authorized_keys: key 1 is damaged"),
        ("[ssh]\nenabled = true\nauthorized_keys = ['x']", "4: ssh.authorized_keys: key 1 is no public key"),
        (f"[ssh]\nenabled = true\npassword_authentication = true\nauthorized_keys = ['{KEY}']",
         "4: ssh.password_authentication: there are no passwords"),
        ("[locale]\ntimezone = 'Mars/Base'", "3: locale.timezone: there is no time zone Mars/Base"),
        ("[locale]\ntimezone = '../../etc/passwd'", "3: locale.timezone: the name of a time zone"),
        ("[network]\nmethod = 'static'", "2: network.address: a static network needs"),
        ("[network]\nmethod = 'static'\naddress = '10.0.0.5'", "4: network.address: the length of the network"),
        ("[network]\nmethod = 'static'\naddress = '10.0.0.5/24'\ngateway = '10.1.0.1'", "5: network.gateway: 10.1"),
        ("[network]\nmethod = 'dhcp'\naddress = '10.0.0.5/24'", "4: network.address: address is for method"),
        ("[network]\nmethod = 'dchp'", '3: network.method: "dhcp" or "static" is wanted'),
        ("[time]\nntp = []", "3: time.ntp: at least one server"),
        ("[time]\nntp = ['a b']", "3: time.ntp: 'a b' is neither"),
        ("[cloud]\nurl = 'http://x'", "3: cloud.url: an address is wanted that starts with https://"),
        ("[cloud]\nurl = 'https://x'\ndevice = 'a b'", "4: cloud.device: a name is 1 to 128"),
        ("[cloud]\nurl = 'https://x'\nauth = 'none'", '4: cloud.auth: "target" or "gateway"'),
        ("[cloud]\ntoken = 'x'", "2: cloud.url: the server's address is missing"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_line(text: str, wanted: str) -> None:
    (found,) = refusals(with_head(text))
    assert found.startswith(wanted)
    assert judged(with_head(text)).values == judged(with_head("")).values


def test_a_wrong_table_does_not_spoil_the_others() -> None:
    outcome = judged(WHOLE.replace('gateway = "192.168.7.1"', 'gatway = "192.168.7.1"'))
    assert [r.key for r in outcome.refused] == ["network.gatway"]
    assert outcome.values.network is None
    assert outcome.values.hostname == "press-7"


def test_what_it_writes_for_the_fleet_door_is_what_that_reads() -> None:
    cloud = "url = 'https://x'\ndevice = 'd'\ntoken = 't'\nca = \"-----BEGIN CERTIFICATE-----\"\n"
    writes = {write.path: write for write in plan.writes(judged(with_head("[cloud]\n" + cloud)).values)}
    content = writes[plan.FLEET].content
    assert content is not None
    settings = parse_settings(HawkbitSettings, content.encode(), "hawkbit.yaml")
    assert (settings.url, settings.tenant, settings.controller, settings.auth) == (
        "https://x",
        "DEFAULT",
        "d",
        "target",
    )
    assert f"/data/{plan.FLEET_TOKEN}" == settings.auth_file.replace("/etc/pilotlight", "/data/pilotlight/etc")
    assert f"/data/{plan.FLEET_CA}" == settings.tls_ca.replace("/etc/pilotlight", "/data/pilotlight/etc")
    assert writes[plan.FLEET_TOKEN].owner == "pilotlight-hawkbit" and list(writes)[-1] == plan.FLEET


@pytest.mark.parametrize("head", ["", "config_version = 2\n", "config_version = 'x'\n"])
def test_without_a_known_version_nothing_is_taken(head: str) -> None:
    outcome = judged(head + "[system]\nhostname = 'a'")
    assert outcome.applied == [] and [r.key for r in outcome.refused] == ["config_version"]


def test_what_the_device_cannot_do_is_refused() -> None:
    assert "EXTRA_SSH" in refusals(WHOLE, Facts(FACTS.has_zone, ssh_server=False))[0]
    assert "first user already" in refusals(WHOLE, Facts(FACTS.has_zone, ssh_server=True, claimed=True))[0]


def test_a_claimed_device_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    assert not claimed(path)
    with sqlite3.connect(path) as users:
        users.execute("CREATE TABLE users (id INTEGER)")
    assert not claimed(path)
    with sqlite3.connect(path) as users:
        users.execute("INSERT INTO users VALUES (1)")
    assert claimed(path)
    path.write_bytes(b"garbage" * 100)
    assert claimed(path)


@pytest.mark.parametrize(
    ("data", "line", "wanted"),
    [(b"a = 1\nb =\n", 2, "not TOML"), (b"a = 1\n\n[x\n", 3, "not TOML"), (b"a = 1\nb = '\xff'\n", 2, "not UTF-8")],
)  # fmt: skip
def test_what_is_no_toml_is_told_with_its_line(data: bytes, line: int, wanted: str) -> None:
    with pytest.raises(PreseedError, match=wanted) as caught:
        parse(data)
    assert caught.value.line == line


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        judge(parse(data), FACTS)
    except PreseedError as error:
        assert error.line >= 1


_PLAIN = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.text(max_size=4), max_size=2))
_NAMES = [(table, key) for table, keys in KEYS.items() for key in keys if table]


@given(st.dictionaries(st.sampled_from(_NAMES), _PLAIN, max_size=6))
def test_any_value_of_a_known_key_is_judged(entries: dict[tuple[str, str], Any]) -> None:
    tables: dict[str, dict[str, Any]] = {"": {"config_version": 1}}
    for (table, key), value in entries.items():
        tables.setdefault(table, {})[key] = value
    outcome = judge(type(parse(b""))(tables, {}), FACTS)
    told = {name.partition(".")[0] for name in outcome.applied} | {r.key.partition(".")[0] for r in outcome.refused}
    assert told == {table for table, _ in entries}


def test_no_key_is_both_known_and_elsewhere() -> None:
    assert {(table, key) for table, keys in KEYS.items() for key in keys} & ELSEWHERE.keys() == set()


class PowerCut(BaseException):
    """The power goes."""


class CutDisk(Disk):
    """A disk whose power goes before the step with a given number; wiping is cut half-way."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _step(self) -> bool:
        self.left -= 1
        return self.left < 0

    def write(self, path: Path, data: bytes, mode: int, owner: str) -> None:
        if self._step():
            raise PowerCut
        super().write(path, data, mode, "root")

    def link(self, path: Path, target: str) -> None:
        if self._step():
            raise PowerCut
        super().link(path, target)

    def remove(self, path: Path) -> None:
        if self._step():
            raise PowerCut
        super().remove(path)

    def overwrite(self, path: Path) -> None:
        if self._step():
            with path.open("r+b") as file:
                file.write(bytes(min(512, path.stat().st_size // 2)))
            raise PowerCut
        super().overwrite(path)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "boot").mkdir()
    (tmp_path / "data/system").mkdir(parents=True)
    return tmp_path


def provisioning(device: Path, disk: Disk) -> Provisioning:
    return Provisioning(device / "boot", device / "data", FACTS, lambda password: f"hash of {len(password)}", disk)


def tree(device: Path) -> dict[str, str]:
    """What the data partition holds, beside the record."""
    files = [path for path in (device / "data").rglob("*") if path.is_symlink() or path.is_file()]
    return {
        str(path.relative_to(device / "data")): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in files
        if path.name not in (Path(RECORD).name, Path(PENDING).name) and not path.name.startswith(".")
    }


def leaves_no_secret(device: Path) -> bool:
    record = (device / "data" / RECORD).read_bytes()
    return not (device / "data" / PENDING).exists() and not any(secret in record for secret in SECRETS)


def test_the_file_is_carried_out_wiped_and_reported(device: Path) -> None:
    (device / "boot" / FILE).write_text(WHOLE)
    assert provisioning(device, CutDisk(99)).run("today") is not None
    files = tree(device)
    assert files[plan.HOSTNAME] == "press-7\n"
    assert files[plan.LOCALTIME] == "/usr/share/zoneinfo/Europe/Vienna"
    assert "Address=192.168.7.5/24\nGateway=192.168.7.1\nDNS=192.168.7.1\n" in files[plan.NETWORK]
    assert "NTP=time.example 192.168.7.1\n" in files[plan.TIME]
    assert files[plan.KEYS] == KEY + "\n"
    assert '"hash of 13"' in files[plan.ADMIN] and files[plan.FLEET_TOKEN] == "s3cret-token\n"
    for path in (plan.KEYS, plan.ADMIN, plan.FLEET_TOKEN, RECORD):
        assert stat.S_IMODE((device / "data" / path).stat().st_mode) == 0o600
    assert [path.name for path in (device / "boot").iterdir()] == [RESULT]
    report = (device / "boot" / RESULT).read_text()
    assert "  system.hostname\n" in report and "line 18: locale.keymap:" in report
    assert not any(secret in report.encode() for secret in SECRETS)
    assert leaves_no_secret(device)


def test_the_bytes_of_the_file_are_overwritten_where_they_stand(device: Path) -> None:
    path = device / "boot" / FILE
    path.write_text(WHOLE)
    with path.open("rb") as held:
        provisioning(device, CutDisk(99)).run("today")
        assert held.read() == bytes(len(WHOLE))


def test_a_second_run_does_nothing(device: Path) -> None:
    (device / "boot" / FILE).write_text(WHOLE)
    provisioning(device, CutDisk(99)).run("today")
    before = tree(device)
    assert provisioning(device, CutDisk(0)).run("tomorrow") is None
    assert tree(device) == before


def test_a_power_cut_at_any_step_leaves_it_undone_or_done(device: Path) -> None:
    path, steps = device / "boot" / FILE, 0
    while True:
        for folder in (device / "boot", device / "data/system/site", device / "data/system/ssh"):
            for file in folder.glob("*"):
                file.unlink()
        for name in (RECORD, PENDING):
            (device / "data" / name).unlink(missing_ok=True)
        path.write_text(WHOLE)
        try:
            provisioning(device, CutDisk(steps)).run("today")
        except PowerCut:
            if not (device / "data" / PENDING).exists() and not (device / "data" / RECORD).exists():
                assert "system/site/hostname" not in tree(device) and path.read_text() == WHOLE
            provisioning(device, CutDisk(99)).run("tomorrow")
        else:
            assert steps == 14  # pending record, eight files, report, wipe, removal, record, removal
            break
        assert not path.exists() and leaves_no_secret(device)
        files = tree(device)
        assert files[plan.HOSTNAME] == "press-7\n" and '"hash of 13"' in files[plan.ADMIN]
        steps += 1


def test_a_new_file_after_a_power_cut_is_carried_out_after_the_old_one(device: Path) -> None:
    path = device / "boot" / FILE
    path.write_text(WHOLE)
    with pytest.raises(PowerCut):
        provisioning(device, CutDisk(1)).run("today")
    path.write_text(with_head("[system]\nhostname = 'other'\n"))
    provisioning(device, CutDisk(99)).run("tomorrow")
    assert tree(device)[plan.HOSTNAME] == "other\n"
    assert tree(device)[plan.KEYS] == KEY + "\n"


def test_a_file_that_is_no_toml_stays_for_its_writer(device: Path) -> None:
    path = device / "boot" / FILE
    path.write_text("config_version = 1\n[user\n")
    provisioning(device, CutDisk(99)).run("today")
    assert path.exists()
    assert f"line 2: {FILE}: not TOML" in (device / "boot" / RESULT).read_text()
    provisioning(device, CutDisk(0)).run("tomorrow")  # no step: it was told before
    path.write_text(WHOLE)
    provisioning(device, CutDisk(99)).run("then")
    assert tree(device)[plan.HOSTNAME] == "press-7\n"


def test_the_name_on_the_data_partition_is_taken(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr("socket.sethostname", taken.append)
    take_name(device / "data")
    (device / "data/system/site").mkdir()
    for name in (socket.gethostname(), "press-7"):
        (device / "data" / plan.HOSTNAME).write_text(f"{name}\n")
        take_name(device / "data")
    assert taken == ["press-7"]


def test_switching_ssh_off_removes_the_keys(device: Path) -> None:
    for text in (WHOLE, with_head("[ssh]\nenabled = false\n")):
        (device / "boot" / FILE).write_text(text)
        provisioning(device, CutDisk(99)).run("today")
    assert plan.KEYS not in tree(device)
    assert plan.HOSTNAME in tree(device)
