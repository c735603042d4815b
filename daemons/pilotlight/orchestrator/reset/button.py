# SPDX-License-Identifier: Apache-2.0
"""``reset.yaml`` and the decision whether the reset button is held. No I/O."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from pilotlight.daemon.settings import Settings


class ButtonLine(Settings, frozen=True):
    """The line of the button, pressed when its logical level is 1."""

    chip: Annotated[str, Meta(min_length=1, max_length=64)]
    line: Annotated[int, Meta(ge=0, le=1023)]
    active_low: bool = True
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "pull-up"


class ResetSettings(Settings, frozen=True):
    """The whole file; without a button there is none. Times in seconds."""

    button: ButtonLine | None = None
    hold_s: Annotated[float, Meta(ge=1, le=60)] = 5.0
    chip_wait_s: Annotated[float, Meta(ge=0, le=30)] = 5.0


class Verdict(enum.Enum):
    """What is known of the button."""

    WAIT = "wait"
    RELEASED = "released"
    HELD = "held"


class Hold:
    """Follows the button from power-on: once released it is no request, however often it is pressed again."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._since: float | None = None

    def sample(self, now_s: float, pressed: bool) -> Verdict:
        """One look at the button, at a time of any steady clock."""
        if not pressed:
            return Verdict.RELEASED
        if self._since is None:
            self._since = now_s
        return Verdict.HELD if now_s - self._since >= self._hold_s else Verdict.WAIT
