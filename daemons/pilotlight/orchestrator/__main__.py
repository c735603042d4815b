# SPDX-License-Identifier: Apache-2.0
"""Start-up of the orchestrator, and its look at the system once a period."""

from __future__ import annotations

import asyncio
import sys

from pilotlight.daemon import Context, DaemonError, load_settings, run, state_directory

from .core import Unit, problems
from .segment import Segment
from .service import Orchestrator
from .settings import OrchestratorSettings
from .system import System
from .update.setup import make_updates


async def main(context: Context) -> None:
    """Look and publish until the end."""
    settings = load_settings(OrchestratorSettings, "orchestrator")
    system = System(settings.data)
    versions = system.versions()
    updates = make_updates(settings.update, versions, system.boot_id(), state_directory("orchestrator"))
    service = Orchestrator(versions, updates)
    segment = Segment(versions)
    try:
        await updates.start()
        context.bus.export(service)
        units: list[Unit] | None = None
        asked = -settings.units_period_s
        announced = False
        while not context.stop.is_set():
            now = context.loop.time()
            if now - asked >= settings.units_period_s:
                asked, units = now, await _units(context, system, units is not None or not announced)
            health = system.look()
            updates.look()
            found = [*problems(health, units, settings), *updates.problems()]
            segment.publish(health, units, len(found), settings.period_s)
            for problem in found:
                if problem not in service.Problems:
                    context.log.warning(problem, event="problem")
            service.update(health, units, found)
            if not announced:
                context.ready(f"slot {versions['Slot'] or 'unknown'}, kernel {versions['Kernel']}")
                announced = True
            try:
                await asyncio.wait_for(context.stop.wait(), max(0.01, now + settings.period_s - context.loop.time()))
            except TimeoutError:
                continue
    finally:
        await updates.close()
        segment.close()


async def _units(context: Context, system: System, report: bool) -> list[Unit] | None:
    try:
        return await system.units()
    except DaemonError as error:
        if report:
            context.log.warning(f"unit states are not known: {error}", event="units-unknown")
        return None


if __name__ == "__main__":
    sys.exit(run("orchestrator", main))
