# SPDX-License-Identifier: Apache-2.0
"""Coils, timers, counters, shift registers, drums, calls and loops as C.

`wires` gives the C name of what a power carries. `on` is the power of the instruction, without effects.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.plc import ir
from pilotlight.plc.native import storing
from pilotlight.plc.native.expressions import several
from pilotlight.plc.native.layout import array_of
from pilotlight.plc.native.scope import EmitError, Scope
from pilotlight.plc.native.storing import cells_type, constant, to_each, whole_or_zero
from pilotlight.tags.values import bounds

Wires = Callable[[int], str]

_STORING: dict[type, Callable[..., None]] = {
    ir.Move: storing.move, ir.Calculate: storing.move, ir.Text: storing.text, ir.Convert: storing.convert,
    ir.Fill: storing.fill, ir.Format: storing.format_number, ir.Parse: storing.parse, ir.Pack: storing.pack,
    ir.Unpack: storing.unpack, ir.Search: storing.search,
}  # fmt: skip


def instruction(scope: Scope, step: ir.Instruction, on: str, wires: Wires) -> None:
    """One instruction, with its one-shot."""
    with scope.block():
        once = getattr(step, "once", ir.NONE)
        if once != ir.NONE:
            memory = scope.source.layout.name(once)
            fresh = scope.keep("bool", f"{on} && !{memory}")
            scope.line(f"{memory} = {on};")
            on = fresh
        if type(step) in _STORING:
            _STORING[type(step)](scope, step, on)
        else:
            _logic(scope, step, on, wires)


def _logic(scope: Scope, step: ir.Instruction, on: str, wires: Wires) -> None:
    match step:
        case ir.Out(targets=targets):
            with scope.faults():
                to_each(scope, targets, lambda _slot, _place: on)
        case ir.Latch(targets=targets):
            with scope.faults(f"if ({on})"):
                to_each(scope, targets, lambda _slot, _place: "1")
        case ir.Reset(targets=targets):
            with scope.faults(f"if ({on})"):
                _reset(scope, targets)
        case ir.Timer():
            with scope.faults():
                _timer(scope, step, on, wires)
        case ir.Counter():
            with scope.faults():
                _counter(scope, step, on, wires)
        case ir.Shift():
            with scope.faults():
                _shift(scope, step, on, wires)
        case ir.Drum():
            with scope.faults():
                Drum(scope, step, on, wires).emit()
        case ir.Call(subroutine=number):
            scope.line(f"if ({on}) {scope.source.symbol}_sub{number}(m, dt);")
        case ir.Return():
            scope.line(f"if ({on}) return true;")
        case ir.Loop():
            with scope.faults():
                _loop(scope, step, on, wires)
        case ir.Python(function=name):
            raise EmitError(f"the program calls the Python function {name}, which only the interpreter can do")
        case _:
            raise EmitError(f"there is no native form of {type(step).__name__}")


def _reset(scope: Scope, targets: ir.Cells) -> None:
    member = array_of(cells_type(scope, targets)).member
    cells = scope.source.program.cells

    def default(slot: int | None, place: str) -> str:
        if slot is None:
            return f"{scope.source.symbol}_initial.{member}[{place}]"
        return constant(cells[slot].type, cells[slot].default)

    to_each(scope, targets, default)


class Clock:
    """Time counted in the units of a timer."""

    def __init__(self, scope: Scope, elapsed: int, fraction: int, unit_ns: int) -> None:
        layout = scope.source.layout
        self.scope = scope
        self.elapsed, self.fraction = layout.name(elapsed), layout.name(fraction)
        self.limit = bounds(layout.cells[elapsed].type)[1]
        self.ctype = array_of(layout.cells[elapsed].type).ctype
        self.unit_ns = unit_ns

    def clear(self) -> None:
        """Back to zero."""
        self.scope.line(f"{self.elapsed} = 0;")
        self.scope.line(f"{self.fraction} = 0;")

    def advance(self) -> str:
        """Add the scan's time; gives the units elapsed."""
        units = f"{self.elapsed} + plc_units(&{self.fraction}, dt, INT64_C({self.unit_ns}))"
        elapsed = self.scope.keep("int64_t", f"plc_saturated({units}, INT64_MIN, {self.limit})")
        self.scope.line(f"{self.elapsed} = ({self.ctype}){elapsed};")
        return elapsed

    def reached(self, elapsed: str, preset: ir.Expression) -> str:
        """Whether a preset has passed."""
        return f"{elapsed} >= plc_saturated({whole_or_zero(self.scope, preset)}, INT64_MIN, {self.limit})"


