# SPDX-License-Identifier: Apache-2.0
"""Timers, counters and shift registers."""

from __future__ import annotations

from typing import Self

import msgspec

from pilotlight.plc import ir
from pilotlight.plc.language.builder import Builder, Draft, caller_line, current
from pilotlight.plc.language.conditions import lower_all
from pilotlight.plc.language.operands import Operand, lowered
from pilotlight.plc.language.places import cells, type_of, written
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.language.units import TimeUnit, Tms, normalize_unit
from pilotlight.tags import Type

_WHOLE = (Type.INT, Type.DINT)


def pin(builder: Builder, conditions: tuple[object, ...]) -> int:
    """A wire from the rail to a pin of the instruction that is open; gives its number."""
    if not conditions:
        raise TypeError("a pin needs a condition")
    draft = builder.draft
    if draft is None:
        raise RuntimeError("the rung is closed")
    for each in conditions:
        if isinstance(each, Operand) and each.type is not Type.BOOL:
            raise TypeError(f"{each!r} is no BOOL, which a pin needs: compare it")
    return draft.add_power(lower_all(builder, conditions), ir.NONE, "pin", caller_line())


class Unfinished:
    """An instruction that waits for calls that complete it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.builder = current(what)
        self.draft: Draft = self.builder.open_rung(what)
        if self.draft.power in self.draft.ended or self.draft.loop:
            raise RuntimeError(f"{what} must be the last of its rung or branch, and cannot stand in a loop")
        self.draft.pending = what

    def pin(self, conditions: tuple[object, ...]) -> int:
        """A wire to a pin of this instruction."""
        if self.builder.draft is not self.draft:
            raise RuntimeError(f"{self.what}: its rung is closed")
        try:
            return pin(self.builder, conditions)
        except TypeError:
            self.draft.pending = ""  # refused as a whole
            raise

    def complete(self, step: ir.Instruction) -> int:
        """Put the instruction into the rung, as the last of its flow."""
        if self.draft.pending != self.what:
            raise RuntimeError(f"{self.what} is complete already")
        self.draft.pending = ""
        return self.builder.add(self.what, lambda _power, _line: step, terminal=True)


def _parts(what: str, given: tuple[object, ...], names: tuple[object, ...]) -> tuple[Tag, Tag, object, object]:
    """Done, count, preset and unit of a call in either form."""
    first = given[0] if given else None
    done, count = getattr(first, "Done", None), getattr(first, "Acc", None)
    if isinstance(done, Tag) and isinstance(count, Tag):
        rest = list(given[1:])
    elif len(given) >= 2 and isinstance(given[0], Tag) and isinstance(given[1], Tag):
        done, count, rest = given[0], given[1], list(given[2:])
    else:
        raise TypeError(f"{what} takes a done tag and a count tag, or a structure with Done and Acc")
    keywords = [each for each in names if each is not None]
    rest += keywords
    if not 1 <= len(rest) <= 2:
        raise TypeError(f"{what} needs a preset" if not rest else f"{what} got too many arguments")
    return done, count, rest[0], rest[1] if len(rest) == 2 else Tms


def _preset(builder: Builder, what: str, preset: object, count: Tag) -> ir.Expression:
    value = lowered(builder, preset)
    if isinstance(preset, str) or builder.kind(value) == "float" or getattr(preset, "type", None) is Type.CHAR:
        raise TypeError(f"{what}: {preset!r} is no whole number")
    limit = 0x7FFF if count.type is Type.INT else 0x7FFFFFFF
    if isinstance(preset, int) and abs(preset) > limit:
        raise ValueError(f"{what}: the preset {preset} is beyond {count.type.name}, which {count!r} counts in")
    return value


class TimerCall:
    """A timer in a rung; `.reset(condition)` makes an on-delay timer keep its time without power."""

    def __init__(self, what: str, off: bool, given: tuple[object, ...], preset: object, unit: object) -> None:
        self.what = what
        self.builder = current(what)
        self.draft = self.builder.open_rung(what)
        done, elapsed, limit, counted = _parts(what, given, (preset, unit))
        builder = self.builder
        if not isinstance(counted, (TimeUnit, str)):
            raise TypeError(f"{what}: {counted!r} is no unit of time")
        self.step = ir.Timer(
            enable=self.draft.power,
            line=caller_line(),
            done=written(builder, done, (Type.BOOL,)),
            elapsed=written(builder, elapsed, _WHOLE),
            preset=_preset(builder, what, limit, elapsed),
            unit_ns=int(normalize_unit(counted)),
            fraction_memory=builder.memory(f"fraction:{elapsed.name}", Type.LINT),
            off=off,
            armed_memory=builder.memory(f"armed:{done.name}", Type.BOOL) if off else ir.NONE,
        )
        self.place = builder.add(what, lambda _power, _line: self.step)

    def reset(self, *conditions: object) -> None:
        """Keep the time without power, until the condition resets it; must be the last of its rung or branch."""
        if self.step.off:
            raise RuntimeError("an off-delay timer has no reset")
        if self.step.reset != ir.NONE or self.builder.draft is not self.draft:
            raise RuntimeError(f"{self.what} is complete already")
        if self.draft.loop:
            raise RuntimeError(f"{self.what} with reset() cannot stand in a loop")
        self.step = msgspec.structs.replace(self.step, reset=pin(self.builder, conditions))
        self.draft.steps[self.place] = self.step
        self.draft.ended.add(self.step.enable)


def on_delay(*timer: object, preset: object = None, unit: TimeUnit | str | None = None) -> TimerCall:
    """An on-delay timer: `on_delay(done, acc, preset=…, unit=Tms)` or `on_delay(timer, 3000, "ms")`.

    `acc` counts whole units while there is power and `done` is True from the preset on; both go back without power.
    """
    return TimerCall("on_delay()", False, timer, preset, unit)


def off_delay(*timer: object, preset: object = None, unit: TimeUnit | str | None = None) -> TimerCall:
    """An off-delay timer: done with power, and after it until the preset has passed. Arguments as of on_delay()."""
    return TimerCall("off_delay()", True, timer, preset, unit)


class CounterCall(Unfinished):
    """A counter in a rung; `.reset(condition)` completes it."""

    def __init__(self, what: str, backward: bool, given: tuple[object, ...], preset: object) -> None:
        super().__init__(what)
        done, count, limit, _unit = _parts(what, given, (preset,))
        self.backward = backward
        self.done, self.count = written(self.builder, done, (Type.BOOL,)), written(self.builder, count, _WHOLE)
        self.preset = _preset(self.builder, what, limit, count)
        self.down_pin = ir.NONE
        self.line = caller_line()

    def down(self, *conditions: object) -> Self:
        """Take one away in each scan in which the condition holds."""
        if self.backward:
            raise RuntimeError("count_down() counts down already")
        self.down_pin = self.pin(conditions)
        return self

    def reset(self, *conditions: object) -> None:
        """Set the count to 0 while the condition holds."""
        step = ir.Counter(
            enable=self.draft.power, line=self.line, done=self.done, count=self.count, preset=self.preset,
            reset=self.pin(conditions), backward=self.backward, down=self.down_pin,
        )  # fmt: skip
        self.complete(step)


def count_up(*counter: object, preset: object = None) -> CounterCall:
    """A counter: `count_up(done, acc, preset=…).reset(c)` or `count_up(counter, 5).reset(c)`.

    Counts in every scan with power; use rise() to count events. `.down(c)` takes away; done from the preset on.
    """
    return CounterCall("count_up()", False, counter, preset)


def count_down(*counter: object, preset: object = None) -> CounterCall:
    """A counter that goes below 0; done at minus the preset and below."""
    return CounterCall("count_down()", True, counter, preset)


class ShiftCall(Unfinished):
    """A shift register in a rung; `.clock(condition).reset(condition)` completes it."""

    def __init__(self, range: object) -> None:
        super().__init__("shift()")
        if type_of(range) is not Type.BOOL:
            raise TypeError(f"shift(): {range!r} is {type_of(range).name}; a shift register holds BOOLs")
        self.targets = cells(self.builder, range, write=True)
        self.clock_pin = ir.NONE
        self.line = caller_line()

    def clock(self, *conditions: object) -> Self:
        """Shift by one when the condition becomes true."""
        self.clock_pin = self.pin(conditions)
        return self

    def reset(self, *conditions: object) -> None:
        """Clear all while the condition holds."""
        if self.clock_pin == ir.NONE:
            raise RuntimeError("shift() needs .clock() before .reset()")
        memory = self.builder.memory(f"clock:{self.builder.section_name}", Type.BOOL)
        step = ir.Shift(
            enable=self.draft.power, line=self.line, targets=self.targets, clock=self.clock_pin, clock_memory=memory,
            reset=self.pin(conditions),
        )  # fmt: skip
        self.complete(step)


def shift(range: object) -> ShiftCall:
    """A shift register: `shift(range).clock(c).reset(c)`; power enters at the first tag of the range."""
    return ShiftCall(range)


def is_number(value: object) -> bool:
    """Whether a value can be a step or a preset."""
    return isinstance(value, Operand) or (isinstance(value, int) and not isinstance(value, bool))
