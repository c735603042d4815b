# SPDX-License-Identifier: Apache-2.0
"""The first Ctrl-C ends a tool's work in good order, the second ends the tool."""

from __future__ import annotations

import signal
from types import FrameType


class Stop:
    """While entered: `wanted` is set by the first SIGINT or SIGTERM; the next one does what it did before."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._now) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _now(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.wanted
