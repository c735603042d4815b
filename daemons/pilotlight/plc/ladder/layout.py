# SPDX-License-Identifier: Apache-2.0
"""Where the parts of a rung are drawn.

A circuit lies between two columns, its wire in a row; branches that leave a wire hang on a bus, a column, in the
order in which their instructions run. Coils and boxes stand at the right rail.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pilotlight.plc import ir
from pilotlight.plc.ladder.circuits import WIRE, Circuit, Contact, Parallel, Series, circuit, conducts, series
from pilotlight.plc.ladder.drawing import Bar, Bracket, Drawing, Frame, Line, Stub, Words
from pilotlight.plc.ladder.flow import Flow, RungFlow
from pilotlight.plc.ladder.symbols import Box, Coil, Symbol, Symbols

_GAP = 3
"""Columns between a parallel circuit and a bus behind it, so that they do not look like one."""


@dataclass(frozen=True)
class Leaf:
    """An instruction's symbol, with the circuits of its pins and whether each gets power."""

    symbol: Symbol
    live: bool
    pins: tuple[tuple[Circuit, bool], ...] = ()


@dataclass
class Branch:
    """A circuit and what hangs behind it; `before` and `live` are its power before and behind the circuit."""

    power: int
    circuit: Circuit
    before: bool
    live: bool
    items: list[Branch | Leaf] = field(default_factory=list)


@dataclass(frozen=True)
class Size:
    """Columns from node to node, and rows above and below the wire."""

    width: int
    up: int
    down: int


def branches_of(program: ir.Program, rung: ir.Rung, flow: Flow | None, decided: RungFlow | None) -> list[Branch]:
    """The rung as branches from the rail; with no instruction, its condition alone."""
    symbols = Symbols(program, flow)
    circuits = [
        circuit(program, power.condition, None if decided is None else iter(decided.contacts[number]), symbols.seen)
        for number, power in enumerate(rung.powers)
    ]

    def on(power: int) -> bool:
        return power == ir.NONE or (decided is not None and decided.powers[power])

    def path(power: int) -> list[int]:
        found: list[int] = []
        while power != ir.NONE:
            found.append(power)
            power = rung.powers[power].parent
        return found[::-1]

    known = decided is not None
    root = Branch(ir.NONE, WIRE, known, known)
    opened = [root]
    for step in rung.steps:
        wanted = path(step.enable)
        depth = 0
        while depth < min(len(wanted), len(opened) - 1) and opened[depth + 1].power == wanted[depth]:
            depth += 1
        del opened[depth + 1 :]
        for power in wanted[depth:]:
            before = known and on(rung.powers[power].parent)
            opened.append(Branch(power, circuits[power], before, on(power)))
            opened[-2].items.append(opened[-1])
        symbol = symbols.symbol(step)
        pins = symbol.pins if isinstance(symbol, Box) else ()
        shown = tuple((series([circuits[each] for each in path(power)]), known) for _name, power in pins)
        opened[-1].items.append(Leaf(symbol, on(step.enable), shown))
    if not rung.steps:
        root.items.append(Branch(0, circuits[0], known, on(0)))
    return [each for each in root.items if isinstance(each, Branch)]


# ---- sizes ----------------------------------------------------------------------------------------------------------


def size_of(part: Circuit) -> Size:
    """How much room a circuit needs."""
    if isinstance(part, Contact):
        return Size(max(len(part.label), len(part.mark) + 2) + 3, 1, 0)
    sizes = [size_of(each) for each in part.parts]
    if isinstance(part, Series):
        gaps = sum(_GAP for one, two in zip(part.parts, part.parts[1:], strict=False) if _joined(one, two))
        width = sum(size.width for size in sizes) + gaps
        return Size(width, max((size.up for size in sizes), default=0), max((size.down for size in sizes), default=0))
    below = sum(size.up + size.down + 1 for size in sizes[1:])
    return Size(max(size.width for size in sizes), sizes[0].up, sizes[0].down + below)


def _joined(one: Circuit, two: Circuit) -> bool:
    return isinstance(one, Parallel) and isinstance(two, Parallel)


def _box_width(box: Box) -> int:
    texts = [*box.rows, *(name for name, _power in box.pins)]
    return max(len(box.title) + 4, *(len(text) + 4 for text in texts))


def width_of(item: Branch | Leaf) -> int:
    """Columns that an item needs between its bus and the right rail."""
    if isinstance(item, Leaf):
        symbol = item.symbol
        if isinstance(symbol, Coil):
            return max(len(symbol.label), len(symbol.mark) + 2) + 3
        pins = max((size_of(pin).width + 3 for pin, _live in item.pins), default=0)
        return max(4, pins + 2) + _box_width(symbol) + 2
    inner = max((width_of(each) for each in item.items), default=2)
    return size_of(item.circuit).width + _bus_gap(item) + inner


def _bus_gap(branch: Branch) -> int:
    last = branch.circuit.parts[-1] if isinstance(branch.circuit, Series) and branch.circuit.parts else branch.circuit
    return _GAP if len(branch.items) > 1 and (isinstance(last, Parallel) or last == WIRE) else 0


