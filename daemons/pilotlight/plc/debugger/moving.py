# SPDX-License-Identifier: Apache-2.0
"""Steps of the debugger: where each ends."""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.plc.runner.debugging import ScanStep

Goal = Callable[[ScanStep], bool]


def visible(step: ScanStep) -> bool:
    """Whether a stop is one for people: the entry of a subroutine is shown by its first rung."""
    return step.kind != "subroutine"


def over(start: ScanStep | None) -> Goal:
    """From a rung to the next rung, from an instruction to the next one; not into subroutines."""
    if start is None:
        return visible
    if start.kind == "rung":
        return lambda step: step.kind == "rung" and step.depth <= start.depth
    return lambda step: visible(step) and step.depth <= start.depth


def out(start: ScanStep | None) -> Goal:
    """From an instruction to the next rung; from a rung of a subroutine to behind its call, of a task or the main
    program to the first rung of the next one that runs, in this scan or a later one."""
    if start is None:
        return visible
    if start.kind != "rung":
        return lambda step: step.kind == "rung" and step.depth <= start.depth
    if start.depth:
        return lambda step: visible(step) and step.depth < start.depth
    return lambda step: step.kind == "rung" and step.depth == 0 and step.rung_index == 0
