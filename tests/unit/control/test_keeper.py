# SPDX-License-Identifier: Apache-2.0
"""What is kept of the control loop over an end of the runtime."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pilotlight.io.drivers import simulated_path
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.control.keeper import LoopKeeper
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.settings import ControlOptions
from pilotlight.tags.mailbox import Places

from tests.unit.control.test_latches import SWITCH, SWITCH_BOARD
from tests.unit.control.test_supervisor import QUIET


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[LoopKeeper]:
    """A keeper whose loop runs, with what the one before it left on the disk."""
    etc, shared = Path(os.environ["PILOTLIGHT_ETC"]), Path(os.environ["PILOTLIGHT_RUN"]) / "shm"
    for needed in (etc, shared):
        needed.mkdir(parents=True, exist_ok=True)
    (etc / "control.toml").write_text(QUIET + SWITCH)
    places = Places(shared, shared)
    keeper = LoopKeeper(ControlOptions(limit_ms=1500), SWITCH_BOARD, folder, folder, lambda level, text: None, places)
    keeper.open()
    try:
        await until(lambda: keeper.supervisor.reader is not None)
        yield keeper
    finally:
        await keeper.close()


def reason(keeper: LoopKeeper) -> int:
    """Why the servos are in failsafe, after the loop has had the time to find out."""
    assert keeper.supervisor.reader is not None
    return int(keeper.supervisor.reader.read("Servo.Reason")[0].value)


def test_a_switch_that_tripped_stays_so_over_an_end_of_the_runtime(tmp_path: Path) -> None:
    file = tmp_path / "control.json"

    async def scenario() -> None:
        async with kept(tmp_path) as keeper:
            await until(lambda: reason(keeper) == Reason.NONE)
            chip = SimulatedChip.existing(simulated_path("sim0"))
            chip.drive(3, True)
            # While it runs: nobody may have the time to keep it at the end.
            await until(lambda: file.exists() and json.loads(file.read_bytes())["latched"] == Latch.KILL_SWITCH)
            chip.drive(3, False)
        async with kept(tmp_path) as keeper:
            await until(lambda: reason(keeper) == Reason.KILL_SWITCH)
            await keeper.supervisor.stop()
            await keeper.supervisor.start()
            await until(lambda: keeper.supervisor.reader is not None)
        assert json.loads(file.read_bytes())["latched"] == Latch.NONE
        async with kept(tmp_path) as keeper:
            await until(lambda: keeper.supervisor.latched is Latch.NONE)
            chip.close()

    asyncio.run(scenario())