def _timer(scope: Scope, step: ir.Timer, on: str, wires: Wires) -> None:
    clock = Clock(scope, step.elapsed, step.fraction_memory, step.unit_ns)
    done = scope.source.layout.name(step.done)
    if step.off:
        armed = scope.source.layout.name(step.armed_memory)
        with scope.block(f"if ({on})"):
            clock.clear()
            scope.line(f"{armed} = 1;")
            scope.line(f"{done} = 1;")
        with scope.block(f"else if ({armed})"):
            scope.line(f"{done} = !({clock.reached(clock.advance(), step.preset)});")
        scope.line(f"else {done} = 0;")
        return
    retentive = step.reset != ir.NONE
    if retentive:
        with scope.block(f"if ({wires(step.reset)})"):
            clock.clear()
            scope.line(f"{done} = 0;")
    with scope.block(f"{'else ' if retentive else ''}if ({on})"):
        scope.line(f"{done} = {clock.reached(clock.advance(), step.preset)};")
    if not retentive:
        with scope.block("else"):
            clock.clear()
            scope.line(f"{done} = 0;")


def _counter(scope: Scope, step: ir.Counter, on: str, wires: Wires) -> None:
    layout = scope.source.layout
    done, count, kind = layout.name(step.done), layout.name(step.count), layout.cells[step.count].type
    low, high = bounds(kind)
    with scope.block(f"if ({wires(step.reset)})"):
        scope.line(f"{count} = 0;")
        scope.line(f"{done} = 0;")
    with scope.block("else"):
        change = f"{'-' if step.backward else '+'} {on}"
        down = "" if step.down == ir.NONE else f" - {wires(step.down)}"
        now = scope.keep("int64_t", f"plc_saturated((int64_t){count} {change}{down}, {low}, {high})")
        scope.line(f"{count} = ({array_of(kind).ctype}){now};")
        preset = whole_or_zero(scope, step.preset)
        scope.line(f"{done} = {'-' if step.backward else ''}{now} >= {preset};")


def _shift(scope: Scope, step: ir.Shift, on: str, wires: Wires) -> None:
    memory, clock, reset = scope.source.layout.name(step.clock_memory), wires(step.clock), wires(step.reset)
    rising = scope.keep("bool", f"{clock} && !{memory}")
    scope.line(f"{memory} = {clock};")
    with scope.block(f"if ({rising} || {reset})"):
        targets = several(scope, step.targets)
        scope.line(f"plc_shift(&{targets}, {on}, {reset});")


def _loop(scope: Scope, step: ir.Loop, on: str, wires: Wires) -> None:
    layout, count, turn = scope.source.layout, scope.fresh(), scope.fresh()
    with scope.block(f"if ({on})"):
        scope.line(f"int64_t {count} = {whole_or_zero(scope, step.count)};")
        with scope.block(f"if ({count} > {ir.LONGEST_LOOP})"):
            scope.line("m->b[PLC_OUT_OF_RANGE] = 1;")
            scope.line(f"{count} = {ir.LONGEST_LOOP};")
        with scope.block(f"for (int32_t {turn} = 0; {turn} < {count}; {turn}++)"):
            scope.line(f"{layout.name(step.index)} = {turn};")
            for each in step.body:
                instruction(scope, each, wires(each.enable), wires)
    with scope.block("else"):
        for each in step.body:
            instruction(scope, each, "false", wires)


