# SPDX-License-Identifier: Apache-2.0
"""The native engine: a built program and an image, with the interface of the interpreter."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

from pilotlight.plc import ir
from pilotlight.plc.engine import Event, Interpreter
from pilotlight.plc.native.build import BuildError, Limits, build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.layout import ARRAYS, Layout

SYMBOL = "program"
_NO_FAULTS = bytes(len(ir.TRANSIENT_FAULTS))
Step = TypeVar("Step", tuple[str, int], Event)


class _Entry(ctypes.Structure):
    """`plc_entry` of plc_entry.h."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("initial", ctypes.c_void_p),
        ("logic", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)),
        ("edges", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    )


class Image(MutableSequence[Any]):
    """The numbers of an image by slot, live. A BOOL is 0 or 1, a CHAR its code, a REAL a float.

    Numbers that are put behind the cells of the program are kept too; the program does not see them.
    """

    def __init__(self, layout: Layout, buffer: bytearray) -> None:
        whole = memoryview(buffer)
        views: dict[object, memoryview] = {}
        for array in ARRAYS:
            start = layout.starts[array.type]
            part = whole[start : start + array.size * layout.counts[array.type]]
            views[array.type] = part.cast(array.code)  # type: ignore[call-overload]
        self._layout = layout
        self._buffer = buffer
        self._of: list[Any] = [views[cell.type] for cell in layout.cells]
        self._places = list(layout.places)
        self._more: list[Any] = []

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, slot: int) -> Any: ...
    @overload
    def __getitem__(self, slot: slice) -> list[Any]: ...
    def __getitem__(self, slot: int | slice) -> Any:
        if isinstance(slot, slice):
            return self.copy()[slot]
        return self._of[slot][self._places[slot]]

    def copy(self) -> list[Any]:
        """The numbers, in a list of their own."""
        return [*self._layout.unpack(self._buffer), *self._more]

    def __setitem__(self, slot: Any, number: Any) -> None:
        """Store a number that fits. A slice takes as many as it has; that of all takes the program's, and more."""
        if not isinstance(slot, slice):
            self._of[slot][self._places[slot]] = number
            return
        numbers, count = self.copy(), len(self._layout.cells)
        numbers[slot] = number
        if len(numbers) < count or (slot != slice(None) and len(numbers) != len(self)):
            raise ValueError(f"an image keeps its cells: {len(self)} numbers, and not {len(numbers)}")
        self._buffer[:] = self._layout.pack(numbers[:count])
        del self._of[count:], self._places[count:], self._more[:]
        self.extend(numbers[count:])

    def put(self, numbers: Mapping[int, Any]) -> None:
        """Store numbers that fit, by slot."""
        of, places = self._of, self._places
        for slot, number in numbers.items():
            of[slot][places[slot]] = number

    def holds(self, numbers: Mapping[int, Any]) -> bool:
        """Whether these numbers are in their slots."""
        of, places = self._of, self._places
        return [of[slot][places[slot]] for slot in numbers] == list(numbers.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Image, list)) and self.copy() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __delitem__(self, slot: int | slice) -> None:
        raise TypeError("an image keeps its cells")

    def insert(self, index: int, value: Any) -> None:
        """Add a number at the end."""
        if index != len(self):
            raise TypeError("an image keeps its cells where they are")
        self._of.append(self._more)
        self._places.append(len(self._more))
        self._more.append(value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.copy())


class _Map(ctypes.Structure):
    """`plc_map` of plc_host.h."""

    _fields_ = (
        ("size", ctypes.c_int64),
        ("slots", ctypes.POINTER(ctypes.c_int32)),
        ("offsets", ctypes.POINTER(ctypes.c_uint32)),
        ("codes", ctypes.c_char_p),
    )


class _Comparison:
    """Finds what has changed in an image, by plc_changes of plc_host.h."""

    def __init__(self, library: ctypes.CDLL, layout: Layout, image: bytearray) -> None:
        size, count = len(image), len(layout.cells)
        slots = (ctypes.c_int32 * size)()
        for slot, cell in enumerate(layout.cells):
            start = layout.offset(slot)
            slots[start : start + cell.type.size] = [slot] * cell.type.size
        offsets = (ctypes.c_uint32 * count)(*map(layout.offset, range(count)))
        codes = "".join(map(layout.code, range(count))).encode()
        self._map = _Map(size, slots, offsets, codes)
        self._changed = (ctypes.c_int32 * count)()
        self._numbers = (ctypes.c_double * count)()
        self.slots_view = memoryview(self._changed).cast("B")
        self.numbers_view = memoryview(self._numbers).cast("B")
        kind = ctypes.c_char * size
        held, kept = kind.from_buffer(image), kind.from_buffer(bytearray(image))
        self._function = library.plc_changes
        self._function.restype = ctypes.c_int64
        self._arguments = (ctypes.byref(self._map), held, kept, self._changed, self._numbers)

    def find(self) -> int:
        """How many cells have changed."""
        return int(self._function(*self._arguments))


