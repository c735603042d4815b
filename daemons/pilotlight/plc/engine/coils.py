# SPDX-License-Identifier: Apache-2.0
"""Coils, timers, counters and shift registers."""

from __future__ import annotations

from typing import Any

from pilotlight.plc.engine.cells import Several
from pilotlight.plc.engine.machine import Machine, Step
from pilotlight.plc.engine.numbers import Whole


class Coil(Step):
    """One coil."""

    def __init__(self, slot: int) -> None:
        self.slot: int = slot

    def run(self, m: Machine, on: bool) -> None:
        m.cells[self.slot] = 1 if on else 0


class Coils(Step):
    """Several coils."""

    def __init__(self, targets: Several) -> None:
        self.targets: Several = targets

    def run(self, m: Machine, on: bool) -> None:
        slots = self.targets.slots(m)
        if slots is not None:
            for slot in slots:
                m.cells[slot] = 1 if on else 0


class Preset(Step):
    """Give cells values known beforehand: what latch and reset do."""

    def __init__(self, targets: Several, values: dict[int, Any]) -> None:
        self.targets: Several = targets
        self.values: dict[int, Any] = values

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        slots = self.targets.slots(m)
        if slots is not None:
            for slot in slots:
                m.cells[slot] = self.values[slot]


def value_or_zero(m: Machine, of: Whole) -> int:
    """An operand that counts as 0 when it fails."""
    m.failed = False
    value = of.value(m)
    return 0 if m.failed else value


class Clock:
    """Time counted in whole units, with the rest in a cell of nanoseconds; stops at the limit of its type."""

    def __init__(self, elapsed: int, fraction: int, unit_ns: int, limit: int) -> None:
        self.elapsed: int = elapsed
        self.fraction: int = fraction
        self.unit_ns: int = unit_ns
        self.limit: int = limit

    def advance(self, m: Machine) -> int:
        """Add the scan's time; gives the units elapsed."""
        fraction: int = m.cells[self.fraction]
        elapsed: int = m.cells[self.elapsed]
        total = fraction + m.dt_ns
        elapsed += total // self.unit_ns
        if elapsed >= self.limit:
            elapsed = self.limit
        m.cells[self.fraction] = total % self.unit_ns
        m.cells[self.elapsed] = elapsed
        return elapsed

    def clear(self, m: Machine) -> None:
        """Back to zero."""
        m.cells[self.elapsed] = 0
        m.cells[self.fraction] = 0

    def reached(self, m: Machine, preset: Whole, elapsed: int) -> bool:
        """Whether the preset, at most the limit, has passed."""
        return elapsed >= min(value_or_zero(m, preset), self.limit)


class OnDelay(Step):
    """A timer that starts with power and goes back without."""

    def __init__(self, clock: Clock, done: int, preset: Whole) -> None:
        self.clock: Clock = clock
        self.done: int = done
        self.preset: Whole = preset

    def run(self, m: Machine, on: bool) -> None:
        if on:
            elapsed = self.clock.advance(m)
            m.cells[self.done] = 1 if self.clock.reached(m, self.preset, elapsed) else 0
        else:
            self.clock.clear(m)
            m.cells[self.done] = 0


class RetentiveDelay(OnDelay):
    """A timer that keeps its time without power until it is reset."""

    def __init__(self, clock: Clock, done: int, preset: Whole, powers: list[bool], reset: int) -> None:
        super().__init__(clock, done, preset)
        self.powers: list[bool] = powers
        self.reset: int = reset

    def run(self, m: Machine, on: bool) -> None:
        if self.powers[self.reset]:
            self.clock.clear(m)
            m.cells[self.done] = 0
        elif on:
            elapsed = self.clock.advance(m)
            m.cells[self.done] = 1 if self.clock.reached(m, self.preset, elapsed) else 0


class OffDelay(OnDelay):
    """A timer that starts when power goes."""

    def __init__(self, clock: Clock, done: int, preset: Whole, armed: int) -> None:
        super().__init__(clock, done, preset)
        self.armed: int = armed

    def run(self, m: Machine, on: bool) -> None:
        if on:
            self.clock.clear(m)
            m.cells[self.armed] = 1
            m.cells[self.done] = 1
        elif m.cells[self.armed]:
            elapsed = self.clock.advance(m)
            m.cells[self.done] = 0 if self.clock.reached(m, self.preset, elapsed) else 1
        else:
            m.cells[self.done] = 0


class Count(Step):
    """A counter of scans with power."""

    def __init__(
        self, done: int, count: int, preset: Whole, low: int, high: int, backward: bool, powers: list[bool],
        down: int, reset: int,
    ) -> None:  # fmt: skip
        self.done: int = done
        self.count: int = count
        self.preset: Whole = preset
        self.low: int = low
        self.high: int = high
        self.backward: bool = backward
        self.powers: list[bool] = powers
        self.down: int = down
        self.reset: int = reset

    def run(self, m: Machine, on: bool) -> None:
        if self.powers[self.reset]:
            m.cells[self.count] = 0
            m.cells[self.done] = 0
            return
        count: int = m.cells[self.count]
        if on:
            count += -1 if self.backward else 1
        if self.down >= 0 and self.powers[self.down]:
            count -= 1
        count = min(max(count, self.low), self.high)
        m.cells[self.count] = count
        preset = value_or_zero(m, self.preset)
        done = count <= -preset if self.backward else count >= preset
        m.cells[self.done] = 1 if done else 0


class ShiftRegister(Step):
    """Moves power along cells."""

    def __init__(self, targets: Several, powers: list[bool], clock: int, memory: int, reset: int) -> None:
        self.targets: Several = targets
        self.powers: list[bool] = powers
        self.clock: int = clock
        self.memory: int = memory
        self.reset: int = reset

    def run(self, m: Machine, on: bool) -> None:
        clock = self.powers[self.clock]
        rising = clock and not m.cells[self.memory]
        m.cells[self.memory] = 1 if clock else 0
        reset = self.powers[self.reset]
        if not (rising or reset):
            return
        slots = self.targets.slots(m)
        if slots is None:
            return
        carried = 1 if on else 0
        for slot in slots:
            if reset:
                m.cells[slot] = 0
            else:
                following = m.cells[slot]
                m.cells[slot] = carried
                carried = following
