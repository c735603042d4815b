# SPDX-License-Identifier: Apache-2.0
"""Makes scan processes: from a program to a process on standby, initialised and not yet in charge of the lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilotlight.io.drivers import Lines
from pilotlight.runtime.children import PACKAGES
from pilotlight.runtime.guard import Guard
from pilotlight.runtime.job import Job
from pilotlight.runtime.native import CELL_BYTES, Variable
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.scantags import DescriptionError, own_tags, program_tag
from pilotlight.runtime.settings import ScanSettings
from pilotlight.tags import SegmentError, SegmentWriter

READABLE = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.prefix, sys.base_prefix, str(PACKAGES))
"""What a scan process may read while it loads its program, beside the program itself."""


@dataclass(frozen=True)
class LoadedProgram:
    """A program that can be given to a scan process."""

    id: str
    name: str
    identity: str
    path: Path
    variables: tuple[Variable, ...]
    cells: int = 0
    """Cells that an online change carries over; 0 when it cannot be changed online."""


class Launcher:
    """Prepares scan processes for the lines it is given."""

    def __init__(
        self, lines: Lines, settings: ScanSettings, guard: Guard[ScanProcess], notice: Callable[[str], None]
    ) -> None:
        self._lines = lines
        self._settings = settings
        self._guard = guard
        self._notice = notice

    async def prepare(self, program: LoadedProgram | None, carried: int = -1) -> ScanProcess:
        """A process on standby for `program`, or for none, that gets the guard's signs of life. ScanError.

        `carried` is the memory of the program before that it may take over.
        """
        pin_map = self._lines.pin_map
        try:
            tags = [program_tag(variable) for variable in program.variables] if program is not None else []
            tags += own_tags([line.name for line in pin_map.inputs], [line.name for line in pin_map.outputs])
            writer = SegmentWriter.create("plc", tags, publish=False)
        except (DescriptionError, SegmentError, ValueError) as error:
            raise ScanError(str(error)) from None
        lines = self._lines.inputs.descriptors() + self._lines.outputs.descriptors()
        try:
            memory = CELL_BYTES * program.cells if program is not None else 0
            process = ScanProcess.spawn(self._job(program, carried), writer, lines, self._notice, memory)
        except OSError as error:
            writer.close()
            raise ScanError(f"no scan process can be started: {error}") from None
        self._guard.keep(process)
        try:
            await process.ready(self._settings.start_timeout_ms / 1000)
        except (ScanError, asyncio.CancelledError):
            self.drop(process)
            raise
        return process

    def drop(self, process: ScanProcess) -> None:
        """End a process and forget it; harmless when that has been done."""
        self._guard.forget(process)
        process.close()

    def _job(self, program: LoadedProgram | None, carried: int) -> Job:
        settings, lines = self._settings, self._lines
        path = str(program.path) if program is not None else ""
        return Job(
            parent=0,
            segment=-1,
            ring=-1,
            reports=-1,
            saved=-1,
            carried=carried,
            program=path,
            period_ns=settings.idle_period_ms * 1_000_000,
            limit_ns=settings.limit_ms * 1_000_000,
            supervisor_ns=settings.supervisor_timeout_ms * 1_000_000,
            priority=settings.priority,
            cpu=settings.cpu,
            memory=settings.memory_mb << 20,
            safe=lines.pin_map.safe_bits,
            inputs=lines.inputs.handles,
            outputs=lines.outputs.handles,
            input_points=tuple(f"{line.address.byte}.{line.address.bit}" for line in lines.pin_map.inputs),
            output_points=tuple(f"{line.address.byte}.{line.address.bit}" for line in lines.pin_map.outputs),
            readable=(*READABLE, path) if path else READABLE,
        )
