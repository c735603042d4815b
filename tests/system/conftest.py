# SPDX-License-Identifier: Apache-2.0
"""The built disk, switched on once for all tests of the tier, with a chip of simulated lines in its kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image import emulated, qemu, web
from image.steps import BUILD
from image.tools import tools
from tests.support.fixtures import editor, session_editor
from tests.support.ports import free_port
from tests.system.machine import Machine, login_credential

__all__ = ["editor", "session_editor"]

BOARD = "qemu-arm64"
ARCH = "arm64"
RESULTS = BUILD / "results"
GUEST = Path(__file__).with_name("guest")
"""Scripts that run inside the machine."""
WEB_S = 300.0  # patience for the web page after the first login, on a busy machine

CHIP = "test-lines"
SETTINGS = f"""\
lines:
  start: {{chip: {CHIP}, line: 0, address: "%IX0.0"}}
  lamp:  {{chip: {CHIP}, line: 1, address: "%QX0.0"}}
"""
# An emulated processor that others take from is slow at loading, too.
PATIENT = "scan: {start_timeout_ms: 100000}\n"
# The kernel's own way to make a chip whose levels can be set and seen from outside.
MAKE_CHIP = """
modprobe gpio-sim
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
mkdir -p /sys/kernel/config/gpio-sim/{label}/bank
cd /sys/kernel/config/gpio-sim/{label}
echo 8 >bank/num_lines
echo {label} >bank/label
echo 1 >live
udevadm settle
echo /sys/devices/platform/$(cat dev_name)/$(cat bank/chip_name)
"""


class Chip:
    """Eight simulated lines in the kernel of the machine, as they are seen from outside."""

    def __init__(self, machine: Machine, label: str) -> None:
        self._machine = machine
        self.label = label
        self.folder = machine.ok(MAKE_CHIP.format(label=label), 180).splitlines()[-1]

    def driving(self, line: int, level: bool) -> str:
        """The shell command that drives an input."""
        return f"echo pull-{'up' if level else 'down'} >{self.folder}/sim_gpio{line}/pull"

    def drive(self, line: int, level: bool) -> None:
        self._machine.ok(self.driving(line, level), 180)

    def level(self, line: int) -> bool:
        return self._machine.ok(f"cat {self.folder}/sim_gpio{line}/value", 180) == "1"


class Emulated:
    """The emulated machine as the scenarios see it."""

    request_s = 120.0  # an emulated processor is slow at passwords and certificates
    chip: Chip
    """The lines that the runtime has."""

    def __init__(self, machine: Machine, url: str) -> None:
        self.machine = machine
        self.url = url

    def execute(self, command: str, timeout_s: float = 60.0) -> tuple[int, str]:
        done = self.machine.run(command, 3 * timeout_s)
        return done.code, done.output

    def write(self, path: str, data: bytes) -> None:
        self.machine.write(path, data)

    def guest(self, script: str) -> str:
        """Bring a script of `guest/` into the machine; its place there."""
        place = f"/tmp/{script}"
        self.write(place, (GUEST / script).read_bytes())
        return place

    def make_lines(self) -> None:
        """Make a chip and let the runtime find it."""
        self.chip = Chip(self.machine, CHIP)
        self.write("/etc/pilotlight/io.yaml", SETTINGS.encode())
        self.write("/etc/pilotlight/runtime.yaml", PATIENT.encode())
        self.machine.ok("systemctl restart pilotlight-runtime", 180)

    def set_input(self, value: bool) -> None:
        self.chip.drive(0, value)

    def output(self) -> bool:
        return self.chip.level(1)


@pytest.fixture(scope="session")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    disk = BUILD / BOARD / f"pilotlight-{BOARD}.img"
    assert disk.exists(), f"make the disk first: ./build-image.sh build {BOARD}"
    RESULTS.mkdir(parents=True, exist_ok=True)
    console = RESULTS / "system-console.txt"
    console.unlink(missing_ok=True)
    use = tools("disk")
    # Beside the disk: the tools see the project and nothing else of this machine.
    layer = BUILD / BOARD / f"test-{tmp_path_factory.mktemp('layer').parent.name}.qcow2"
    layer.unlink(missing_ok=True)
    qemu.make_layer(use, disk, layer)
    port = free_port()
    setup = qemu.Setup(ARCH, qemu.machine_words(BOARD), layer, web_port=port, credentials=login_credential(ARCH))
    try:
        with emulated.Emulated(use, setup) as board:
            board.power_on()
            machine = Machine(board, console)
            machine.login()
            assert web.wait(port, WEB_S, lambda: board.on), "the web page does not answer"
            machine.ok("systemctl is-system-running --wait", 180)
            appliance = Emulated(machine, f"https://localhost:{port}")
            appliance.make_lines()
            yield appliance
            journal = machine.run("journalctl --no-pager -o short-monotonic -p notice | tail -2000", 300)
            (RESULTS / "system-journal.txt").write_text(journal.output)
    finally:
        layer.unlink(missing_ok=True)
