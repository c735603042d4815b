# SPDX-License-Identifier: Apache-2.0
"""Cells, expressions and conditions of the IR by chance."""

from __future__ import annotations

import math
import random
import struct

from pilotlight.plc import ir
from pilotlight.plc.ir.expressions import OPERATORS
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

NUMBERS = {Type.BOOL: 14, Type.INT: 8, Type.DINT: 6, Type.WORD: 6, Type.REAL: 6, Type.CHAR: 12}
"""Cells of each type that inputs change."""
USER = tuple(NUMBERS)
WHOLE = (Type.BOOL, Type.INT, Type.DINT, Type.WORD, Type.CHAR)
_EDGES = [0, 1, -1, 2, 7, 10, 15, 16, 17, 48, 57, 63, 64, 99, 127, 128, 255, 9999, 32767, 32768, -32768, -32769]
_LARGE = [65535, 65536, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 32, 10**10, (1 << 63) - 1, -(1 << 63), -(1 << 62)]
_FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, 0.1, math.pi, 50.0, 255.5, 32767.5, -32768.9, 65535.5, 1e-45]
_FAR = [3.4028234663852886e38, 3.5e38, -3.5e38, 1e300, -1e300, 9.3e18, -9.3e18, 2.0**63, 1e10, 1e-300, 16777217.0]
TEXT = "0123456789+-.eE aF\t\0"
_FUNCTIONS = [name for name, (count, _kind, _whole) in OPERATORS.items() if count == 1 and name != "not"]


def single(number: float) -> float:
    """A number that a REAL can hold."""
    if not math.isfinite(number):
        return number
    return float(struct.unpack("<f", struct.pack("<f", max(min(number, _FAR[0]), -_FAR[0])))[0]) + 0.0


