# SPDX-License-Identifier: Apache-2.0
"""Drum sequencers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from pilotlight.plc import ir
from pilotlight.plc.language.builder import caller_line
from pilotlight.plc.language.conditions import lower_condition
from pilotlight.plc.language.operands import lowered
from pilotlight.plc.language.places import written
from pilotlight.plc.language.ranges import BlockRange
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.language.timing import Unfinished, is_number
from pilotlight.plc.language.units import TimeUnit, Tms, normalize_unit
from pilotlight.tags import Type

MOST_OUTPUTS = 16
MOST_STEPS = 16
_WHOLE = (Type.INT, Type.DINT)


class DrumCall(Unfinished):
    """A drum in a rung; `.reset(condition)` completes it, `.jump()` and `.jog()` may follow."""

    def __init__(
        self, what: str, outputs: Sequence[Tag] | BlockRange, pattern: Sequence[Sequence[object]], current_step: Tag,
        completion_flag: Tag,
    ) -> None:  # fmt: skip
        super().__init__(what)
        tags = list(outputs)
        rows = tuple(tuple(bool(each) for each in row) for row in pattern)
        if not 1 <= len(tags) <= MOST_OUTPUTS:
            raise ValueError(f"{what}: {len(tags)} outputs; a drum has 1 to {MOST_OUTPUTS}")
        if not 1 <= len(rows) <= MOST_STEPS:
            raise ValueError(f"{what}: {len(rows)} steps; a drum has 1 to {MOST_STEPS}")
        if any(len(row) != len(tags) for row in rows):
            raise ValueError(f"{what}: each row of the pattern needs a value for each of the {len(tags)} outputs")
        builder = self.builder
        self.place = -1
        self.step = ir.Drum(
            enable=self.draft.power, line=caller_line(),
            outputs=tuple(written(builder, tag, (Type.BOOL,)) for tag in tags), pattern=rows,
            step=written(builder, current_step, _WHOLE), completed=written(builder, completion_flag, (Type.BOOL,)),
            reset=0, step_memory=builder.memory(f"step:{current_step.name}", Type.DINT),
        )  # fmt: skip

    def change(self, **fields: object) -> None:
        """Set fields of the instruction, in the rung too when it is there."""
        self.step = msgspec.structs.replace(self.step, **fields)
        if self.place >= 0:
            self.draft.steps[self.place] = self.step

    def reset(self, *conditions: object) -> Self:
        """Go to step 1 while the condition holds."""
        if self.place >= 0:
            raise RuntimeError(f"{self.what} has a reset already")
        self.change(reset=self.pin(conditions))
        self.place = self.complete(self.step)
        return self

    def jump(self, *conditions: object, step: object) -> Self:
        """Go to a step when the condition becomes true."""
        if self.place < 0 or self.step.jump != ir.NONE:
            raise RuntimeError(f"{self.what}: .jump() comes once, behind .reset()")
        if not is_number(step):
            raise TypeError(f"{step!r} is no number of a step")
        if isinstance(step, int) and not 1 <= step <= len(self.step.pattern):
            raise ValueError(f"{self.what}: there is no step {step}")
        memory = self.builder.memory(f"jump:{self.builder.cells[self.step.step].name}", Type.BOOL)
        self.change(jump=self.pin(conditions), jump_memory=memory, jump_step=lowered(self.builder, step))
        return self

    def jog(self, *conditions: object) -> Self:
        """Go to the next step when the condition becomes true."""
        if self.place < 0 or self.step.jog != ir.NONE:
            raise RuntimeError(f"{self.what}: .jog() comes once, behind .reset()")
        memory = self.builder.memory(f"jog:{self.builder.cells[self.step.step].name}", Type.BOOL)
        self.change(jog=self.pin(conditions), jog_memory=memory)
        return self


def event_drum(
    outputs: Sequence[Tag] | BlockRange, events: Sequence[object], pattern: Sequence[Sequence[object]],
    current_step: Tag, completion_flag: Tag,
) -> DrumCall:  # fmt: skip
    """A drum that goes on with events: `event_drum(…).reset(c)`; one event and one row of the pattern a step."""
    drum = DrumCall("event_drum()", outputs, pattern, current_step, completion_flag)
    if len(events) != len(drum.step.pattern):
        raise ValueError(f"event_drum(): {len(events)} events for {len(drum.step.pattern)} steps")
    builder = drum.builder
    powers = tuple(
        drum.draft.add_power(lower_condition(builder, each), ir.NONE, "pin", drum.step.line) for each in events
    )
    drum.change(events=powers, event_memory=builder.memory(f"event:{current_step.name}", Type.BOOL))
    return drum


def time_drum(
    outputs: Sequence[Tag] | BlockRange, presets: Sequence[object], unit: TimeUnit | str = Tms, *,
    pattern: Sequence[Sequence[object]], current_step: Tag, accumulator: Tag, completion_flag: Tag,
) -> DrumCall:  # fmt: skip
    """A drum that goes on with time: `time_drum(…).reset(c)`; one preset and one row of the pattern a step."""
    drum = DrumCall("time_drum()", outputs, pattern, current_step, completion_flag)
    if len(presets) != len(drum.step.pattern):
        raise ValueError(f"time_drum(): {len(presets)} presets for {len(drum.step.pattern)} steps")
    for each in presets:
        if not is_number(each):
            raise TypeError(f"time_drum(): {each!r} is no preset")
    builder = drum.builder
    drum.change(
        presets=tuple(lowered(builder, each) for each in presets),
        elapsed=written(builder, accumulator, _WHOLE),
        unit_ns=int(normalize_unit(unit)),
        fraction_memory=builder.memory(f"fraction:{accumulator.name}", Type.LINT),
    )
    return drum
