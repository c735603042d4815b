# SPDX-License-Identifier: Apache-2.0
"""The built disk, switched on once for all tests of the tier, with a chip of simulated lines in its kernel."""

import socket
from collections.abc import Iterator

import pytest

from image import emulated, qemu, web
from image.steps import BUILD
from image.tools import tools
from tests.support.appliance import run
from tests.support.fixtures import editor, session_editor
from tests.system.machine import Machine, login_credential

__all__ = ["editor", "session_editor"]

BOARD = "qemu-arm64"
ARCH = "arm64"
RESULTS = BUILD / "results"
WEB_S = 300.0  # patience for the web page after the first login, on a busy machine

CHIP = "test-lines"
SETTINGS = f"""\
lines:
  start: {{chip: {CHIP}, line: 0, address: "%IX0.0"}}
  lamp:  {{chip: {CHIP}, line: 1, address: "%QX0.0"}}
"""
# The kernel's own way to make a chip whose levels can be set and seen from outside.
MAKE_CHIP = f"""
modprobe gpio-sim
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
mkdir -p /sys/kernel/config/gpio-sim/test/bank
cd /sys/kernel/config/gpio-sim/test
echo 8 >bank/num_lines
echo {CHIP} >bank/label
echo 1 >live
udevadm settle
echo /sys/devices/platform/$(cat dev_name)/$(cat bank/chip_name)
"""


class Emulated:
    """The emulated machine as the scenarios see it."""

    request_s = 120.0  # an emulated processor is slow at passwords and certificates

    def __init__(self, machine: Machine, url: str) -> None:
        self.machine = machine
        self.url = url
        self.chip = ""

    def execute(self, command: str, timeout_s: float = 60.0) -> tuple[int, str]:
        done = self.machine.run(command, 3 * timeout_s)
        return done.code, done.output

    def make_lines(self) -> None:
        """Make the chip and let the runtime find it."""
        self.chip = self.machine.ok(MAKE_CHIP).splitlines()[-1]
        self.machine.write("/etc/pilotlight/io.yaml", SETTINGS.encode())
        self.machine.ok("systemctl restart pilotlight-runtime", 180)

    def set_input(self, value: bool) -> None:
        run(self, f"echo pull-{'up' if value else 'down'} >{self.chip}/sim_gpio0/pull")

    def output(self) -> bool:
        return run(self, f"cat {self.chip}/sim_gpio1/value").strip() == "1"


def free_port() -> int:
    """A port of this machine that nobody has at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
