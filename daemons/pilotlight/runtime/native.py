# SPDX-License-Identifier: Apache-2.0
"""Programs as the scan process calls them, and native ones, through their C interface.

The C interface is native/pilotlight_program.h. This module stays interpreted: mypyc cannot compile ctypes structures.
Nothing here makes a callback, so no memory is ever writable and executable.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Protocol

from pilotlight.runtime.schedule import Task

ABI = 2
VARIABLES_MAX = 65_535
CELLS_MAX = 2_000_000
WORDS = 16
"""64-bit words of lines in one direction: 1024 lines."""
CELL_BYTES = 16
"""Of each cell that an online change carries over."""
ASKS_STOP = 1

_MEANINGS = {
    -1: "the program is not initialised",
    -2: "the program has no such variable",
    -3: "the value has not the size of the variable",
    -4: "the variable cannot hold that value",
    -5: "the program's force table is full (1024 variables)",
    -6: "a point is outside the process image",
    -7: "the variable is forced; the write would be lost",
}


class ProgramError(Exception):
    """A program cannot be loaded or refuses to start. Nothing of it runs."""


@dataclass(frozen=True)
class Variable:
    """A variable as the program describes it; `type` and `flags` are the codes of tags.Type and tags.Flags."""

    name: str
    type: int
    size: int
    flags: int


class Program(Protocol):
    """What a scan needs of a program. Codes are 0 or one of the negative codes that `explain` knows."""

    identity: str
    variables: Sequence[Variable]
    tasks: Sequence[Task]
    cells: int
    """How many cells `save` gives; 0 when the program cannot be changed online."""

    def prepare(self, image: memoryview, offsets: Sequence[int]) -> None:
        """Initialise the variables and learn where each goes in `image`. ProgramError."""

    def bind(self, direction: int, points: Sequence[tuple[int, int]]) -> None:
        """Line n of `direction` (0 inputs, 1 outputs) is point (byte, bit) number n. ProgramError."""

    def inputs(self, bits: int) -> None:
        """Take over the input lines."""

    def outputs(self, otherwise: int = 0) -> int:
        """The output lines; `otherwise` has the levels of those that the program does not drive."""

    def run(self, task: int, tick: int, now_ns: int) -> None:
        """Run a task once, forces before and after its logic."""

    def asks_stop(self) -> bool:
        """Whether the program has asked to be stopped since the last call."""

    def capture(self) -> None:
        """Copy every variable into the image."""

    def save(self, memory: mmap) -> None:
        """Put all that the program remembers into `memory`, which has room for `cells`."""

    def restore(self, memory: mmap) -> None:
        """Take over what another program saved, as far as this one has it too."""

    def write(self, variable: int, value: bytes) -> int:
        """Give a variable a value once; a code."""

    def force(self, variable: int, value: bytes) -> int:
        """Hold a variable at a value; a code."""

    def unforce(self, variable: int) -> int:
        """Let a variable go; a code."""


def explain(code: int) -> str:
    """A code in words."""
    return _MEANINGS.get(code, f"the program refuses with code {code}")


class _CVariable(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("size", ctypes.c_uint32),
        ("type", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint16),
    )


class _CTask(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("period_ns", ctypes.c_uint64),
        ("priority", ctypes.c_int32),
        ("reserved", ctypes.c_uint32),
    )


class _CDescription(ctypes.Structure):
    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("variable_count", ctypes.c_uint32),
        ("task_count", ctypes.c_uint32),
        ("cell_count", ctypes.c_uint32),
        ("identity", ctypes.c_char_p),
        ("variables", ctypes.POINTER(_CVariable)),
        ("tasks", ctypes.POINTER(_CTask)),
    )


class _CPoint(ctypes.Structure):
    _fields_ = (("byte", ctypes.c_uint16), ("bit", ctypes.c_uint8), ("reserved", ctypes.c_uint8))


class NativeProgram:
    """A loaded shared object. Its constructors have run when `load` returns."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._lib = library
        _declare(library)
        described = library.pl_describe()
        if not described:
            raise ProgramError("pl_describe gives no description")
        found = described.contents
        if found.abi != ABI:
            raise ProgramError(
                f"the program speaks version {found.abi} of the interface, this runtime {ABI}: build it again"
            )
        if found.variable_count > VARIABLES_MAX or not 1 <= found.task_count <= 64:
            raise ProgramError(f"{found.variable_count} variables and {found.task_count} tasks are out of bounds")
        if found.cell_count > CELLS_MAX:
            raise ProgramError(f"{found.cell_count} cells to carry over are out of bounds")
        self.cells: int = found.cell_count
        self.identity = _text(found.identity)
        self.variables: Sequence[Variable] = tuple(
            Variable(_text(v.name), v.type, v.size, v.flags) for v in found.variables[: found.variable_count]
        )
        self.tasks: Sequence[Task] = tuple(
            Task(_text(t.name), t.period_ns, t.priority) for t in found.tasks[: found.task_count]
        )
        self._in = (ctypes.c_uint64 * WORDS)()
        self._out = (ctypes.c_uint64 * WORDS)()
        self._in_words = 1
        self._out_words = 1
        self._image: object = None
        self._image_address = 0

    @classmethod
    def load(cls, path: Path) -> NativeProgram:
        """Load the shared object `path`. ProgramError with the loader's reason."""
        try:
            return cls(ctypes.CDLL(str(path)))
        except (OSError, AttributeError) as error:
            raise ProgramError(f"the program cannot be loaded: {error}") from error

    def prepare(self, image: memoryview, offsets: Sequence[int]) -> None:
        """Initialise the variables and give their places in `image`, which must stay where it is. ProgramError."""
        self._check("pl_initialise", self._lib.pl_initialise())
        places = (ctypes.c_uint32 * max(len(offsets), 1))(*offsets)
        self._check("pl_layout", self._lib.pl_layout(len(offsets), places))
        self._image = (ctypes.c_char * len(image)).from_buffer(image)
        self._image_address = ctypes.addressof(self._image)

    def bind(self, direction: int, points: Sequence[tuple[int, int]]) -> None:
        """Put line n behind point number n of `points`. ProgramError."""
        if len(points) > 64 * WORDS:
            raise ProgramError(f"{len(points)} lines in one direction; at most {64 * WORDS} are possible")
        table = (_CPoint * max(len(points), 1))(*(_CPoint(byte, bit, 0) for byte, bit in points))
        self._check("pl_bind", self._lib.pl_bind(direction, len(points), table))
        words = max((len(points) + 63) // 64, 1)
        if direction == 0:
            self._in_words = words
        else:
            self._out_words = words

    def inputs(self, bits: int) -> None:
        """Take over the input lines."""
        if self._in_words == 1:
            self._in[0] = bits
        else:
            for word in range(self._in_words):
                self._in[word] = bits >> 64 * word & 0xFFFFFFFFFFFFFFFF
        self._lib.pl_inputs(self._in)

    def outputs(self, otherwise: int = 0) -> int:
        """The output lines; `otherwise` has the levels of those that the program does not drive."""
        for word in range(self._out_words):
            self._out[word] = otherwise >> 64 * word & 0xFFFFFFFFFFFFFFFF
        self._lib.pl_outputs(self._out)
        bits: int = self._out[0]
        for word in range(1, self._out_words):
            bits |= self._out[word] << 64 * word
        return bits

    def run(self, task: int, tick: int, now_ns: int) -> None:
        """Run a task once."""
        self._lib.pl_run(task, tick, now_ns)

    def asks_stop(self) -> bool:
        """Whether the program has asked to be stopped since the last call."""
        return bool(self._lib.pl_asks() & ASKS_STOP)

    def capture(self) -> None:
        """Copy every variable into the image."""
        self._lib.pl_image(self._image_address)

    def save(self, memory: mmap) -> None:
        """Put all that the program remembers into `memory`, which has room for `cells`."""
        room = (ctypes.c_char * len(memory)).from_buffer(memory)
        self._lib.pl_save(ctypes.addressof(room), len(memory) // CELL_BYTES)

    def restore(self, memory: mmap) -> None:
        """Take over what another program saved, as far as this one has it too."""
        room = (ctypes.c_char * len(memory)).from_buffer(memory)
        self._lib.pl_restore(ctypes.addressof(room), len(memory) // CELL_BYTES)

    def write(self, variable: int, value: bytes) -> int:
        """Give a variable a value once; a code."""
        return int(self._lib.pl_write(variable, value, len(value)))

    def force(self, variable: int, value: bytes) -> int:
        """Hold a variable at a value; a code."""
        return int(self._lib.pl_force(variable, value, len(value)))

    def unforce(self, variable: int) -> int:
        """Let a variable go; a code."""
        return int(self._lib.pl_unforce(variable))

    @staticmethod
    def _check(call: str, code: int) -> None:
        if code != 0:
            raise ProgramError(f"{call} failed: {explain(code)}")


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


def _declare(library: ctypes.CDLL) -> None:
    """The signatures of the C interface."""
    u32, i32, pointer, words = ctypes.c_uint32, ctypes.c_int32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)
    library.pl_describe.argtypes = ()
    library.pl_describe.restype = ctypes.POINTER(_CDescription)
    library.pl_initialise.argtypes = ()
    library.pl_layout.argtypes = (u32, ctypes.POINTER(u32))
    library.pl_bind.argtypes = (u32, u32, ctypes.POINTER(_CPoint))
    library.pl_inputs.argtypes = (words,)
    library.pl_outputs.argtypes = (words,)
    library.pl_run.argtypes = (u32, ctypes.c_uint64, ctypes.c_int64)
    library.pl_image.argtypes = (pointer,)
    library.pl_write.argtypes = (u32, ctypes.c_char_p, u32)
    library.pl_force.argtypes = (u32, ctypes.c_char_p, u32)
    library.pl_unforce.argtypes = (u32,)
    library.pl_asks.argtypes = ()
    library.pl_save.argtypes = (pointer, u32)
    library.pl_restore.argtypes = (pointer, u32)
    for name in ("pl_asks", "pl_save", "pl_restore"):
        getattr(library, name).restype = u32
    for name in ("pl_initialise", "pl_layout", "pl_bind", "pl_write", "pl_force", "pl_unforce"):
        getattr(library, name).restype = i32
    for name in ("pl_inputs", "pl_outputs", "pl_run", "pl_image"):
        getattr(library, name).restype = None
