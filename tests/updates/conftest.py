# SPDX-License-Identifier: Apache-2.0
"""A device that is updated: an emulated machine with its firmware, from its first start through many restarts."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image import qemu, web
from image.emulated import Emulated
from image.firmware import Start
from image.steps import BUILD
from image.tools import tools
from tests.support.ports import free_port
from tests.system.machine import Machine, Result, login_credential
from tests.updates import bundles
from tests.updates.bundles import BOARD, HOME

RESULTS = BUILD / "results"
RESTART_S = 400.0  # patience for the end of the system and the next start
START_S = 600.0  # patience for a start, up to a shell or to the verdict of the health gate
REASON_S = 60.0  # patience for the history, once the orchestrator is there: it looks once a second
ORCHESTRATOR = "pilotlight-orchestrator"
ORCHESTRATOR_AT = "io.pilotlight.Orchestrator1 /io/pilotlight/Orchestrator1 io.pilotlight.Orchestrator1"
"""Its name, object and interface, as `busctl` wants them."""
OUTCOMES = "/data/pilotlight/boot/outcomes.json"


class Device:
    """The device: its machine, and what a person at its console does."""

    def __init__(self, name: str, record: Path | None = None, disk: Path = HOME / f"pilotlight-{BOARD}.img") -> None:
        assert disk.exists(), f"make the disk first: ./build-image.sh build {BOARD}"
        RESULTS.mkdir(parents=True, exist_ok=True)
        self.layer, self.disk = HOME / f"{name}.qcow2", HOME / f"{name}.img"
        for path in (self.layer, self.disk):
            path.unlink(missing_ok=True)
        # A name of its own: a build in the meantime puts another disk in the place of this one.
        self.disk.hardlink_to(disk)
        if record is not None:
            record.touch()
        use = tools("disk")
        qemu.make_layer(use, self.disk, self.layer)
        shelf = f"file={bundles.make_all().path},format=raw,if=none,id=bundles,readonly=on"
        words = [*qemu.machine_words(BOARD), "-drive", shelf, "-device", "virtio-blk-pci,drive=bundles"]
        self.port = free_port()
        setup = qemu.Setup(
            "arm64", words, self.layer, web_port=self.port, credentials=login_credential("arm64"), record=record
        )
        self.board = Emulated(use, setup)
        console = RESULTS / f"{name}-console.txt"
        console.unlink(missing_ok=True)
        self.machine = Machine(self.board, console)

    def close(self) -> None:
        """Switch off and forget the disk."""
        with self.board:
            for path in (self.layer, self.disk):
                path.unlink(missing_ok=True)

    def switch_on(self) -> Start:
        """Switch on; which start the firmware made."""
        self.machine.forget()
        self.board.power_on()
        return self.board.starts[-1]

    def login(self) -> None:
        """Wait for a shell, with the bundles at hand."""
        self.machine.login(START_S)
        self.ok(f"mkdir -p /run/bundles && mount -o ro /dev/disk/by-label/{bundles.LABEL} /run/bundles")

    def run(self, command: str, timeout_s: float = 120.0) -> Result:
        """Run a shell command as root."""
        return self.machine.run(command, timeout_s)

    def ok(self, command: str, timeout_s: float = 120.0) -> str:
        """Run a shell command that must succeed; what it printed."""
        return self.machine.ok(command, timeout_s)

    def install(self, name: str) -> Result:
        """Install a bundle with RAUC itself."""
        return self.run(f"rauc install /run/bundles/{name}.raucb", 400)

    def restart(self) -> Start:
        """Restart in good order; which start the firmware then made."""
        before = len(self.board.starts)
        self.machine.send("systemctl reboot")
        return self._next(before + 1, RESTART_S)

    def start_after(self, start: Start, timeout_s: float = START_S) -> Start:
        """The start that follows the latest one by itself."""
        assert self.board.starts[-1] == start
        return self._next(len(self.board.starts) + 1, timeout_s)

    def _next(self, number: int, timeout_s: float) -> Start:
        start = self.board.wait_for_start(number, timeout_s)
        self.machine.forget()
        return start

    def gate(self) -> str:
        """Wait until the health gate has ended; its result, such as `success`."""
        # The verdict, or what keeps it back.
        script = """
        end=$(($(cut -d. -f1 /proc/uptime) + %d))
        while systemctl show -p Job pilotlight-health | grep -q '[1-9]' || systemctl is-active -q pilotlight-health; do
          if [ $(cut -d. -f1 /proc/uptime) -gt $end ]; then
            systemctl list-jobs --no-pager
            systemctl status --no-pager pilotlight-health
            exit 1
          fi
          sleep 5
        done"""
        self.ok(f"({script % START_S})", 2 * START_S)
        return self.ok("systemctl show --value -p Result pilotlight-health")

    def slots(self) -> dict[str, Any]:
        """What the boot handler knows."""
        told: dict[str, Any] = json.loads(self.ok("/usr/lib/rauc/bootchooser status"))
        return told

    def outcomes(self) -> list[dict[str, Any]]:
        """How trials ended, oldest first, with the one that this start had to account for."""
        self.ok("systemctl start pilotlight-boot", START_S)  # waits for it; a shell may be there earlier
        told: list[dict[str, Any]] = json.loads(self.ok(f"cat {OUTCOMES} 2>/dev/null || echo '[]'"))
        return told

    def newest(self) -> dict[str, Any]:
        """The newest entry of the history that people see."""
        self.ok(f"timeout {START_S:.0f} sh -c 'until systemctl is-active -q {ORCHESTRATOR}; do sleep 1; done'", START_S)
        found: list[dict[str, Any]] = json.loads(self.ok("pilotlight update history --json"))
        return found[0] if found else {}

    def reason(self, said: str) -> dict[str, Any]:
        """The newest entry of the history, once its reason says that."""
        deadline = time.monotonic() + REASON_S
        while said not in (last := self.newest()).get("Reason", ""):
            assert time.monotonic() < deadline, f"the history does not say “{said}”, but {last}"
            time.sleep(1)
        return last

    def answers(self) -> bool:
        """Whether the web answers within its time."""
        return web.wait(self.port, START_S, lambda: self.board.on)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    made = Device("updates")
    try:
        yield made
    finally:
        made.close()
