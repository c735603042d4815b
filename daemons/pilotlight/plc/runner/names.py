# SPDX-License-Identifier: Apache-2.0
"""The tags of a running program, and those that its runner alone knows."""

from __future__ import annotations

from pilotlight.plc import ir
from pilotlight.plc.language.builder import Builder
from pilotlight.plc.language.points import POINTS
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.values import from_cell, kind_of_value, to_cell
from pilotlight.tags import Type, Value

ANSWERS = {
    "rtc.apply_date": "rtc.apply_date_error",
    "rtc.apply_time": "rtc.apply_time_error",
    "storage.sd.eject_cmd": "storage.sd.write_status",
    "storage.sd.delete_all_cmd": "storage.sd.write_status",
}
"""Points that answer to commands: who gives the command finds the answer among the tags."""


class Names(Builder):
    """Slots by name. Tags that the program does not use get slots behind the program's."""

    def __init__(self, program: ir.Program) -> None:
        super().__init__()
        self.program_size = len(program.cells)
        self._guessed: set[str] = set()
        self.writable: dict[str, int] = {}
        """Slots of names that to_write() has found: patches come in every scan, and mostly by the same names."""
        self.cells = list(program.cells)
        self.tables = list(program.tables)
        self.slots = {cell.name: slot for slot, cell in enumerate(self.cells)}
        for cell in self.cells:
            if not cell.internal:
                default = from_cell(cell.type, cell.default)
                tag = Tag(cell.name, cell.type, default=default, retentive=cell.retentive, comment=cell.comment)
                tag.readonly = cell.readonly
                self.tags[cell.name] = tag

    def find(self, tag: str | Tag, value: Value | None = None) -> int:
        """The slot of a tag; an unknown name becomes a tag of the type of `value`, or is a KeyError without one."""
        name = tag.name if isinstance(tag, Tag) else tag
        if name in ANSWERS:
            self.slot(POINTS[ANSWERS[name]])
        if isinstance(tag, Tag):
            return self.slot(tag)
        if not isinstance(tag, str):
            raise TypeError(f"{tag!r} is neither a tag nor the name of one")
        slot = self.slots.get(tag)
        if slot is not None and not self.cells[slot].internal:
            return slot
        if tag in POINTS:
            return self.slot(POINTS[tag])
        if value is None:
            raise KeyError(f"the program has no tag {tag!r}")
        self._guessed.add(tag)
        return super().slot(Tag(tag, kind_of_value(value)))

    def to_write(self, tag: str | Tag, value: Value) -> int:
        """The slot of a tag that takes `value`, as `find` has it; ValueError for a point that the runner writes."""
        slot = self.find(tag, value)
        if self.cells[slot].readonly:
            raise ValueError(f"{self.cells[slot].name} is a read-only system point")
        if isinstance(tag, str) and tag not in self._guessed:
            self.writable[tag] = slot
        return slot

    def slot(self, tag: Tag) -> int:
        """The slot of a tag; what was known by name and value alone takes its properties, if it has the same type or
        a narrower integer's."""
        if tag.name in self._guessed:
            slot = self.slots[tag.name]
            old = self.cells[slot].type
            if tag.type is old or (old, tag.type) == (Type.INT, Type.DINT):
                self._guessed.discard(tag.name)
                default = to_cell(tag.type, tag.default)
                self.cells[slot] = ir.Cell(tag.name, tag.type, default, tag.retentive, tag.readonly, False, tag.comment)
                self.tags[tag.name] = tag
        return super().slot(tag)

    def number(self, slot: int, value: Value) -> int | float:
        """What the cell holds for a value; TagValueError when it does not fit."""
        return to_cell(self.cells[slot].type, value)

    def value(self, slot: int, number: int | float) -> Value:
        """The value of what the cell holds."""
        return from_cell(self.cells[slot].type, number)
