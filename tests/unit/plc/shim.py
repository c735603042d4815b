# SPDX-License-Identifier: Apache-2.0
"""Programs of the language as the scan process loads them: shared objects, and one loaded with an image of its own."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path

from pilotlight.plc import Program, ir
from pilotlight.plc.native.build import build
from pilotlight.plc.native.interface import SUPPORT_SOURCES, identity, program_files
from pilotlight.runtime import native
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import CELL_BYTES, NativeProgram
from pilotlight.tags import Flags, Tag, Type
from pilotlight.tags.directory import Directory

MS = 1_000_000
PERIOD_NS = 10 * MS
HEADERS = Path(native.__file__).parent / "native"
_CODES = {1: "B", 3: "h", 4: "i", 14: "f", 20: "B", 11: "H"}
_numbers = itertools.count()


def shared_object(cache: Path, logic: Program | ir.Program, located: Mapping[str, str] | None = None) -> Path:
    """The program's shared object, a new one each time: the image is in it."""
    program = logic.ir if isinstance(logic, Program) else logic
    files = program_files(program, period_ns=PERIOD_NS, located=located)
    library = build(files, support=SUPPORT_SOURCES, flags=("-I", str(HEADERS)), cache=cache)
    own = cache / f"{next(_numbers)}.so"
    own.write_bytes(library.read_bytes())
    return own


def loaded_program(path: Path, logic: Program, name: str) -> LoadedProgram:
    """A shared object as the supervisor takes it."""
    program = NativeProgram.load(path)
    return LoadedProgram(name, name, identity(logic.ir), path, tuple(program.variables), program.cells)


class Loaded:
    """A loaded program with an image of its own, as a scan has it."""

    def __init__(self, path: Path) -> None:
        self.program = NativeProgram.load(path)
        tags = [Tag(v.name, Type(v.type), flags=Flags(v.flags)) for v in self.program.variables]
        self.directory = Directory(tags)
        self.image = bytearray(self.directory.image_size)
        offsets = [self.directory.offset(n) for n in range(len(self.program.variables))]
        self.program.prepare(memoryview(self.image), offsets)
        self.program.bind(0, [(0, 0), (0, 1)])
        self.program.bind(1, [(0, 0), (1, 0), (2, 7)])
        self.now = 5_000_000_000

    def index(self, name: str) -> int:
        """Number of a variable."""
        return [variable.name for variable in self.program.variables].index(name)

    def scan(self, *, lines: int = 0, ms: float = 10) -> int:
        """One scan so much later; the output lines."""
        self.now += round(ms * MS)
        self.program.inputs(lines)
        self.program.run(0, 0, self.now)
        self.program.capture()
        return self.program.outputs(0b010)

    def write(self, name: str, value: float) -> None:
        """Give a variable a value."""
        code = _CODES[self.program.variables[self.index(name)].type]
        assert self.program.write(self.index(name), struct.pack(code, value)) == 0

    def hand_over(self, other: Loaded) -> None:
        """An online change to another program."""
        memory = mmap(-1, self.program.cells * CELL_BYTES)
        self.program.save(memory)
        other.program.restore(memory)
        other.now = self.now

    def __getitem__(self, name: str) -> int | float:
        variable, start = self.program.variables[self.index(name)], self.directory.offset(self.index(name))
        number: int | float = struct.unpack_from(_CODES[variable.type], self.image, start)[0]
        return number
