# SPDX-License-Identifier: Apache-2.0
"""Programs of the IR by chance, over all of its instructions, and inputs for them."""

from __future__ import annotations

import math
from collections.abc import Callable

from pilotlight.plc import ir
from pilotlight.tags import Type

from tests.unit.plc.parts import NUMBERS, TEXT, USER, Parts

PERIODS = [1, 999_999, 1_000_000, 2_500_000, 10_000_000, 35_000_000, 100_000_000, 1_000_000_000, 60_000_000_001]
PRIORITIES = [0, 50, 99, 100, 100, 101, 255]
_UNITS = [1_000_000, 1_000_000_000, 60_000_000_000]


class Maker(Parts):
    """Makes one program from the choices of `chance`."""

    def once(self) -> int:
        return self.cell(Type.BOOL) if self.chance.random() < 0.25 else ir.NONE

    def instruction(self, enable: int, pins: int, *, subroutine: bool, nested: bool) -> ir.Instruction:
        """An instruction; `pins` is the number of powers it can use."""
        makers: list[Callable[[int, int], ir.Instruction]] = [
            self._coil, self._coil, self._move, self._move, self._calculate, self._calculate, self._calculate,
            self._text, self._convert, self._fill, self._format, self._parse, self._pack, self._unpack, self._search,
            self._timer, self._counter, self._shift, self._drum,
        ]  # fmt: skip
        if self.subroutines:
            makers.append(self._call)
        if subroutine:
            makers.append(lambda enable, _pins: ir.Return(enable=enable))
        if not nested:
            makers.append(lambda enable, pins: self._loop(enable, pins, subroutine))
        return self.chance.choice(makers)(enable, pins)

    def _pin(self, pins: int) -> int:
        return self.chance.randint(0, pins - 1)

    def _coil(self, enable: int, _pins: int) -> ir.Instruction:
        kind = self.chance.choice([ir.Out, ir.Latch, ir.Reset])
        cells = self.some(Type.BOOL if kind is not ir.Reset else self.chance.choice(USER))
        return kind(enable=enable, targets=cells, once=self.once())

    def _move(self, enable: int, _pins: int) -> ir.Instruction:
        return ir.Move(enable=enable, source=self.expression(), target=self.place(*USER), once=self.once())

    def _calculate(self, enable: int, _pins: int) -> ir.Instruction:
        kinds = (Type.BOOL, Type.INT, Type.DINT, Type.WORD, Type.REAL)
        word = self.chance.random() < 0.2
        place = self.place(*kinds)
        return ir.Calculate(enable=enable, source=self.expression(3), target=place, word=word, once=self.once())

    def _text(self, enable: int, _pins: int) -> ir.Instruction:
        conversion = self.chance.choice(["none", "value", "ascii"])
        targets = self.some(Type.CHAR if conversion == "none" else self.chance.choice((Type.INT, Type.REAL, Type.WORD)))
        digits = "".join(self.chance.choice("0123456789" if conversion == "value" else TEXT) for _ in range(9))
        size = self.chance.randint(1, 6)
        if isinstance(targets, ir.Range) and self.chance.random() < 0.7:
            size = len(targets.slots)
        codes = tuple(ord(each) for each in digits[:size])
        return ir.Text(enable=enable, codes=codes, targets=targets, conversion=conversion, once=self.once())

    def _convert(self, enable: int, _pins: int) -> ir.Instruction:
        conversion = self.chance.choice(["none", "none", "value", "ascii", "binary"])
        sources = {"value": [Type.CHAR], "ascii": [Type.CHAR], "binary": [Type.INT, Type.WORD, Type.DINT, Type.REAL]}
        source = self.some(self.chance.choice(sources.get(conversion, list(USER))))
        kind = Type.CHAR if conversion == "binary" else self.chance.choice(USER)
        targets = self.some(kind)
        if isinstance(source, ir.Range) and isinstance(targets, ir.Range) and self.chance.random() < 0.8:
            size = min(len(source.slots), len(targets.slots))
            source = ir.Range(source.type, source.slots[:size], source.addresses[:size])
            targets = ir.Range(targets.type, targets.slots[:size], targets.addresses[:size])
        return ir.Convert(enable=enable, source=source, targets=targets, conversion=conversion, once=self.once())

    def _fill(self, enable: int, _pins: int) -> ir.Instruction:
        targets = self.some(self.chance.choice(USER))
        return ir.Fill(enable=enable, source=self.expression(), targets=targets, once=self.once())

    def _format(self, enable: int, _pins: int) -> ir.Instruction:
        kind = self.chance.choice([Type.INT, Type.DINT, Type.WORD, Type.REAL, Type.BOOL, Type.CHAR])
        source: ir.Expression = ir.Load(self.slot(kind))
        if self.chance.random() < 0.2:
            source = self.real() if kind is Type.REAL else self.whole()
        return ir.Format(
            enable=enable, source=source, type=int(kind), targets=self.some(Type.CHAR, 12), once=self.once(),
            suppress_zero=self.chance.random() < 0.5, exponential=self.chance.random() < 0.5,
            termination=self.chance.choice([-1, -1, 13, 0]),
        )  # fmt: skip

    def _parse(self, enable: int, _pins: int) -> ir.Instruction:
        return ir.Parse(
            enable=enable, source=self.some(Type.CHAR, self.chance.choice([1, 2, 4])), once=self.once(),
            target=self.place(Type.INT, Type.DINT, Type.WORD, Type.REAL), allow_whitespace=self.chance.random() < 0.5,
        )  # fmt: skip

    def _width(self) -> tuple[int, Type]:
        return self.chance.choice([(1, Type.BOOL), (16, Type.INT), (16, Type.WORD)])

    def _pack(self, enable: int, _pins: int) -> ir.Instruction:
        width, kind = self._width()
        place = self.place(Type.INT, Type.WORD, Type.DINT, Type.REAL)
        source = self.some(kind, 16 if width == 1 else 2)
        return ir.Pack(enable=enable, source=source, target=place, width=width, once=self.once())

    def _unpack(self, enable: int, _pins: int) -> ir.Instruction:
        width, kind = self._width()
        place = self.place(Type.INT, Type.WORD, Type.DINT, Type.REAL)
        targets = self.some(kind, 16 if width == 1 else 2)
        return ir.Unpack(enable=enable, source=place, targets=targets, width=width, once=self.once())

    def _search(self, enable: int, _pins: int) -> ir.Instruction:
        kind = self.chance.choice(USER)
        text: tuple[int, ...] = ()
        operator = self.chance.choice(ir.COMPARISONS)
        if kind is Type.CHAR:
            text = tuple(ord(self.chance.choice("01")) for _ in range(self.chance.randint(1, 2)))
            operator = self.chance.choice(["==", "!="])
        return ir.Search(
            enable=enable, source=self.some(kind), operator=operator, value=self.expression(1), text=text,
            result=self.slot(Type.INT, Type.DINT), found=self.slot(Type.BOOL), continuous=self.chance.random() < 0.5,
            once=self.once(),
        )  # fmt: skip

    def _preset(self) -> ir.Expression:
        few = ir.Constant(self.chance.randint(-2, 30))
        return self.chance.choice([few, ir.Load(self.slot(Type.INT)), self.whole()])

    def _timer(self, enable: int, pins: int) -> ir.Instruction:
        off = self.chance.random() < 0.3
        return ir.Timer(
            enable=enable, done=self.slot(Type.BOOL), elapsed=self.slot(Type.INT, Type.DINT), preset=self._preset(),
            unit_ns=self.chance.choice(_UNITS), fraction_memory=self.cell(Type.LINT), off=off,
            armed_memory=self.cell(Type.BOOL) if off else ir.NONE,
            reset=self._pin(pins) if not off and self.chance.random() < 0.5 else ir.NONE,
        )  # fmt: skip

    def _counter(self, enable: int, pins: int) -> ir.Instruction:
        return ir.Counter(
            enable=enable, done=self.slot(Type.BOOL), count=self.slot(Type.INT, Type.DINT), preset=self._preset(),
            reset=self._pin(pins), backward=self.chance.random() < 0.4,
            down=self._pin(pins) if self.chance.random() < 0.4 else ir.NONE,
        )  # fmt: skip

    def _shift(self, enable: int, pins: int) -> ir.Instruction:
        return ir.Shift(
            enable=enable, targets=self.some(Type.BOOL), clock=self._pin(pins), clock_memory=self.cell(Type.BOOL),
            reset=self._pin(pins),
        )  # fmt: skip

    def _drum(self, enable: int, pins: int) -> ir.Instruction:
        chance = self.chance
        steps, outputs = chance.randint(1, 4), tuple(chance.sample(self.slots[Type.BOOL], chance.randint(1, 4)))
        pattern = tuple(tuple(chance.random() < 0.5 for _ in outputs) for _ in range(steps))
        common = ir.Drum(
            enable=enable, outputs=outputs, pattern=pattern, step=self.slot(Type.INT, Type.DINT),
            completed=self.slot(Type.BOOL), reset=self._pin(pins), step_memory=self.cell(Type.DINT),
        )  # fmt: skip
        more: dict[str, object] = {}
        if chance.random() < 0.5:
            more |= {"events": tuple(self._pin(pins) for _ in pattern), "event_memory": self.cell(Type.BOOL)}
        else:
            more |= {
                "presets": tuple(self._preset() for _ in pattern), "elapsed": self.slot(Type.INT, Type.DINT),
                "unit_ns": chance.choice(_UNITS), "fraction_memory": self.cell(Type.LINT),
            }  # fmt: skip
        if chance.random() < 0.5:
            more |= {"jump": self._pin(pins), "jump_memory": self.cell(Type.BOOL), "jump_step": self._preset()}
        if chance.random() < 0.5:
            more |= {"jog": self._pin(pins), "jog_memory": self.cell(Type.BOOL)}
        fields = {name: getattr(common, name) for name in common.__struct_fields__}
        return ir.Drum(**{**fields, **more})

    def _call(self, enable: int, _pins: int) -> ir.Instruction:
        return ir.Call(enable=enable, subroutine=self.chance.randrange(len(self.subroutines)))

    def _loop(self, enable: int, pins: int, subroutine: bool) -> ir.Instruction:
        chance = self.chance
        count: ir.Expression = ir.Constant(chance.randint(-1, 5))
        body = [
            self.instruction(self._pin(pins), pins, subroutine=subroutine, nested=True)
            for _ in range(chance.randint(1, 3))
        ]
        if chance.random() < 0.3:
            count = ir.Apply("remainder", (self.whole(1), ir.Constant(6)))
        elif chance.random() < 0.01:
            count, body = ir.Constant(70_000), [ir.Latch(enable=enable, targets=self.some(Type.BOOL))]
        return ir.Loop(enable=enable, count=count, index=self.slot(Type.DINT), body=tuple(body), once=self.once())

    # ---- programs ---------------------------------------------------------------------------------------------------

    def rung(self, *, subroutine: bool, continued: bool) -> ir.Rung:
        chance = self.chance
        powers = [ir.Power(self.condition() if chance.random() < 0.4 else ir.ALWAYS)]
        for number in range(1, chance.randint(1, 4)):
            powers.append(ir.Power(self.condition(), chance.randint(-1, number - 1)))
        steps = [
            self.instruction(self._pin(len(powers)), len(powers), subroutine=subroutine, nested=False)
            for _ in range(chance.randint(1, 4))
        ]
        return ir.Rung(tuple(powers), tuple(steps), continued)

    def rungs(self, most: int, *, subroutine: bool) -> tuple[ir.Rung, ...]:
        count = self.chance.randint(1, most)
        return tuple(
            self.rung(subroutine=subroutine, continued=number > 0 and self.chance.random() < 0.2)
            for number in range(count)
        )

    def task(self, name: str) -> ir.Task:
        """A task; the edges in its rungs are its own."""
        others, self.edges = self.edges, []
        rungs = self.rungs(2, subroutine=False)
        edges, self.edges = tuple(self.edges), others
        memory = self.cell(Type.LINT), self.cell(Type.LINT), self.cell(Type.BOOL)
        return ir.Task(name, self.chance.choice(PERIODS), rungs, *memory, self.chance.choice(PRIORITIES), edges)

    def program(self, rungs: int = 6) -> ir.Program:
        """A program that `ir.check` finds sound."""
        for number in range(self.chance.randint(0, 2)):
            self.subroutines.append(ir.Subroutine(f"sub{number}", self.rungs(2, subroutine=True)))
        main = self.rungs(rungs, subroutine=False)
        tasks = tuple(self.task(f"task{number}") for number in range(self.chance.randint(0, 3)))
        program = ir.Program(
            tuple(self.cells), main, tuple(self.tables), tuple(self.subroutines), tuple(self.edges), tasks
        )
        ir.check(program)
        return program

    def inputs(self) -> tuple[dict[int, int | float], int]:
        """What a host writes before a scan, and the scan's time."""
        chance = self.chance
        changed: dict[int, int | float] = {}
        for _ in range(chance.choice([0, 5, 10, 20])):
            kind = chance.choice(USER)
            slot = chance.choice(self.slots[kind][: NUMBERS[kind]])
            changed[slot] = self.number(kind)
            if kind is Type.REAL and chance.random() < 0.1:
                changed[slot] = chance.choice([math.inf, -math.inf, math.nan])
        return changed, chance.choice(
            [0, 1, 1_000_000, 3_000_000, 10_000_000, 20_000_000, 100_000_000, 999_999_999, 61_000_000_000]
        )
