# SPDX-License-Identifier: Apache-2.0
"""Start-up of the runtime: lines, store, scan process, control loop, bus, text socket."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pilotlight.daemon import Context, SettingsError, StateFile, Unavailable, load_settings, run, state_directory
from pilotlight.io.config import IoSettings, PinMapError, pin_map
from pilotlight.io.drivers import Lines, hold, line_counts
from pilotlight.io.lines import LineError
from pilotlight.runtime.build import Builder
from pilotlight.runtime.control.keeper import LoopKeeper
from pilotlight.runtime.keeping import Kept, loaded
from pilotlight.runtime.links import Links
from pilotlight.runtime.logring import LogRing
from pilotlight.runtime.notebook import Notebook
from pilotlight.runtime.retention import Retention
from pilotlight.runtime.service import Runtime
from pilotlight.runtime.settings import RuntimeSettings
from pilotlight.runtime.store import ProgramStore
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.textcommands import TextCommands
from pilotlight.runtime.textsocket import TextServer

GUARD_NS = 2_000_000_000
"""How long a thread that watches a child may be silent before the daemon counts as unhealthy."""


def hold_lines(settings: IoSettings) -> Lines:
    """All lines of io.yaml. SettingsError when the file cannot be used, Unavailable when a line cannot be had."""
    try:
        return hold(pin_map(settings, line_counts(settings)), settings)
    except PinMapError as error:
        raise SettingsError(str(error)) from None
    except LineError as error:
        raise Unavailable(f"{error}; no line is held") from None


async def main(context: Context) -> None:
    """Run the PLC until the daemon is told to stop."""
    settings, io = load_settings(RuntimeSettings, "runtime"), load_settings(IoSettings, "io")
    folder = Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    state = state_directory("runtime")
    state.mkdir(parents=True, exist_ok=True)
    ring, kept = LogRing(), StateFile(state / "state.json", Kept)
    store = ProgramStore(state / "programs")
    lines = hold_lines(io)
    notebook = Notebook(ring, kept, store, lambda: context.status(summary()))
    supervisor = Supervisor(lines, settings.scan, notebook, Retention(state / "retained", notebook.say))
    control = LoopKeeper(settings.control, io, folder, state, notebook.say)
    links = Links(settings.links, supervisor, notebook.say)

    def summary() -> str:
        return f"{supervisor.state.name}, {len(lines.pin_map.lines)} lines"

    builder = Builder(store, settings.build, lambda status: runtime.build_changed(status))
    runtime = Runtime(supervisor, builder, store, lines.pin_map, ring, notebook, control, links)
    text = TextServer(folder / "plc_runtime.socket", TextCommands(supervisor, runtime))
    try:
        active, before = store.active, kept.load(Kept())
        await supervisor.open(loaded(store, active) if active is not None else None, before.run, before.fault)
        control.open()
        links.open()
        context.healthy = lambda: supervisor.alive(GUARD_NS) and control.supervisor.alive(GUARD_NS)
        context.bus.export(runtime)
        await text.start()
        context.ready(summary())
        await context.stop.wait()
    finally:
        await text.close()
        await links.close()
        await runtime.close()
        await control.close()
        await supervisor.close()


if __name__ == "__main__":
    sys.exit(run("runtime", main))
