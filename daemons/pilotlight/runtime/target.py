# SPDX-License-Identifier: Apache-2.0
"""The loaded program as the debugger sees it: values from the segment, forces through the supervisor.

Values are read from shared memory, so the debugger works while the program is stopped and cannot disturb it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pilotlight.runtime import debug
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.verdicts import SupervisorError
from pilotlight.tags import SegmentError, SegmentReader, Snapshot, Type


class Debugger:
    """Answers debugger frames for whatever program is loaded."""

    def __init__(self, supervisor: Supervisor, say: Callable[[str, str], None]) -> None:
        self._supervisor = supervisor
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()
        self._reversed = False
        self._program: LoadedProgram | None = None
        self._types: tuple[Type, ...] = ()

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to one frame; None when it is no frame."""
        program, process = self._supervisor.loaded, self._supervisor.process
        if program is not self._program:
            self._program, self._reversed = program, False
            self._types = tuple(Type(variable.type) for variable in program.variables) if program is not None else ()
        if program is None or process is None or process.reader is None:
            return debug.handle(frame, None)
        try:
            target = _Target(
                self._supervisor, self._soon, process.reader, self._types, program.identity, self._reversed
            )
        except SegmentError:
            return debug.handle(frame, None)
        answer = debug.handle(frame, target)
        self._reversed = target.reversed
        return answer

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry out a force after the frame is answered; forces keep their order."""
        task = asyncio.get_running_loop().create_task(self._carry_out(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SupervisorError as error:
            self._say("WARNING", f"the debugger's force was not carried out: {error}")


class _Target:
    """The program at one moment: all values of one frame are of one scan."""

    def __init__(
        self,
        supervisor: Supervisor,
        soon: Callable[[Coroutine[Any, Any, None]], None],
        reader: SegmentReader,
        types: Sequence[Type],
        identity: str,
        is_reversed: bool,
    ) -> None:
        self._supervisor = supervisor
        self._soon = soon
        self._snapshot: Snapshot = reader.snapshot()
        self._image = self._snapshot.image
        self._directory = reader.directory
        self.types = types
        self.identity = identity
        self.reversed = is_reversed

    @property
    def tick(self) -> int:
        """Scans of the program so far."""
        count = self._snapshot.value(self._directory.index("Scan.Count"))
        return int(count)

    def read(self, index: int) -> bytes:
        """The variable's value in the encoding of its tag."""
        offset = self._directory.offset(index)
        return self._image[offset : offset + self._directory[index].size]

    def force(self, index: int, value: bytes) -> bool:
        """Ask to force; always true: a refusal of the program comes too late for the frame and goes to the log."""
        self._soon(self._supervisor.variables.force(index, value))
        return True

    def unforce(self, index: int) -> bool:
        """Ask to let go; as `force`."""
        self._soon(self._supervisor.variables.unforce(index))
        return True
