# SPDX-License-Identifier: Apache-2.0
"""Time as segments use it: CLOCK_MONOTONIC in nanoseconds."""

from __future__ import annotations

import time

from pilotlight.tags._core import now_ns, sleep_until

__all__ = ["now_ns", "sleep_until", "wall_ns"]


def wall_ns(monotonic_ns: int) -> int:
    """The wall-clock time (ns since 1970, UTC) of a moment of CLOCK_MONOTONIC, as the clock is set now."""
    return monotonic_ns + time.time_ns() - now_ns()
