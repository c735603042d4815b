# SPDX-License-Identifier: Apache-2.0
"""How long to wait after a failure. No I/O, no clock, no chance of its own."""

from __future__ import annotations

FIRST_S = 5.0
LAST_S = 900.0


class Delays:
    """Doubles with every failure in a row, up to LAST_S; half of it is left to chance, so that a fleet does not come
    back all at once."""

    def __init__(self) -> None:
        self.failures = 0

    def after_failure(self, chance: float, wanted_s: float = 0.0) -> float:
        """Seconds to wait; ``chance`` is 0 to 1, ``wanted_s`` what the server asks for (``Retry-After``)."""
        self.failures += 1
        full = min(LAST_S, FIRST_S * float(1 << min(self.failures - 1, 20)))
        return max(full * (0.5 + 0.5 * chance), min(wanted_s, LAST_S))

    def success(self) -> None:
        """Begin with the shortest wait again."""
        self.failures = 0
