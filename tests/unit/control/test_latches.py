# SPDX-License-Identifier: Apache-2.0
"""The kill switch under the supervisor, and what stays latched whatever befalls the process."""

from __future__ import annotations

import asyncio
import os
import signal

from pilotlight.io.config import IoSettings, SimulatedSettings
from pilotlight.io.drivers import simulated_path
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.samples import Reason

from tests.unit.control.test_supervisor import QUIET, plant

SWITCH = '[killswitch]\nenabled = true\nchip = "sim0"\ngpio = 3\n'
SWITCH_BOARD = IoSettings({}, SimulatedSettings("sim0", 8))
LATCHED = "servos are in failsafe until the control loop is stopped and started: the kill switch tripped"


def test_the_kill_switch_is_a_line_of_the_simulated_chip() -> None:
    async def scenario() -> None:
        async with plant(QUIET + SWITCH + "latch_on_trip = false\n", io=SWITCH_BOARD) as it:
            await it.running()
            await it.until(lambda: it.value("Status.control_ticks") > 10)
            chip = SimulatedChip.existing(simulated_path("sim0"))
            assert it.value("Servo.Reason") == Reason.NONE
            chip.drive(3, True)
            await it.until(lambda: it.value("Servo.Reason") == Reason.KILL_SWITCH)
            assert it.supervisor.problems() == [f"servos are in failsafe: {Reason.KILL_SWITCH.text}"]
            chip.drive(3, False)
            await it.until(lambda: it.value("Servo.Reason") == Reason.NONE)
            assert it.supervisor.problems() == []
            chip.close()

    asyncio.run(scenario())


def test_a_switch_that_tripped_stays_so_until_somebody_starts_the_loop() -> None:
    async def scenario() -> None:
        async with plant(QUIET + SWITCH, io=SWITCH_BOARD) as it:
            pid = await it.running()
            chip = SimulatedChip.existing(simulated_path("sim0"))
            await it.until(lambda: it.value("Status.control_ticks") > 10)
            chip.drive(3, True)
            await it.until(lambda: it.supervisor.latched is Latch.KILL_SWITCH)
            chip.drive(3, False)
            for _ in range(2):
                os.kill(pid, signal.SIGKILL)
                pid = await it.running(not_pid=pid)
                await it.until(lambda: it.value("Status.control_ticks") > 10)
                assert it.value("Servo.Reason") == Reason.KILL_SWITCH
                assert it.supervisor.problems() == [LATCHED]
            await it.supervisor.reload()
            await it.until(lambda: it.value("Status.control_ticks") > 10)
            assert it.value("Servo.Reason") == Reason.KILL_SWITCH, "another configuration is no acknowledgement"
            await it.supervisor.stop()
            assert it.supervisor.problems() == [LATCHED]
            await it.supervisor.start()
            await it.until(lambda: it.value("Status.control_ticks") > 10)
            assert it.value("Servo.Reason") == Reason.NONE
            assert it.supervisor.problems() == []
            chip.close()

    asyncio.run(scenario())
