# SPDX-License-Identifier: Apache-2.0
"""The trials of `bench_igniter` on the booted image, with lines of its kernel's gpio-sim.

The two processors are emulated, and each instruction of either lets 2 ns of the machine's time pass: together they
compute a fraction of what one core of the device does. What the host does meanwhile does not count: it may stop the
emulator for tens of milliseconds, as the hypervisor below it may stop the host. There is no load but the system itself.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from image import qemu
from image.emulated import Emulated
from image.tools import tools
from tests.bench.bench_disk import ARCH, BOARD, HOME, fresh_layer, make_disk
from tests.bench.bench_igniter import Counts
from tests.bench.common import Row, main
from tests.support.ports import free_port
from tests.system.conftest import Chip
from tests.system.machine import Machine, login_credential

PAIR_MS = 50
"""From the command to switching on, an emulated processor takes longer than the millisecond that is usual."""
FULL, QUICK = Counts(1_000, 1_000, 1_000, PAIR_MS), Counts(10, 2, 10, PAIR_MS)
CHIP = "igniter-lines"
LOG = HOME / "bench-igniter-console.txt"
MODULES = ("bench_igniter", "common", "igniter_fork", "igniter_nursery", "igniter_rig")
PLACE, ROWS, SAID = "/tmp/trials", "/tmp/trials/rows", "/tmp/trials/said"
TRIALS = """\
import dataclasses, json
from tests.bench.bench_igniter import Counts, trials
print(json.dumps([dataclasses.asdict(row) for row in trials({counts!r}, 0)]))
"""
SHIFT = 1
"""An instruction takes 2**this ns."""
START_S, LOOK_S, LONGEST_S = 600.0, 60.0, 4 * 3600.0  # a look is work for the machine, beside its trials


def try_out(machine: Machine, counts: Counts) -> list[Row]:
    """The rows that the trials give in the machine; what they say on the way is said here."""
    chip = Chip(machine, CHIP)
    machine.ok(f"mkdir -p {PLACE}/tests/bench")
    for name in MODULES:
        machine.write(f"{PLACE}/tests/bench/{name}.py", Path(__file__).with_name(f"{name}.py").read_bytes())
    machine.write(f"{PLACE}/main.py", TRIALS.format(counts=counts).encode())
    variables = f"PYTHONPATH={PLACE} PILOTLIGHT_GPIO_SIM={CHIP}:{chip.folder}"
    machine.ok(f"({variables} setsid sh -c 'python3 {PLACE}/main.py >{ROWS}; echo $? >{PLACE}/code' 2>{SAID} &)")
    told, end = 0, time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        time.sleep(LOOK_S)
        said = machine.ok(f"cat {SAID}", START_S)
        print(said[told:], end="", file=sys.stderr, flush=True)
        told = len(said)
        if machine.run(f"test -e {PLACE}/code", START_S).code == 0:
            code = machine.ok(f"cat {PLACE}/code", START_S)
            if code != "0":
                raise SystemExit(f"the trials ended with {code}; the machine's console is in {LOG}")
            return [Row(**row) for row in json.loads(machine.ok(f"cat {ROWS}", START_S))]
    raise SystemExit(f"the trials did not end within {LONGEST_S:g} s")


def run(quick: bool) -> list[Row]:
    """Start the image as after flashing and try a thousand times each, or with `quick` a few times."""
    make_disk()
    LOG.unlink(missing_ok=True)
    words = qemu.machine_words(BOARD)
    with fresh_layer() as layer:
        credentials = login_credential(ARCH)
        setup = qemu.Setup(ARCH, words, layer, web_port=free_port(), credentials=credentials, shift=SHIFT)
        with Emulated(tools("disk"), setup) as board:
            board.power_on()
            machine = Machine(board, LOG)
            machine.login(START_S)
            machine.ok("systemctl is-system-running --wait", START_S)
            # At their priority loop and guard leave an emulated processor little: the others would be killed for it.
            machine.ok("systemctl stop 'pilotlight-*'", START_S)
            return try_out(machine, QUICK if quick else FULL)


if __name__ == "__main__":
    main("igniter on the image", run)