# ---- places ---------------------------------------------------------------------------------------------------------


class Layout:
    """Puts the parts of one rung on a drawing."""

    def __init__(self, width: int) -> None:
        self.drawing = Drawing(width)
        self.rail = width - 1

    def place(self, branches: list[Branch]) -> Drawing:
        """Draw all branches one below the other."""
        row = 0
        for branch in branches:
            row = self._branch(branch, 0, row + _up(branch)) + 1
        self.drawing.height = row
        return self.drawing

    def _wire(self, x1: int, x2: int, y: int, live: bool) -> None:
        if x2 > x1:
            self.drawing.marks.append(Line(x1, y, x2, y, live))

    def _bus(self, x: int, y1: int, y2: int, live: bool) -> None:
        if y2 > y1:
            self.drawing.marks.append(Line(x, y1, x, y2, live))

    def _words(self, x: int, y: int, text: str, role: str) -> None:
        if text.strip():
            self.drawing.marks.append(Words(x, y, text, role))

    def _branch(self, branch: Branch, x: int, y: int) -> int:
        """Draw a branch from the node (x, y); gives its last row."""
        size = size_of(branch.circuit)
        self._circuit(branch.circuit, x, y, branch.before)
        bus = x + size.width + _bus_gap(branch)
        self._wire(x + size.width, bus, y, branch.live)
        if not branch.items:
            self._wire(bus, self.rail, y, branch.live)
        last, bottom = y, y
        for number, item in enumerate(branch.items):
            row = y if number == 0 else bottom + 1 + _up(item)
            self._bus(bus, last, row, branch.live)
            bottom = self._branch(item, bus, row) if isinstance(item, Branch) else self._leaf(item, bus, row)
            last = row
        return max(bottom, y + size.down)

    def _circuit(self, part: Circuit, x: int, y: int, power: bool) -> int:
        """Draw a circuit from the node (x, y) with power or without; gives the column of the node behind it."""
        if isinstance(part, Contact):
            end = x + size_of(part).width
            left = x + 1 + (end - x - 1 - len(part.mark) - 2) // 2
            right = left + len(part.mark) + 1
            closed = part.closed is True
            self._wire(x, left, y, power)
            self._wire(right, end, y, power and closed)
            self.drawing.marks += [Bar(left, y, closed), Bar(right, y, closed)]
            self._words(left + 1, y, part.mark, "mark")
            self._words(x + 1 + (end - x - 1 - len(part.label)) // 2, y - 1, part.label, "label")
            return end
        if isinstance(part, Series):
            for one, two in zip(part.parts, (*part.parts[1:], WIRE), strict=False):
                x = self._circuit(one, x, y, power)
                power = conducts(one, power)
                if _joined(one, two):
                    self._wire(x, x + _GAP, y, power)
                    x += _GAP
            return x
        end = x + size_of(part).width
        behind = conducts(part, power)
        row, top = y, y
        for number, each in enumerate(part.parts):
            size = size_of(each)
            if number:
                row += size.up + 1
                self._bus(x, top, row, power)
                self._bus(end, top, row, behind)
                top = row
            self._wire(self._circuit(each, x, row, power), end, row, conducts(each, power))
            row += size.down
        return end

    def _leaf(self, leaf: Leaf, x: int, y: int) -> int:
        symbol = leaf.symbol
        if isinstance(symbol, Coil):
            right = self.rail - 2
            left = right - len(symbol.mark) - 1
            self._wire(x, left, y, leaf.live)
            self._wire(right, self.rail, y, leaf.live)
            on = symbol.on is True
            self.drawing.marks += [Bracket(left, y, "(", on), Bracket(right, y, ")", on)]
            self._words(left + 1, y, symbol.mark, "mark")
            self._words(self.rail - 1 - len(symbol.label), y - 1, symbol.label, "label")
            return y
        return self._box(symbol, leaf, x, y)

    def _box(self, box: Box, leaf: Leaf, x: int, y: int) -> int:
        left = self.rail - 1 - _box_width(box)
        right = self.rail - 2
        self._wire(x, left, y, leaf.live)
        self._wire(right, self.rail, y, leaf.live)
        row = y
        for number, text in enumerate(box.rows):
            row = y + number
            self._words(left + 2, row, text, "row")
        for (name, _power), (pin, known) in zip(box.pins, leaf.pins, strict=True):
            size = size_of(pin)
            row += 1 + size.up
            start = left - size.width - 2
            self.drawing.marks.append(Stub(start, row, known))
            self._wire(self._circuit(pin, start, row, known), left, row, conducts(pin, known))
            self._words(left + 2, row, name, "row")
            row += size.down
        self.drawing.marks.append(Frame(left, y - 1, right, row + 1, box.title, leaf.live))
        return row + 1


def _up(item: Branch | Leaf) -> int:
    """Rows above the wire of an item."""
    if isinstance(item, Leaf):
        return 1
    return max(size_of(item.circuit).up, _up(item.items[0]) if item.items else 0)
