# SPDX-License-Identifier: Apache-2.0
"""From programs of the IR to nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.arithmetic import Faults
from pilotlight.plc.engine import coils, drums, flow, moving
from pilotlight.plc.engine.cells import Several, fit_for
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Once, RealMove, Step, WholeMove
from pilotlight.plc.engine.searching import SearchCells
from pilotlight.plc.engine.tasks import TaskTurn, Turn
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

_BITS = {Type.INT: 16, Type.WORD: 16, Type.DINT: 32, Type.REAL: 32}


class Compiler:
    """Compiles one program for one machine."""

    def __init__(self, program: ir.Program, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.program: ir.Program = program
        self.functions: Mapping[str, Callable[..., Any]] = functions
        self.of: Expressions = Expressions(program)
        self.subroutines: list[flow.Section] = [flow.Section(each.name) for each in program.subroutines]
        names = [cell.name for cell in program.cells]
        self.plc_error: int = names.index("fault.plc_error") if "fault.plc_error" in names else -1

    def compiled(self) -> list[Turn]:
        """The main program and the tasks in the order in which they run; their calls lead to the subroutines."""
        for section, source in zip(self.subroutines, self.program.subroutines, strict=True):
            self._fill(section, source.rungs)
        return [self._turn(task) for task in ir.running_order(self.program)]

    def _turn(self, task: ir.Task | None) -> Turn:
        section = flow.Section("" if task is None else task.name)
        source: ir.Program | ir.Task = self.program if task is None else task
        self._fill(section, source.rungs)
        edges = [(edge.slot, edge.previous) for edge in source.edges]
        if task is None:
            return Turn(section, edges)
        return TaskTurn(section, edges, task.period_ns, task.wait_memory, task.since_memory, task.due_memory)

    def _fill(self, section: flow.Section, rungs: tuple[ir.Rung, ...]) -> None:
        number = 0
        for group in ir.networks(rungs):
            nodes: list[flow.RungNode] = []
            for rung in group:
                nodes.append(self._rung(section.name, number, rung))
                number += 1
            section.networks.append(flow.Network(nodes))

    def _rung(self, section: str, number: int, rung: ir.Rung) -> flow.RungNode:
        node = flow.RungNode(rung, section, number, [False] * len(rung.powers))
        for power in rung.powers:
            node.tests.append(self.of.test(power.condition))
            node.parents.append(power.parent)
        for step in rung.steps:
            node.steps.append(self.step(step, node.powers))
            node.enables.append(step.enable)
        return node

    def step(self, step: ir.Instruction, powers: list[bool]) -> Step:
        """One instruction; `powers` is what its rung decides."""
        made = self._step(step, powers)
        once = getattr(step, "once", ir.NONE)
        return made if once == ir.NONE else Once(made, once)

    def _step(self, step: ir.Instruction, powers: list[bool]) -> Step:
        match step:
            case ir.Out(targets=targets):
                if isinstance(targets, ir.Range) and len(targets.slots) == 1:
                    return coils.Coil(targets.slots[0])
                return coils.Coils(self.of.several(targets))
            case ir.Latch(targets=targets):
                several = self.of.several(targets)
                return coils.Preset(several, dict.fromkeys(self._reachable(targets), 1))
            case ir.Reset(targets=targets):
                defaults = {slot: self.program.cells[slot].default for slot in self._reachable(targets)}
                return coils.Preset(self.of.several(targets), defaults)
            case ir.Move():
                return self._move(step.source, step.target, wrap=False, silent=False)
            case ir.Calculate():
                return self._move(step.source, step.target, wrap=True, silent=step.word)
            case ir.Timer():
                return self._timer(step, powers)
            case ir.Counter():
                return self._counter(step, powers)
            case ir.Shift(targets=targets):
                return coils.ShiftRegister(
                    self.of.several(targets), powers, step.clock, step.clock_memory, step.reset
                )
            case ir.Drum():
                return self._drum(step, powers)
            case ir.Call(subroutine=number):
                return flow.CallSection(self.subroutines[number])
            case ir.Return():
                return flow.Leave()
            case ir.Loop():
                loop = flow.Repeat(self.of.whole(step.count), step.index, powers)
                for each in step.body:
                    loop.steps.append(self.step(each, powers))
                    loop.enables.append(each.enable)
                return loop
            case ir.Python():
                return self._python(step)
            case _:
                return self._moving(step)

    def _moving(self, step: ir.Instruction) -> Step:
        match step:
            case ir.Text():
                return self._text(step)
            case ir.Convert():
                targets = self.of.several(step.targets)
                fit = fit_for(targets.kind)
                return moving.ConvertCells(self.of.several(step.source), targets, step.conversion, fit)
            case ir.Fill():
                whole, real = self.of.either(step.source)
                targets = self.of.several(step.targets)
                return moving.FillCells(whole, real, targets, fit_for(targets.kind))
            case ir.Format():
                whole, real = self.of.either(step.source)
                return moving.FormatNumber(
                    whole, real, Type(step.type), self.of.several(step.targets), step.suppress_zero, step.exponential,
                    step.termination,
                )  # fmt: skip
            case ir.Parse():
                kind = self._type(step.target)
                return moving.ParseNumber(
                    self.of.several(step.source), self.of.place(step.target), kind, step.allow_whitespace
                )
            case ir.Pack():
                kind = self._type(step.target)
                source = self.of.several(step.source)
                return moving.PackCells(source, self.of.place(step.target), kind, step.width, _BITS[kind])
            case ir.Unpack():
                kind = self._type(step.source)
                targets = self.of.several(step.targets)
                signed = targets.kind is Type.INT
                return moving.UnpackCells(
                    self.of.place(step.source), kind, targets, step.width, signed, _BITS[kind]
                )
            case ir.Search():
                whole, real = self.of.either(step.value)
                return SearchCells(
                    self.of.several(step.source), step.operator, whole, real, list(step.text), step.result, step.found,
                    step.continuous,
                )  # fmt: skip
            case _:
                raise AssertionError(f"no engine for {type(step).__name__}")

    def _reachable(self, targets: ir.Cells) -> list[int]:
        if isinstance(targets, ir.Range):
            return list(targets.slots)
        return [slot for slot in self.program.tables[targets.table].slots if slot >= 0]

    def _type(self, place: ir.Place) -> Type:
        if isinstance(place, ir.Load):
            return self.program.cells[place.slot].type
        return self.program.tables[place.table].type

    def _move(self, source: ir.Expression, target: ir.Place, *, wrap: bool, silent: bool) -> Step:
        fit, place = fit_for(self._type(target), wrap=wrap, silent=silent), self.of.place(target)
        if self.of.is_real(source):
            return RealMove(self.of.real(source), place, fit)
        return WholeMove(self.of.whole(source), place, fit)

    def _text(self, step: ir.Text) -> Step:
        targets: Several = self.of.several(step.targets)
        fit = fit_for(targets.kind)
        codes = [code - 48 if step.conversion == "value" else code for code in step.codes]
        if step.conversion == "value" and not all(0 <= code <= 9 for code in codes):
            return moving.Refused()
        faults = Faults([])
        return moving.WriteText([fit.whole(faults, code) for code in codes], targets)

    def _clock(self, elapsed: int, fraction: int, unit_ns: int) -> coils.Clock:
        _low, high = bounds(self.program.cells[elapsed].type)
        return coils.Clock(elapsed, fraction, unit_ns, high)

    def _timer(self, step: ir.Timer, powers: list[bool]) -> Step:
        clock, preset = self._clock(step.elapsed, step.fraction_memory, step.unit_ns), self.of.whole(step.preset)
        if step.off:
            return coils.OffDelay(clock, step.done, preset, step.armed_memory)
        if step.reset != ir.NONE:
            return coils.RetentiveDelay(clock, step.done, preset, powers, step.reset)
        return coils.OnDelay(clock, step.done, preset)

    def _counter(self, step: ir.Counter, powers: list[bool]) -> Step:
        low, high = bounds(self.program.cells[step.count].type)
        preset = self.of.whole(step.preset)
        return coils.Count(
            step.done, step.count, preset, low, high, step.backward, powers, step.down, step.reset
        )

    def _drum(self, step: ir.Drum, powers: list[bool]) -> Step:
        pattern = [[1 if each else 0 for each in row] for row in step.pattern]
        wiring = list(step.outputs), pattern, step.step, step.step_memory, step.completed, powers, step.reset
        drum: drums.DrumStep
        if step.events:
            drum = drums.EventDrum(*wiring).wire(list(step.events), step.event_memory)
        else:
            clock = self._clock(step.elapsed, step.fraction_memory, step.unit_ns)
            drum = drums.TimeDrum(*wiring).wire(clock, [self.of.whole(each) for each in step.presets])
        drum.jump, drum.jump_memory = step.jump, step.jump_memory
        drum.jump_step = None if step.jump_step is None else self.of.whole(step.jump_step)
        drum.jog, drum.jog_memory = step.jog, step.jog_memory
        return drum

    def _python(self, step: ir.Python) -> Step:
        inputs = [flow.Input(name, Type(kind), *self.of.either(value)) for name, value, kind in step.inputs]
        outputs = [
            (name, self.of.place(place), fit_for(self._type(place)), self._type(place)) for name, place in step.outputs
        ]
        function = self.functions[step.function]
        return flow.PythonCall(step.function, function, inputs, outputs, step.always, self.plc_error)
