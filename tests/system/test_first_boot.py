# SPDX-License-Identifier: Apache-2.0
"""A new device from its first start on: provisioned by file, backed up, erased in every way, restored.

Five whole starts and four short ones of one machine; the tests follow each other.
"""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from image import disk_layout, qemu, web
from image.emulated import Emulated
from image.steps import BUILD
from image.tools import Tools, tools
from tests.support.disks import run
from tests.support.ports import free_port
from tests.system.conftest import ARCH, BOARD, RESULTS, WEB_S
from tests.system.machine import Machine, login_credential

START_S = 900.0  # patience for a start of the machine, also on one with other work
PASSPHRASE = "a long passphrase"
ORCHESTRATOR_AT = "io.pilotlight.Orchestrator1 /io/pilotlight/Orchestrator1 io.pilotlight.Orchestrator1"
ANNA = {"username": "anna", "password": "correct horse"}
PRESEED = """\
config_version = "1.0"

[system]
hostname = "Press-7"

[user]
name = "anna"
password = "correct horse"

[ssh]
enabled = true
authorized_keys = ["{key}"]

[locale]
timezone = "Asia/Tokyo"

[network]
method = "static"
address = "10.0.2.15/24"
gateway = "10.0.2.2"
dns = ["10.0.2.3"]

[time]
ntp = ["time.invalid"]
pool = "x"

[cloud]
url = "https://fleet.invalid"
token = "enrolment-token"
"""
BUTTON = "button: {chip: test-button, line: 3, active_low: false, bias: as-is}\nhold_s: 2\n"
# At power-on of a machine without buttons: the kernel's simulated chip, its line 3 pulled up as if somebody pressed.
PRESS = """\
[Service]
ExecStartPre=+/bin/sh -c 'modprobe gpio-sim; \
mountpoint -q /sys/kernel/config || mount -t configfs c /sys/kernel/config; \
mkdir -p /sys/kernel/config/gpio-sim/test/bank; cd /sys/kernel/config/gpio-sim/test; \
echo 8 >bank/num_lines; echo test-button >bank/label; echo 1 >live; udevadm settle; \
echo pull-up >/sys/devices/platform/$$(cat dev_name)/$$(cat bank/chip_name)/sim_gpio3/pull'
"""


class Device:
    """The machine under test, its serial console and its web."""

    def __init__(self, emulated: Emulated, console: Path) -> None:
        self.emulated = emulated
        self.machine = Machine(emulated, console)
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{emulated.setup.web_port}", verify=False, timeout=120.0)

    def up(self, name: str) -> None:
        """Wait until the machine has started completely under a host name, after however many starts."""
        self.machine.expect(rf"(?=root@{name}:)", START_S)
        self.machine.login()
        assert web.wait(self.emulated.setup.web_port, WEB_S, lambda: self.emulated.on), "the web does not answer"

    def restart(self, name: str) -> None:
        """Restart in order; the machine comes back under another host name, so that no start is taken for another."""
        self.machine.send("systemctl reboot")
        self.up(name)

    def ok(self, command: str, timeout: float = 120.0) -> str:
        return self.machine.ok(command, timeout).strip()

    def login(self, user: dict[str, str]) -> int:
        reply = self.http.post("/api/login", json=user)
        if reply.status_code == 200:
            self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        return reply.status_code


def make_key() -> tuple[str, str]:
    """A key pair for SSH: public line, private text."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return public.decode(), private.decode()


def with_file(use: Tools, disk: Path, target: Path, name: str, text: str) -> None:
    """A copy of a disk with one file more on its boot configuration partition."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk, target], check=True)
    source = target.with_suffix(".toml")
    source.write_text(text)
    run(use, "mcopy", "-i", f"{target}@@{disk_layout.ALIGNMENT}", source, f"::{name}")
    source.unlink()


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    return make_key()


