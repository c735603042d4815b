# SPDX-License-Identifier: Apache-2.0
"""Drum sequencers."""

from __future__ import annotations

from abc import abstractmethod

from pilotlight.plc.engine.coils import Clock, value_or_zero
from pilotlight.plc.engine.machine import Machine, Step
from pilotlight.plc.engine.numbers import Whole


class DrumStep(Step):
    """What both kinds of drum do: keep the step valid, reset, jump, jog, write the outputs."""

    def __init__(
        self, outputs: list[int], pattern: list[list[int]], step: int, step_memory: int, completed: int,
        powers: list[bool], reset: int,
    ) -> None:  # fmt: skip
        self.outputs: list[int] = outputs
        self.pattern: list[list[int]] = pattern
        self.step: int = step
        self.step_memory: int = step_memory
        self.completed: int = completed
        self.powers: list[bool] = powers
        self.reset: int = reset
        self.jump: int = -1
        self.jump_memory: int = -1
        self.jump_step: Whole | None = None
        self.jog: int = -1
        self.jog_memory: int = -1

    @abstractmethod
    def entered(self, m: Machine, step: int) -> None:
        """A step begins; each kind of drum says what that means."""

    @abstractmethod
    def advanced(self, m: Machine, step: int, on: bool) -> int:
        """Go on by events or time, as the kind of drum does; gives the step."""

    def run(self, m: Machine, on: bool) -> None:
        step: int = m.cells[self.step]
        if not 1 <= step <= len(self.pattern):
            step = 1
            self._enter(m, step)
        else:
            if step != m.cells[self.step_memory]:
                self._enter(m, step)
            step = self.advanced(m, step, on)
        reset = self.powers[self.reset]
        if reset:
            step = 1
            m.cells[self.completed] = 0
            self._enter(m, step)
        step = self._moved(m, step, on, reset)
        m.cells[self.step] = step
        if on or reset:
            row = self.pattern[step - 1]
            for place in range(len(self.outputs)):
                m.cells[self.outputs[place]] = row[place]

    def _moved(self, m: Machine, step: int, on: bool, reset: bool) -> int:
        if self._rises(m, self.jump, self.jump_memory) and on and not reset and self.jump_step is not None:
            wanted = value_or_zero(m, self.jump_step)
            if 1 <= wanted <= len(self.pattern):
                step = wanted
                self._enter(m, step)
        if self._rises(m, self.jog, self.jog_memory) and on and not reset and step < len(self.pattern):
            step += 1
            self._enter(m, step)
        return step

    def _rises(self, m: Machine, pin: int, memory: int) -> bool:
        if pin < 0:
            return False
        now = self.powers[pin]
        rising = now and not m.cells[memory]
        m.cells[memory] = 1 if now else 0
        return rising

    def _enter(self, m: Machine, step: int) -> None:
        m.cells[self.step_memory] = step
        self.entered(m, step)


class EventDrum(DrumStep):
    """A drum that an event of its own moves on from each step."""

    def wire(self, events: list[int], memory: int) -> EventDrum:
        """Tell the drum its events, as numbers of powers."""
        self.events: list[int] = events
        self.memory: int = memory
        return self

    def entered(self, m: Machine, step: int) -> None:
        m.cells[self.memory] = 1 if self.powers[self.events[step - 1]] else 0

    def advanced(self, m: Machine, step: int, on: bool) -> int:
        event = self.powers[self.events[step - 1]]
        fresh = event and not m.cells[self.memory]
        m.cells[self.memory] = 1 if event else 0
        if not (on and fresh):
            return step
        if step == len(self.pattern):
            m.cells[self.completed] = 1
            return step
        self._enter(m, step + 1)
        return step + 1


class TimeDrum(DrumStep):
    """A drum that time moves on."""

    def wire(self, clock: Clock, presets: list[Whole]) -> TimeDrum:
        """Tell the drum its times."""
        self.clock: Clock = clock
        self.presets: list[Whole] = presets
        return self

    def entered(self, m: Machine, step: int) -> None:
        self.clock.clear(m)

    def advanced(self, m: Machine, step: int, on: bool) -> int:
        if not on:
            return step
        elapsed = self.clock.advance(m)
        if not self.clock.reached(m, self.presets[step - 1], elapsed):
            return step
        if step == len(self.pattern):
            m.cells[self.completed] = 1
            return step
        self._enter(m, step + 1)
        return step + 1
