# SPDX-License-Identifier: Apache-2.0
"""The two faces of the runner: `PLC`, and `PLCRunner` with the names of the language's first era."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from types import TracebackType
from typing import Self

from pilotlight.plc import ir
from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.core import LONGEST_RUN, Runner
from pilotlight.plc.runner.debugging import ConditionTrace, Debugger, RungTrace, ScanContext, ScanStep
from pilotlight.plc.runner.engines import Engines
from pilotlight.plc.runner.state import RunResult, SystemState
from pilotlight.plc.runner.watching import Breakpoint
from pilotlight.tags import Value


class TimeMode(enum.Enum):
    """Where the time of a scan comes from."""

    FIXED_STEP = "fixed_step"
    REALTIME = "realtime"


class PLC(Runner):
    """Runs a program: `with PLC(logic, dt=0.010) as plc:`; inside, `tag.value` reads and patches.

    `dt` are the seconds of a scan; with `realtime` they are those that pass. Exclusive: ValueError for both.
    `history` bounds the number of retained scans, `history_budget` their bytes. With `auto_start` off, a scan in
    STOP applies patches and forces and leaves the logic out, until start(). The `engine` is `interpreter`, `native`
    (needs gcc, and a program without Python functions) or `auto`: native when that is possible.
    """

    def __init__(
        self, logic: Program | Sequence[Program] | None = None, initial_state: SystemState | None = None, *,
        dt: float | None = None, realtime: bool = False, history: int | None = None,
        history_budget: int | None = None, checkpoint_interval: int | None = None, auto_start: bool = True,
        engine: str | Engines = "interpreter",
    ) -> None:  # fmt: skip
        if realtime and dt is not None:
            raise ValueError("dt and realtime exclude each other")
        given = {"limit": history, "budget": history_budget, "interval": checkpoint_interval}
        rules = {name: value for name, value in given.items() if value is not None}
        seconds = 0.010 if dt is None else dt
        super().__init__(
            logic, dt_ns=round(seconds * 1e9), history=rules, auto_start=auto_start, initial_state=initial_state,
            engine=engine,
        )  # fmt: skip
        self.points.fixed = not realtime
        self.debug = Debugger(self)
        self._scopes: list[AbstractContextManager[Self]] = []

    def __enter__(self) -> Self:
        scope = self._active()
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._scopes.pop().__exit__(kind, error, at)

    def _sibling(self) -> Self:
        other = type(self)(self.logic, dt=self.points.period_ns / 1e9, auto_start=self.auto_start, engine=self._engines)
        other._adopt_history(self._rules)
        return other

    @property
    def battery_present(self) -> bool:
        """Whether a battery keeps the tags over a reboot."""
        return self.points.battery

    @battery_present.setter
    def battery_present(self, present: bool) -> None:
        self.points.battery = present

    def force(self, tag: str | Tag, value: Value) -> None:
        """Hold a tag at a value before and after the logic, until unforce()."""
        self._force({tag: value})

    def unforce(self, tag: str | Tag) -> None:
        """Let a forced tag go; KeyError when it is not forced."""
        self._unforce(tag)

    def forced(self, values: Mapping[str, Value] | Mapping[Tag, Value]) -> AbstractContextManager[Self]:
        """Force within a with statement; afterwards exactly the earlier forces hold."""
        return self._forced(values)

    def when(self, *conditions: object) -> Breakpoint:
        """A breakpoint for scans in which the conditions hold, or in which a function of the state is true."""
        return self._when(conditions)

    def run_until(self, *conditions: object, max_cycles: int = LONGEST_RUN) -> RunResult:
        """Scan until the conditions hold; true when they did within `max_cycles` scans and before a pause."""
        return self._until(self._asked(conditions), max_cycles)


class PLCRunner(Runner):
    """Runs a program, with the names of the language's first era; a scan takes 0.1 s unless set_time_mode() says so."""

    def __init__(
        self, logic: Program | Sequence[Program] | None = None, initial_state: SystemState | None = None, *,
        history_limit: int | None = None, engine: str | Engines = "interpreter",
    ) -> None:  # fmt: skip
        history = {} if history_limit is None else {"limit": history_limit}
        super().__init__(logic, dt_ns=100_000_000, history=history, initial_state=initial_state, engine=engine)
        self._debugger = Debugger(self)

    def _sibling(self) -> Self:
        other = type(self)(self.logic, engine=self._engines)
        other._period(self.points.period_ns)
        other._adopt_history(self._rules)
        return other

    def fork_from(self, scan_id: int) -> Self:
        """The same as fork()."""
        return self.fork(scan_id)

    def set_time_mode(self, mode: TimeMode, *, dt: float = 0.1) -> None:
        """Give each scan `dt` seconds, or the time that passes."""
        self._period(round(dt * 1e9))
        self.points.fixed = mode is TimeMode.FIXED_STEP
        self._last_clock = time.perf_counter_ns()

    @property
    def time_mode(self) -> TimeMode:
        """Where the time of a scan comes from."""
        return TimeMode.FIXED_STEP if self.points.fixed else TimeMode.REALTIME

    def set_battery_present(self, present: bool) -> None:
        """Whether a battery keeps the tags over a reboot."""
        self.points.battery = present

    def active(self) -> AbstractContextManager[Self]:
        """The scope in which `tag.value` reads and patches this runner."""
        return self._active()

    def add_force(self, tag: str | Tag, value: Value) -> None:
        """Hold a tag at a value before and after the logic, until remove_force()."""
        self._force({tag: value})

    def remove_force(self, tag: str | Tag) -> None:
        """Let a forced tag go; KeyError when it is not forced."""
        self._unforce(tag)

    def force(self, values: Mapping[str, Value] | Mapping[Tag, Value]) -> AbstractContextManager[Self]:
        """Force within a with statement; afterwards exactly the earlier forces hold."""
        return self._forced(values)

    def when(self, *conditions: object) -> Breakpoint:
        """A breakpoint for scans in which the conditions hold; TypeError for a function, which when_fn() takes."""
        if any(callable(each) and not isinstance(each, Tag) for each in conditions):
            raise TypeError("when() takes conditions; when_fn() takes a function of the state")
        return self._when(conditions)

    def when_fn(self, function: object) -> Breakpoint:
        """A breakpoint for scans in which a function of the state is true."""
        return self._when((function,))

    def run_until(self, *conditions: object, max_cycles: int = LONGEST_RUN) -> RunResult:
        """Scan until the conditions hold; true when they did within `max_cycles` scans and before a pause."""
        if any(callable(each) and not isinstance(each, Tag) for each in conditions):
            raise TypeError("run_until() takes conditions; run_until_fn() takes a function of the state")
        return self._until(self._asked(conditions), max_cycles)

    def run_until_fn(self, function: object, *, max_cycles: int = LONGEST_RUN) -> RunResult:
        """Scan until a function of the state is true; true when it was."""
        return self._until(self._asked((function,)), max_cycles)

    def scan_steps(self) -> Iterator[tuple[int, ir.Rung, ScanContext]]:
        """A scan in steps; see Debugger."""
        return self._debugger.scan_steps()

    def scan_steps_debug(self) -> Iterator[ScanStep]:
        """A scan in steps with a trace; see Debugger. Of branches only those with power are shown, and the rungs of a
        subroutine are steps of the kind `subroutine`."""
        with closing(self._debugger.scan_steps_debug()) as steps:
            for step in steps:
                if step.kind == "rung" and step.call_stack:
                    yield replace(step, kind="subroutine")
                elif step.kind == "branch" and step.enabled_state == "enabled":
                    yield replace(step, depth=step.depth + step.nesting)
                elif step.kind not in ("branch", "subroutine"):
                    yield step

    def prepare_scan(self) -> tuple[ScanContext, float]:
        """Begin a scan; see Debugger."""
        return self._debugger.prepare_scan()

    def commit_scan(self, context: ScanContext, dt: float) -> None:
        """End the scan that prepare_scan() began; see Debugger."""
        self._debugger.commit_scan(context, dt)

    def iter_top_level_rungs(self) -> Iterator[ir.Rung]:
        """The rungs of the main program."""
        return self._debugger.iter_top_level_rungs()

    def evaluate_condition_value(
        self, condition: object, context: ScanContext | None = None
    ) -> tuple[bool, tuple[ConditionTrace, ...]]:
        """Whether a condition holds now, and why; see Debugger."""
        return self._debugger.evaluate_condition_value(condition, context)

    def inspect(self, rung_id: int, scan_id: int | None = None, *, task: str = ir.MAIN) -> RungTrace:
        """The trace of a rung; see Debugger."""
        return self._debugger.inspect(rung_id, scan_id, task=task)

    def inspect_event(self) -> tuple[int, int, ScanStep] | None:
        """The newest stop of a scan in steps, with the numbers of its scan and its rung; see Debugger."""
        return self._debugger.inspect_event()
