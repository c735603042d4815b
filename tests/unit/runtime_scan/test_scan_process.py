# SPDX-License-Identifier: Apache-2.0
"""Real scan processes: following lines, commands, exchange between two scans, safe ends."""

from __future__ import annotations

import asyncio

from pilotlight.runtime.states import State

from tests.unit.runtime_scan.support import Build, plant


def test_an_output_follows_its_input_within_two_scans(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            assert it.supervisor.state is State.RUNNING
            for level in (True, False, True):
                before = it.value("Scan.Count")
                it.chip.drive(0, level)
                await it.until(lambda wanted=level: it.outputs()[0] is wanted)
                assert isinstance(before, int)
                assert it.value("Scan.Count") <= before + 3

    asyncio.run(scenario())