class Drum:
    """One drum sequencer."""

    def __init__(self, scope: Scope, step: ir.Drum, on: str, wires: Wires) -> None:
        self.scope, self.of, self.on, self.wires = scope, step, on, wires
        self.name = scope.source.layout.name
        self.count = len(step.pattern)
        self.step = scope.fresh()
        self.events = scope.fresh()
        self.clock = None if step.events else Clock(scope, step.elapsed, step.fraction_memory, step.unit_ns)

    def emit(self) -> None:
        """Write it."""
        scope, of, step = self.scope, self.of, self.step
        reset = self.wires(of.reset)
        if self.clock is None:
            scope.line(f"const bool {self.events}[] = {{{', '.join(map(self.wires, of.events))}}};")
        scope.line(f"int64_t {step} = {self.name(of.step)};")
        with scope.block(f"if ({step} < 1 || {step} > {self.count})"):
            scope.line(f"{step} = 1;")
            self._enter()
        with scope.block("else"):
            with scope.block(f"if ({step} != {self.name(of.step_memory)})"):
                self._enter()
            self._advance()
        with scope.block(f"if ({reset})"):
            scope.line(f"{step} = 1;")
            scope.line(f"{self.name(of.completed)} = 0;")
            self._enter()
        self._move(reset)
        kind = scope.source.layout.cells[of.step].type
        scope.line(f"{self.name(of.step)} = ({array_of(kind).ctype}){step};")
        self._write(reset)

    def _enter(self) -> None:
        self.scope.line(f"{self.name(self.of.step_memory)} = (int32_t){self.step};")
        if self.clock is None:
            self.scope.line(f"{self.name(self.of.event_memory)} = {self.events}[{self.step} - 1];")
        else:
            self.clock.clear()

    def _advance(self) -> None:
        scope, step = self.scope, self.step
        if self.clock is None:
            memory = self.name(self.of.event_memory)
            event = scope.keep("bool", f"{self.events}[{step} - 1]")
            fresh = scope.keep("bool", f"{event} && !{memory}")
            scope.line(f"{memory} = {event};")
            with scope.block(f"if ({self.on} && {fresh})"):
                self._go_on()
            return
        with scope.block(f"if ({self.on})"):
            elapsed, reached = self.clock.advance(), scope.fresh()
            scope.line(f"bool {reached} = false;")
            with scope.block(f"switch ({step})"):
                for number, preset in enumerate(self.of.presets, 1):
                    with scope.block(f"case {number}:"):
                        scope.line(f"{reached} = {self.clock.reached(elapsed, preset)};")
                        scope.line("break;")
            with scope.block(f"if ({reached})"):
                self._go_on()

    def _go_on(self) -> None:
        self.scope.line(f"if ({self.step} == {self.count}) {self.name(self.of.completed)} = 1;")
        with self.scope.block("else"):
            self.scope.line(f"{self.step}++;")
            self._enter()

    def _rises(self, pin: int, memory: int) -> str:
        rising = self.scope.keep("bool", f"{self.wires(pin)} && !{self.name(memory)}")
        self.scope.line(f"{self.name(memory)} = {self.wires(pin)};")
        return rising

    def _move(self, reset: str) -> None:
        scope, of, step = self.scope, self.of, self.step
        if of.jump != ir.NONE:
            rising = self._rises(of.jump, of.jump_memory)
            if of.jump_step is not None:
                with scope.block(f"if ({rising} && {self.on} && !{reset})"):
                    wanted = whole_or_zero(scope, of.jump_step)
                    with scope.block(f"if ({wanted} >= 1 && {wanted} <= {self.count})"):
                        scope.line(f"{step} = {wanted};")
                        self._enter()
        if of.jog != ir.NONE:
            rising = self._rises(of.jog, of.jog_memory)
            with scope.block(f"if ({rising} && {self.on} && !{reset} && {step} < {self.count})"):
                scope.line(f"{step}++;")
                self._enter()

    def _write(self, reset: str) -> None:
        of = self.of
        rows = ", ".join(f"{{{', '.join('1' if each else '0' for each in row)}}}" for row in of.pattern)
        pattern = self.scope.source.constant(f"uint8_t %s[][{max(len(of.outputs), 1)}] = {{{rows}}}")
        with self.scope.block(f"if ({self.on} || {reset})"):
            for number, slot in enumerate(of.outputs):
                self.scope.line(f"{self.name(slot)} = {pattern}[{self.step} - 1][{number}];")
