# SPDX-License-Identifier: Apache-2.0
"""Tags of other daemons in variables of the PLC program, such as what the control loop measures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from pilotlight.daemon import DaemonError
from pilotlight.runtime import values
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.settings import LinkSettings
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.verdicts import SupervisorError
from pilotlight.tags import Quality, Readers, Reading, SegmentError, SegmentReader, Snapshot, Value

IDLE_S = 0.2
"""How often it is looked whether there is a program."""


class LinkError(Exception):
    """A link brings no value. The message says which, and why."""


def judge(source: str, reading: Reading) -> Value:
    """The value of a source, which must be good and no infinity. Raises LinkError."""
    if reading.quality is not Quality.GOOD:
        raise LinkError(f"the quality of {source} is {reading.quality.name}")
    if isinstance(reading.value, float) and not math.isfinite(reading.value):
        raise LinkError(f"{source} is no number")
    return reading.value


def place(program: LoadedProgram, links: Mapping[str, str], good: str) -> dict[int, str]:
    """The numbers of the variables that are written, with the sources; of `good` (if there is one) with none.

    Raises LinkError when the program does not have one of them, or `good` is no BOOL.
    """
    try:
        found = {values.find(program, target): source for target, source in links.items()}
        if good:
            number = values.find(program, good)
            values.to_bytes(program, number, True)
            found[number] = ""
    except DaemonError as error:
        raise LinkError(str(error)) from None
    return found


class Links:
    """Holds variables of the program equal to their sources. While one source cannot be believed all of them keep their
    last values, and the program is told by the variable that the settings name."""

    def __init__(self, settings: LinkSettings, supervisor: Supervisor, say: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._say = say
        self._readers = Readers()
        self._program: LoadedProgram | None = None
        self._places: dict[int, str] = {}
        self._misfit = ""
        self.problem = ""
        """Why the program gets no values; empty while it does, and without a program."""
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin, if there are links at all."""
        if self._settings.tags:
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        """End it; the program keeps its last values."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._readers.close()

    async def _serve(self) -> None:
        while True:
            process, program = self._supervisor.process, self._supervisor.loaded
            if process is None or program is None or process.reader is None:
                self._note("")
                await asyncio.sleep(IDLE_S)
                continue
            await self._bring(program, process.reader)
            await asyncio.sleep(self._settings.period_ms / 1000)

    async def _bring(self, program: LoadedProgram, reader: SegmentReader) -> None:
        problem, good = "", b"\1"
        try:
            wanted = self._look(program)
        except LinkError as error:
            problem, wanted, good = str(error), {}, b"\0"
        flags = {number: good for number, source in self._places.items() if not source}
        try:
            # What is good is told after its values have come, what is not before anything else.
            for part in (wanted, flags):
                await self._write(reader, part)
        except (SegmentError, ValueError):  # another program has taken over
            return
        except SupervisorError as error:
            problem = problem or str(error)
        if self._supervisor.loaded is program:
            self._note(problem)

    def _look(self, program: LoadedProgram) -> dict[int, bytes]:
        """What the variables should be."""
        if program is not self._program:
            self._program, self._places, self._misfit = program, {}, ""
            try:
                self._places = place(program, self._settings.tags, self._settings.good)
            except LinkError as error:
                self._misfit = str(error)
        if self._misfit:
            raise LinkError(self._misfit)
        sources = {number: source for number, source in self._places.items() if source}
        snapshots = {name: self._snapshot(name) for name in {source.partition(".")[0] for source in sources.values()}}
        found: dict[int, bytes] = {}
        for number, source in sources.items():
            segment, _, tag = source.partition(".")
            snapshot = snapshots[segment]
            try:
                reading = snapshot.reading(snapshot.directory.index(tag))
                found[number] = values.to_bytes(program, number, judge(source, reading))
            except KeyError:
                raise LinkError(f"segment {segment} has no tag {tag}") from None
            except DaemonError as error:
                raise LinkError(f"{source} does not fit: {error}") from None
        return found

    def _snapshot(self, segment: str) -> Snapshot:
        try:
            return self._readers.written(segment).snapshot()
        except (SegmentError, OSError) as error:
            raise LinkError(f"segment {segment} cannot be read: {error}") from None

    async def _write(self, reader: SegmentReader, wanted: Mapping[int, bytes]) -> None:
        """Write what differs from what the program has; forced variables keep what they are forced to."""
        directory, image = reader.directory, reader.snapshot().image
        variables = self._supervisor.variables
        due = {
            number: data
            for number, data in wanted.items()
            if number not in variables.forces
            and image[directory.offset(number) : directory.offset(number) + directory[number].size] != data
        }
        for verdict in await asyncio.gather(
            *(variables.write(number, data) for number, data in due.items()), return_exceptions=True
        ):
            if verdict is not None:
                raise verdict

    def _note(self, problem: str) -> None:
        """Keep the problem, and say a new one once."""
        text = f"the program's links bring nothing, it keeps the last values: {problem}" if problem else ""
        if text and text != self.problem:
            self._say("WARNING", text)
        self.problem = text