@pytest.fixture(scope="module")
def device(key: tuple[str, str]) -> Iterator[Device]:
    """A machine at its first start, with a provisioning file on its disk."""
    use, folder = tools("disk"), BUILD / BOARD / "first-boot"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    console = RESULTS / "first-boot-console.txt"
    console.unlink(missing_ok=True)
    with_file(
        use,
        BUILD / BOARD / f"pilotlight-{BOARD}.img",
        folder / "disk.img",
        "rpi-preseed.toml",
        PRESEED.format(key=key[0]),
    )
    qemu.make_layer(use, folder / "disk.img", folder / "layer.qcow2")
    setup = qemu.Setup(
        ARCH, qemu.machine_words(BOARD), folder / "layer.qcow2", web_port=free_port(),
        credentials=login_credential(ARCH),
    )  # fmt: skip
    try:
        with Emulated(use, setup) as emulated:
            emulated.power_on()
            made = Device(emulated, console)
            made.up("press-7")
            yield made
            journal = made.machine.run("journalctl --no-pager -o short-monotonic -p info | tail -3000", 300)
            (RESULTS / "first-boot-journal.txt").write_text(journal.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_file_is_carried_out(device: Device) -> None:
    assert device.ok("uname -n") == "press-7"
    assert device.ok("date +%Z") == "JST"
    assert "10.0.2.15/24" in device.ok("ip -color=never -4 -o address show scope global")
    assert "default via 10.0.2.2" in device.ok("ip -color=never route")
    assert device.login(ANNA) == 200
    token = device.ok("cd /etc/pilotlight; stat -c '%U %a' hawkbit.token; cat hawkbit.token hawkbit.yaml").split()
    assert token[:3] == ["pilotlight-hawkbit", "600", "enrolment-token"] and '"https://fleet.invalid",' in token


def test_the_result_tells_what_was_refused(device: Device) -> None:
    assert device.machine.run("ls /boot/config/rpi-preseed.toml /data/pilotlight/web/first-admin.json").code != 0
    result = device.ok("cat /boot/config/rpi-preseed-result.txt")
    line = PRESEED.splitlines().index('pool = "x"') + 1
    assert "  system.hostname" in result and f"line {line}: time.pool: unknown key" in result
    for secret in ("correct horse", "enrolment-token"):
        assert secret not in result
        found = device.ok(f"dd if=/dev/disk/by-partlabel/bootcfg bs=1M status=none | grep -c -a '{secret}' || true")
        assert found == "0"
        assert device.ok(f"journalctl --no-pager | grep -c '{secret}' || true") == "0"
        assert device.ok(f"grep -c '{secret}' /data/system/provision.json || true") == "0"


def test_ssh_is_for_the_key_and_nothing_else(device: Device, key: tuple[str, str]) -> None:
    device.machine.write("/run/key", key[1].encode())
    device.ok("chmod 600 /run/key")
    words = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/run/known -o BatchMode=yes"
    assert device.ok(f"ssh {words} -i /run/key root@127.0.0.1 id -un", 300).endswith("root")
    code = device.machine.run(f"ssh {words} -o PubkeyAuthentication=no root@127.0.0.1 true", 300)
    assert code.code != 0 and "(publickey)" in code.output
    assert device.ok("ls /etc/ssh/ssh_host_* 2>/dev/null | wc -l") == "0"


def test_data_fills_the_disk(device: Device) -> None:
    size = int(device.ok("blockdev --getsize64 /dev/disk/by-partlabel/data"))
    free_mb = int(device.ok("df --output=avail -BM /data | tail -1").removesuffix("M"))
    assert size > (5 << 30) and free_mb > 0.9 * (size >> 20) - 300


def test_identity_and_journal_are_kept_within_bounds(device: Device) -> None:
    assert device.ok("cmp /etc/machine-id /data/system/machine-id && wc -c </data/system/machine-id") == "33"
    assert device.ok("findmnt -n -o SOURCE /var/log").endswith("[/system/log]")
    assert device.ok("ls /data/system/log/journal/$(cat /etc/machine-id) | grep -c journal") != "0"
    assert "SystemMaxUse=64M" in device.ok("systemd-analyze cat-config systemd/journald.conf")


def test_the_clock_is_not_before_the_image(device: Device) -> None:
    assert int(device.ok("date +%s")) >= int(device.ok("stat -c %Y /usr/lib/clock-epoch")) > 1_700_000_000


def test_nothing_failed_and_nothing_was_left_out(device: Device) -> None:
    assert device.ok("journalctl --no-pager -b | grep -i 'ordering cycle' || true") == ""
    device.ok("systemctl is-system-running --wait", 300)
    assert device.ok("systemctl list-units --failed --plain --no-legend") == ""


@pytest.fixture(scope="module")
def memory() -> dict[str, str]:
    """What later tests compare with."""
    return {}


def test_a_backup_is_made_over_https_and_at_the_console(device: Device, memory: dict[str, str]) -> None:
    reply = device.http.post("/api/backup", json={"passphrase": PASSPHRASE}, timeout=300)
    assert reply.status_code == 200 and b"enrolment-token" not in reply.content
    device.ok(
        f"echo '{PASSPHRASE}' >/run/phrase; pilotlight backup create /boot/config/a.plb --passphrase-file /run/phrase",
        300,
    )
    assert "whole, and" in device.ok("pilotlight backup inspect /boot/config/a.plb --passphrase-file /run/phrase", 300)
    memory["machine-id"] = device.ok("cat /etc/machine-id")
    memory["host key"] = device.ok("sha256sum </data/system/ssh/ssh_host_ed25519_key")
    memory["web key"] = device.ok("sha256sum </data/pilotlight/web/key.pem")


def test_the_button_held_at_power_on_erases_the_data(device: Device, memory: dict[str, str]) -> None:
    device.machine.write("/etc/pilotlight/reset.yaml", BUTTON.encode())
    device.ok("sync")
    unit = "systemd.unit-dropin.pilotlight-reset-button.service"
    usual = device.emulated.setup
    pressed = {**usual.credentials, unit: base64.b64encode(PRESS.encode()).decode()}
    device.emulated.setup = replace(usual, credentials=pressed)
    device.restart("pilotlight")  # after the start with the button and the one that erases
    device.emulated.setup = usual
    assert "The reset button was held for 2 s." in device.ok("cat /boot/config/factory-reset-result.txt")
    assert device.machine.run("ls /boot/config/factory-reset /etc/pilotlight/reset.yaml").code != 0
    assert device.ok("uname -n; date +%Z").split() == ["pilotlight", "UTC"]
    assert device.ok("cat /etc/machine-id") != memory["machine-id"]
    assert device.ok("systemctl is-active ssh.socket || true") == "inactive"
    assert device.ok("ls -A /data/system/ssh | wc -l") == "0"
    assert device.login(ANNA) == 401
    assert device.ok("ls /boot/config/autoboot.txt /boot/config/a.plb | wc -l") == "2"
    assert device.emulated.starts[-1].partition == device.emulated.starts[0].partition


def test_a_backup_restores_the_erased_device(device: Device, memory: dict[str, str]) -> None:
    device.ok(f"echo '{PASSPHRASE}' >/run/phrase")
    wrong = device.machine.run("pilotlight backup restore /boot/config/a.plb --passphrase-file /etc/issue", 300)
    assert wrong.code == 1 and "passphrase is wrong" in wrong.output
    device.ok("pilotlight backup restore /boot/config/a.plb --passphrase-file /run/phrase", 300)
    memory["boot"] = device.ok("cat /proc/sys/kernel/random/boot_id").replace("-", "")
    device.ok("date -s '+2 days'")
    memory["time"] = device.ok("date +%s")
    memory["new machine-id"] = device.ok("cat /etc/machine-id")
    device.restart("press-7")
    assert device.ok("uname -n; date +%Z").split() == ["press-7", "JST"]
    assert device.login(ANNA) == 200
    assert device.ok("sha256sum </data/system/ssh/ssh_host_ed25519_key") == memory["host key"]
    # Its certificate may be another: with the machine identity the addresses change that it names.
    assert device.ok("sha256sum </data/pilotlight/web/key.pem") == memory["web key"]
    assert device.ok("systemctl is-active ssh.socket") == "active"
    assert "restored" in device.ok("journalctl --no-pager -b -u pilotlight-restore -o cat")


def test_time_identity_and_journal_survive_a_restart(device: Device, memory: dict[str, str]) -> None:
    assert int(device.ok("date +%s")) >= int(memory["time"])
    assert device.ok("cat /etc/machine-id") == memory["new machine-id"]
    assert memory["boot"] in device.ok("journalctl --list-boots --no-pager")
    used = device.ok("du -sm /data/system/log/journal | cut -f1")
    assert int(used) <= 64
    assert device.ok("systemctl list-units --failed --plain --no-legend") == ""


def test_root_erases_the_data_over_the_bus(device: Device, memory: dict[str, str]) -> None:
    device.ok("systemctl is-system-running --wait", 300)  # the orchestrator is among the last to come
    call = f"busctl call {ORCHESTRATOR_AT} FactoryReset s"
    assert "erase" in device.machine.run(f"{call} yes").output  # the word that confirms, in the refusal
    denied = device.machine.run(f"setpriv --reuid pilotlight-web --regid nogroup --clear-groups {call} erase")
    assert denied.code != 0
    assert device.machine.run("ls /boot/config/factory-reset").code != 0
    device.ok("touch /data/kept; sync")
    device.machine.send(f"{call} erase")
    device.up("pilotlight")
    assert "Asked for by root over D-Bus." in device.ok("cat /boot/config/factory-reset-result.txt")
    assert device.machine.run("ls /data/kept /boot/config/factory-reset").code != 0
    assert device.ok("cat /etc/machine-id") != memory["new machine-id"]
    assert device.login(ANNA) == 401


def test_a_file_erases_the_data_and_a_provisioning_file_comes_after(device: Device) -> None:
    device.ok("touch /data/kept /boot/config/factory-reset.txt")
    device.machine.write("/boot/config/rpi-preseed.toml", b'config_version = "1.0"\n[system]\nhostname = "Press-9"\n')
    device.ok("sync")
    device.restart("press-9")
    assert "Asked for by a file here." in device.ok("cat /boot/config/factory-reset-result.txt")
    assert device.machine.run("ls /data/kept /boot/config/factory-reset.txt /boot/config/rpi-preseed.toml").code != 0
    assert device.ok("systemctl list-units --failed --plain --no-legend") == ""