class Parts:
    """Makes what instructions of one program are made of, from the choices of `chance`."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.cells = [ir.Cell(name, Type.BOOL, readonly=True) for name in ir.TRANSIENT_FAULTS]
        self.slots: dict[Type, list[int]] = {}
        self.tables: list[ir.Table] = []
        self.edges: list[ir.Edge] = []
        self.subroutines: list[ir.Subroutine] = []
        for kind, count in NUMBERS.items():
            self.slots[kind] = [self.cell(kind, f"{kind.name}{n}", self.number(kind)) for n in range(count)]
        for kind in USER:
            self.tables.append(self.table(kind))
        self.slots[Type.BOOL] += [ir.DIVISION_ERROR, ir.OUT_OF_RANGE, ir.ADDRESS_ERROR]

    # ---- storage ----------------------------------------------------------------------------------------------------

    def cell(self, kind: Type, name: str = "", default: int | float = 0) -> int:
        """A new cell; without a name an internal one."""
        self.cells.append(ir.Cell(name or f"#{len(self.cells)}", kind, default, internal=not name))
        return len(self.cells) - 1

    def table(self, kind: Type) -> ir.Table:
        slots = self.chance.sample(self.slots[kind], self.chance.randint(1, len(self.slots[kind])))
        for _ in range(self.chance.choice([0, 0, 1, 3])):
            slots.insert(self.chance.randint(0, len(slots)), -1)
        return ir.Table(kind.name, kind, self.chance.choice([0, 1, 1, 1, -2, 100]), tuple(slots))

    def slot(self, *kinds: Type) -> int:
        return self.chance.choice(self.slots[self.chance.choice(kinds)])

    def number(self, kind: Type) -> int | float:
        """A number that a cell of a type holds."""
        chance = self.chance
        if kind is Type.REAL:
            return single(chance.choice([chance.choice(_FLOATS), chance.choice(_FAR), chance.uniform(-100, 100)]))
        if kind is Type.BOOL:
            return chance.randint(0, 1)
        if kind is Type.CHAR:
            return ord(chance.choice(TEXT)) if chance.random() < 0.9 else chance.randint(0, 255)
        low, high = bounds(kind)
        number = chance.choice([chance.randint(0, 20), chance.randint(0, 5), chance.choice(_EDGES + _LARGE)])
        return min(max(number, low), high) if chance.random() < 0.9 else chance.randint(low, high)

    # ---- expressions ------------------------------------------------------------------------------------------------

    def whole(self, depth: int = 2) -> ir.Expression:
        """An integer expression."""
        chance = self.chance
        if depth <= 0 or chance.random() < 0.3:
            if chance.random() < 0.4:
                return ir.Constant(chance.choice([chance.randint(-5, 20), chance.choice(_EDGES + _LARGE)]))
            return ir.Load(self.slot(*WHOLE, Type.INT, Type.DINT))
        choice = chance.random()
        if choice < 0.15:
            return self.at(WHOLE, depth - 1)
        if choice < 0.2:
            window = self.window(self.chance.choice(WHOLE), depth - 1)
            return ir.Total(window.table, window.first, window.last)
        names = [name for name, (_count, kind, _whole) in OPERATORS.items() if kind != "float"]
        operator = chance.choice(names)
        return ir.Apply(operator, tuple(self.whole(depth - 1) for _ in range(OPERATORS[operator][0])))

    def real(self, depth: int = 2) -> ir.Expression:
        """A float expression."""
        chance = self.chance
        if depth <= 0 or chance.random() < 0.3:
            if chance.random() < 0.4:
                return ir.Constant(chance.choice([chance.choice(_FLOATS), chance.choice(_FAR), chance.uniform(-9, 9)]))
            return ir.Load(self.slot(Type.REAL))
        choice = chance.random()
        if choice < 0.1:
            return self.at((Type.REAL,), depth - 1)
        if choice < 0.15:
            window = self.window(Type.REAL, depth - 1)
            return ir.Total(window.table, window.first, window.last)
        if choice < 0.4:
            return ir.Apply(chance.choice(_FUNCTIONS), (self.real(depth - 1),))
        operator = chance.choice(["add", "subtract", "multiply", "divide", "quotient", "remainder", "power"])
        pair = [self.real(depth - 1), self.expression(depth - 1)]
        chance.shuffle(pair)
        return ir.Apply(operator, tuple(pair))

    def expression(self, depth: int = 2) -> ir.Expression:
        return self.whole(depth) if self.chance.random() < 0.6 else self.real(depth)

    def address(self, table: ir.Table, depth: int) -> ir.Expression:
        """An address that is often in the table."""
        choice = self.chance.random()
        if choice < 0.75:
            return ir.Constant(self.chance.randint(table.first, table.first + len(table.slots) - 1))
        if choice < 0.95:
            return ir.Load(self.slot(Type.INT))
        return self.expression(depth)

    def at(self, kinds: tuple[Type, ...], depth: int = 1) -> ir.At:
        number = self.chance.choice([n for n, table in enumerate(self.tables) if table.type in kinds])
        return ir.At(number, self.address(self.tables[number], depth))

    def window(self, kind: Type, depth: int = 1) -> ir.Window:
        number = next(n for n, table in enumerate(self.tables) if table.type is kind)
        ends = [self.address(self.tables[number], depth) for _ in range(2)]
        if all(isinstance(end, ir.Constant) for end in ends) and self.chance.random() < 0.9:
            ends.sort(key=lambda end: end.value if isinstance(end, ir.Constant) else 0)
        return ir.Window(number, ends[0], ends[1], self.chance.random() < 0.3)

    def some(self, kind: Type, most: int = 6) -> ir.Cells:
        """Cells of a type."""
        if self.chance.random() < 0.4:
            return self.window(kind)
        slots = self.chance.sample(self.slots[kind], self.chance.randint(1, min(most, len(self.slots[kind]))))
        return ir.Range(kind, tuple(slots), tuple(self.chance.sample(range(1, 40), len(slots))))

    def place(self, *kinds: Type) -> ir.Place:
        return ir.Load(self.slot(*kinds)) if self.chance.random() < 0.7 else self.at(kinds)

    # ---- conditions -------------------------------------------------------------------------------------------------

    def condition(self, depth: int = 2) -> ir.Condition:
        chance = self.chance
        choice = chance.random()
        if depth > 0 and choice < 0.25:
            of = tuple(self.condition(depth - 1) for _ in range(chance.randint(0, 3)))
            return chance.choice([ir.All, ir.Any])(of)
        if depth > 0 and choice < 0.35:
            return ir.Not(self.condition(depth - 1))
        if choice < 0.5:
            slot, previous = self.slot(*USER), self.cell(Type.BOOL)
            self.edges.append(ir.Edge(slot, previous))
            return chance.choice([ir.Rise, ir.Fall])(slot, previous)
        if choice < 0.7:
            return ir.Truth(ir.Load(self.slot(Type.BOOL, *USER)))
        if choice < 0.75:
            return ir.Truth(self.expression(1))
        return ir.Compare(chance.choice(ir.COMPARISONS), self.expression(2), self.expression(2))
