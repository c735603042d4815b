# SPDX-License-Identifier: Apache-2.0
"""Rungs with a name of their own: subroutines and tasks."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Self

from pilotlight.plc import ir
from pilotlight.plc.language.builder import Builder, Draft, TaskDraft, current
from pilotlight.plc.language.strict import check_function
from pilotlight.plc.language.units import TimeUnit, normalize_unit
from pilotlight.tags import Type


def _sound_name(name: str, what: str = "subroutine") -> str:
    if not name or '"' in name:
        raise ValueError(f"{name!r} is no name of a {what}: it has one, without quotation marks")
    return name


class _Section:
    """Rungs that are written apart from those around them."""

    _builder: Builder | None = None
    _outer: tuple[list[ir.Rung], str, Draft | None, TaskDraft | None]

    def _open(self, builder: Builder, rungs: list[ir.Rung], name: str, task: TaskDraft | None = None) -> None:
        self._builder = builder
        self._outer = builder.section, builder.section_name, builder.draft, builder.task
        builder.section, builder.section_name, builder.draft, builder.task = rungs, name, None, task

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        builder, self._builder = self._builder, None
        if builder is not None:
            builder.section, builder.section_name, builder.draft, builder.task = self._outer


class subroutine(_Section):  # noqa: N801 - written like a statement of the language
    """Rungs under a name: `with subroutine("name"):` in a program, or a decorator of a function that writes them."""

    def __init__(self, name: str, strict: bool = True) -> None:
        self.name = _sound_name(name)
        self.strict = strict
        self._function: Callable[[], object] | None = None

    def __call__(self, function: Callable[[], object]) -> subroutine:
        if self.strict:
            check_function(function)
        self._function = function
        return self

    def __enter__(self) -> Self:
        builder = current("subroutine()")
        if builder.draft is not None or builder.section is not builder.rungs:
            raise RuntimeError(f"subroutine {self.name!r} stands inside a rung, a task or another subroutine")
        self._enter(builder)
        return self

    def _enter(self, builder: Builder) -> None:
        if builder.subroutines.get(self.name) is not None:
            raise ValueError(f"the program has two subroutines named {self.name!r}")
        section: list[ir.Rung] = []
        builder.subroutines[self.name] = section
        self._open(builder, section, self.name)

    def written(self, builder: Builder) -> None:
        """Write the function's rungs into a program, the first time that the program calls it."""
        if self._function is None or builder.subroutines.get(self.name) is not None:
            return
        self._enter(builder)
        try:
            self._function()
        finally:
            self.__exit__(None, None, None)


class task(_Section):  # noqa: N801 - written like a statement of the language
    """Rungs that run every so often: `with task("slow", period=1, unit="s"):` in a program.

    `period` is a whole number or a decimal of the unit, up to a hundred days; `priority` 0 (first) to 255 says which
    of the tasks that are due in a scan runs first. The rungs outside every task are the task `main`: priority 100,
    in every scan. Raises TypeError and ValueError for what cannot be a period, a priority or a name.
    """

    def __init__(
        self, name: str, *, period: int | float | Decimal, unit: TimeUnit | str = TimeUnit.Tms,
        priority: int = ir.PRIORITY,
    ) -> None:  # fmt: skip
        self.name = _sound_name(name, "task")
        self.period_ns = _nanoseconds(period, unit)
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"{priority!r} is no priority: give 0 to {ir.LEAST_URGENT}")
        if not 0 <= priority <= ir.LEAST_URGENT:
            raise ValueError(f"task {name!r}: priority {priority} is not 0, the most urgent, to {ir.LEAST_URGENT}")
        self.priority = priority

    def __enter__(self) -> Self:
        builder = current("task()")
        if builder.draft is not None or builder.section is not builder.rungs:
            raise RuntimeError(f"task {self.name!r} stands inside a rung, a subroutine or another task")
        if self.name == ir.MAIN or self.name in builder.tasks:
            raise ValueError(f"the program has a task named {self.name!r} already")
        memory = (
            builder.memory(f"task.wait:{self.name}", Type.LINT),
            builder.memory(f"task.since:{self.name}", Type.LINT),
            builder.memory(f"task.due:{self.name}", Type.BOOL),
        )
        draft = builder.tasks[self.name] = TaskDraft(self.name, self.period_ns, self.priority, memory)
        self._open(builder, draft.rungs, self.name, draft)
        return self


def _nanoseconds(period: int | float | Decimal, unit: TimeUnit | str) -> int:
    if isinstance(period, bool) or not isinstance(period, (int, float, Decimal)):
        raise TypeError(f"{period!r} is no period: give a number")
    known = normalize_unit(unit)
    ns, given = Decimal(str(period)) * int(known), f"{period} {known.name.removeprefix('T')}"
    if not ns.is_finite() or not 0 < ns <= ir.LONGEST_PERIOD_NS:
        raise ValueError(f"a period of {given}: it is above 0 and at most a hundred days")
    if ns != int(ns):
        raise ValueError(f"a period of {given} is no whole number of nanoseconds")
    return int(ns)


def call(target: str | subroutine) -> None:
    """Run a subroutine when there is power; without power nothing in it runs."""
    builder = current("call()")
    builder.open_rung("call()")
    if isinstance(target, subroutine):
        target.written(builder)
    name = target.name if isinstance(target, subroutine) else _sound_name(target)
    builder.subroutines.setdefault(name, None)
    number = list(builder.subroutines).index(name)
    builder.add("call()", lambda power, line: ir.Call(enable=power, line=line, subroutine=number))


def return_early() -> None:
    """Leave the subroutine when there is power; RuntimeError outside a subroutine."""
    builder = current("return_early()")
    if builder.section is builder.rungs or builder.task is not None:
        raise RuntimeError("return_early() stands outside a subroutine")
    builder.add("return_early()", lambda power, line: ir.Return(enable=power, line=line))
