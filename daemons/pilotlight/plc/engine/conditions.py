# SPDX-License-Identifier: Apache-2.0
"""Conditions as trees of nodes."""

from __future__ import annotations

from pilotlight.plc.arithmetic import Faults
from pilotlight.plc.engine.numbers import Real, Whole


class Test:
    """A condition. This one always holds."""

    def true(self, m: Faults) -> bool:
        """Whether it holds now."""
        return True


class Contact(Test):
    """A cell is not zero."""

    def __init__(self, slot: int) -> None:
        self.slot: int = slot

    def true(self, m: Faults) -> bool:
        return bool(m.cells[self.slot])


class ClosedContact(Test):
    """A cell is zero."""

    def __init__(self, slot: int) -> None:
        self.slot: int = slot

    def true(self, m: Faults) -> bool:
        return not m.cells[self.slot]


class WholeTruth(Test):
    """An integer is not zero."""

    def __init__(self, of: Whole) -> None:
        self.of: Whole = of

    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.of.value(m) != 0 and not m.failed


class RealTruth(Test):
    """A float is not zero."""

    def __init__(self, of: Real) -> None:
        self.of: Real = of

    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.of.value(m) != 0.0 and not m.failed


class RisingEdge(Test):
    """A cell is true now and was false at the end of the previous scan."""

    def __init__(self, slot: int, previous: int) -> None:
        self.slot: int = slot
        self.previous: int = previous

    def true(self, m: Faults) -> bool:
        return bool(m.cells[self.slot]) and not m.cells[self.previous]


class FallingEdge(Test):
    """A cell is false now and was true at the end of the previous scan."""

    def __init__(self, slot: int, previous: int) -> None:
        self.slot: int = slot
        self.previous: int = previous

    def true(self, m: Faults) -> bool:
        return bool(m.cells[self.previous]) and not m.cells[self.slot]


class Opposite(Test):
    """The opposite of a condition."""

    def __init__(self, of: Test) -> None:
        self.of: Test = of

    def true(self, m: Faults) -> bool:
        return not self.of.true(m)


class Every(Test):
    """All of several conditions."""

    def __init__(self, of: list[Test]) -> None:
        self.of: list[Test] = of

    def true(self, m: Faults) -> bool:
        for each in self.of:  # noqa: SIM110 — all() with a generator is several times slower, compiled or not
            if not each.true(m):
                return False
        return True


class Either(Test):
    """Any of several conditions."""

    def __init__(self, of: list[Test]) -> None:
        self.of: list[Test] = of

    def true(self, m: Faults) -> bool:
        for each in self.of:  # noqa: SIM110 — any() with a generator is several times slower, compiled or not
            if each.true(m):
                return True
        return False


class WholeComparison(Test):
    """Two integers compared. This one: equal."""

    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) == self.b.value(m) and not m.failed


class WholeUnequal(WholeComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) != self.b.value(m) and not m.failed


class WholeLess(WholeComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) < self.b.value(m) and not m.failed


class WholeAtMost(WholeComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) <= self.b.value(m) and not m.failed


class RealComparison(Test):
    """Two floats compared. This one: equal."""

    def __init__(self, a: Real, b: Real) -> None:
        self.a: Real = a
        self.b: Real = b

    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) == self.b.value(m) and not m.failed


class RealUnequal(RealComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) != self.b.value(m) and not m.failed


class RealLess(RealComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) < self.b.value(m) and not m.failed


class RealAtMost(RealComparison):
    def true(self, m: Faults) -> bool:
        m.failed = False
        return self.a.value(m) <= self.b.value(m) and not m.failed


WHOLE_COMPARISONS: dict[str, type[WholeComparison]] = {
    "==": WholeComparison, "!=": WholeUnequal, "<": WholeLess, "<=": WholeAtMost,
}  # fmt: skip
REAL_COMPARISONS: dict[str, type[RealComparison]] = {
    "==": RealComparison, "!=": RealUnequal, "<": RealLess, "<=": RealAtMost,
}  # fmt: skip
"""Comparisons by their sign; > and >= are < and <= the other way round."""