class NativeEngine:
    """One program and its image; `begin`, `run`, `finish` as of the interpreter. Not for several threads at a time."""

    def __init__(self, program: ir.Program, library: Path, symbol: str = SYMBOL) -> None:
        """Load the shared object that build() made of the program; raises BuildError when it does not load."""
        self.program: ir.Program = program
        self.layout: Layout = Layout(program.cells)
        try:
            self.shared = ctypes.CDLL(str(library))
            entry = _Entry.in_dll(self.shared, f"{symbol}_entry")
        except (OSError, ValueError) as error:
            raise BuildError(f"the native program {library} cannot be loaded: {error}") from error
        if entry.size != self.layout.size:
            raise BuildError(f"the native program {library} is that of another: build it again")
        self.image: bytearray = bytearray(ctypes.string_at(entry.initial, entry.size))
        """The image as bytes, laid out as `layout` says. It stays where it is."""
        self._held = (ctypes.c_char * entry.size).from_buffer(self.image)
        self.address = ctypes.addressof(self._held)
        self.entry_address = ctypes.addressof(entry)
        self._logic, self._edges = entry.logic, entry.edges
        self._transient = slice(entry.faults, entry.faults + len(_NO_FAULTS))
        self.cells: Image = Image(self.layout, self.image)
        """The image by slot, live."""
        self._compare = _Comparison(self.shared, self.layout, self.image)

    @classmethod
    def of(cls, program: ir.Program, *, limits: Limits | None = None) -> NativeEngine:
        """Build a program, or take it from the cache; raises EmitError and BuildError."""
        return cls(program, build(emit(program, SYMBOL), limits=limits))

    def load(self, image: Sequence[Any]) -> None:
        """Take over an image by slot, of as many cells at least as the program has."""
        if len(image) < len(self.program.cells):
            raise ValueError(f"the image has {len(image)} cells; the program needs {len(self.program.cells)}")
        self.cells[:] = image

    def put(self, numbers: Mapping[int, Any]) -> None:
        """Store numbers by slot."""
        self.cells.put(numbers)

    def holds(self, numbers: Mapping[int, Any]) -> bool:
        """Whether the image has these numbers in their slots."""
        return self.cells.holds(numbers)

    def begin(self) -> None:
        """A scan starts: the transient faults are cleared."""
        self.image[self._transient] = _NO_FAULTS

    def run(self, dt_ns: int) -> None:
        """Run the logic; `dt_ns` are the nanoseconds since the previous scan, 0 or more."""
        self._logic(self.address, dt_ns)

    @cached_property
    def _interpreter(self) -> Interpreter:
        """For what only the interpreter does; it works on a copy of the image."""
        return Interpreter(self.program)

    def rungs(self, dt_ns: int) -> Iterator[tuple[str, int]]:
        """Run the logic in the interpreter, pausing after each rung of the main program and of the tasks."""
        return self._stepped(self._interpreter.rungs(dt_ns))

    def walk(self, dt_ns: int) -> Iterator[Event]:
        """Run the logic in the interpreter, pausing before each rung, branch, subroutine and instruction."""
        return self._stepped(self._interpreter.walk(dt_ns))

    def explain(self, condition: ir.Condition, *, asked: bool = True) -> tuple[tuple[str, str, str], ...]:
        """The parts of a condition as the image is now, as the interpreter explains them."""
        self._interpreter.load(self.cells.copy())
        return self._interpreter.explain(condition, asked=asked)

    def _stepped(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Steps of the interpreter, the image here and there the same at each pause and after the last."""
        while True:
            self._interpreter.load(self.cells.copy())
            step = next(steps, None)
            self.load(self._interpreter.cells)
            if step is None:
                return
            yield step

    def changes(self) -> bytes:
        """What has changed since the last call, or since the start: n slots as uint32, then their n numbers as doubles.

        The slots are in the order of the image; a LINT beyond 53 bits is rounded.
        """
        count, compare = self._compare.find(), self._compare
        return bytes(compare.slots_view[: 4 * count]) + bytes(compare.numbers_view[: 8 * count])

    def finish(self) -> None:
        """A scan ends: what edges compare with is set to the present."""
        self._edges(self.address)
