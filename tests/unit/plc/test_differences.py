# SPDX-License-Identifier: Apache-2.0
"""docs/plc-differences.md: what it says of this language, row by row, by running it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pilotlight.plc import (
    PLC,
    Block,
    Bool,
    Dint,
    Int,
    PLCRunner,
    Program,
    Real,
    Rung,
    TagType,
    TimeMode,
    Tm,
    Tms,
    Word,
    any_of,
    blockcopy,
    branch,
    calc,
    call,
    copy,
    count_up,
    forloop,
    latch,
    named_array,
    off_delay,
    on_delay,
    out,
    rise,
    run_function,
    sqrt,
    subroutine,
    system,
    task,
    time_drum,
    to_text,
)
from pilotlight.plc.ir import IRError
from pilotlight.plc.language.operands import Operand
from pilotlight.plc.runner.history import BUDGET
from pilotlight.tags import TagValueError, Type

PAGE = (Path(__file__).parents[3] / "docs/plc-differences.md").read_text()
SUBJECTS = [row.split("|")[1].strip() for row in PAGE.partition("## ")[0].splitlines() if row.startswith("| ")][1:]

A, B, C, Go = Bool("A"), Bool("B"), Bool("C"), Bool("Go")
N, J, D, R, W = Int("N"), Int("J"), Dint("D"), Real("R"), Word("W")
DS = Block("DS", TagType.INT, 1, 5)
RANGE, ADDRESS = "fault.out_of_range", "fault.address_error"

CHECKS: dict[str, Callable[[], None]] = {}


def row(subject: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """The check of a row of the page."""

    def note(check: Callable[[], None]) -> Callable[[], None]:
        CHECKS[subject] = check
        return check

    return note


def one(*writes: Callable[[], object], conditions: tuple[object, ...] = ()) -> PLC:
    """A runner of a program with one rung, which has run once."""
    with Program(strict=False) as logic, Rung(*conditions):
        for write in writes:
            write()
    plc = PLC(logic, dt=0.1)
    plc.step()
    return plc


def tag(plc: PLC | PLCRunner, name: str) -> object:
    return plc.current_state.tags[name]


@row("values of the wrong type or size, in patches, forces, defaults")
def _() -> None:
    plc = one(lambda: copy(N, J))
    for value in (99999, 3.7, "x"):
        with pytest.raises(TagValueError):
            plc.patch({"N": value})
        with pytest.raises(TagValueError):
            plc.force("N", value)
        with pytest.raises(ValueError):
            Int("X", default=value)
    assert plc.forces == {}


@row("`sqrt(-1)`, `log(0)`, shift by a negative count")
def _() -> None:
    plc = one(lambda: calc(sqrt(R - 1), R), lambda: calc(1 << (N - 1), J))
    assert (tag(plc, RANGE), tag(plc, "R"), tag(plc, "J")) == (True, 0.0, 0)


@row("address outside a block, in a condition, an expression or a range")
def _() -> None:
    plc = one(lambda: out(A), conditions=(DS[N] >= 0,))
    assert (tag(plc, ADDRESS), tag(plc, "A")) == (True, False)
    plc = one(lambda: copy(7, DS[N]), lambda: blockcopy(DS.select(N, N + 1), DS.select(4, 5)))
    assert tag(plc, ADDRESS) is True and not any(tag(plc, f"DS{n}") for n in range(1, 6))


@row("lengths of ranges that are known only in the scan and disagree")
def _() -> None:
    plc = one(lambda: copy(3, N), lambda: copy(7, DS[1]), lambda: blockcopy(DS.select(1, N), DS.select(4, 5)))
    assert (tag(plc, RANGE), tag(plc, "DS4")) == (True, 0)


@row("a Python function that raises or returns the wrong thing")
def _() -> None:
    def fails() -> dict[str, int]:
        raise RuntimeError("broken")

    plc = one(lambda: run_function(fails, outs={"x": N}), lambda: copy(system.fault.plc_error, J))
    assert (tag(plc, "fault.plc_error"), tag(plc, "N")) == (True, 0)


@row("`//` and `%`")
def _() -> None:
    plc = one(lambda: copy(-7, N), lambda: calc(N // 2, J), lambda: calc(N % 3, D))
    assert (tag(plc, "J"), tag(plc, "D")) == (-3, -1)


@row("`copy` to a WORD")
def _() -> None:
    plc = one(lambda: copy(70000, D), lambda: copy(D, W))
    assert tag(plc, "W") == 65535
    assert tag(one(lambda: copy(-1, N), lambda: copy(N, W)), "W") == 0


@row("`to_text` of a WORD")
def _() -> None:
    text = Block("TXT", TagType.CHAR, 1, 4)
    plc = one(lambda: copy(0xBEEF, W), lambda: copy(W, text[1], convert=to_text()))
    assert "".join(str(tag(plc, f"TXT{n}")) for n in range(1, 5)).upper() == "BEEF"


@row("one second at scans of 0.1 s")
def _() -> None:
    plc = one(lambda: on_delay(A, N, preset=1000, unit=Tms))
    plc.run(8)
    assert tag(plc, "A") is False
    plc.step()
    assert tag(plc, "A") is True and plc.current_state.scan_id == 10


@row("timer with a DINT accumulator")
def _() -> None:
    plc = one(lambda: on_delay(A, D, preset=2_000_000_000, unit=Tms))
    plc.patch({"D": 1_999_999_850})
    plc.step()
    assert (tag(plc, "D"), tag(plc, "A")) == (1_999_999_950, False)
    plc.step()
    assert tag(plc, "A") is True


@row("preset above the accumulator's type")
def _() -> None:
    with pytest.raises(ValueError):
        one(lambda: on_delay(A, N, preset=40_000, unit=Tms))
    plc = one(lambda: copy(40_000, D), lambda: on_delay(A, N, preset=D, unit=Tms))
    plc.patch({"N": 32_700})
    plc.step()
    assert (tag(plc, "A"), tag(plc, "N")) == (True, 32_767)


@row("off-delay that never had power")
def _() -> None:
    plc = one(lambda: off_delay(A, N, preset=50, unit=Tm), conditions=(Go,))
    assert tag(plc, "A") is False


@row("pins of counters, shift registers, drums")
def _() -> None:
    plc = one(lambda: latch(A), lambda: count_up(B, N, preset=9).reset(A))
    assert tag(plc, "N") == 1
    plc.step()
    assert tag(plc, "N") == 0


@row("edges of clocks, `when(rise(x))`, monitors of system points")
def _() -> None:
    plc = one(lambda: calc(N + 1, N), conditions=(rise(system.sys.clock_1s),))
    plc.run_for(10)
    assert tag(plc, "N") == 10
    seen: list[object] = []
    plc.monitor(system.sys.clock_1s, lambda now, _before: seen.append(now))
    pause = plc.when(rise(system.sys.clock_1s)).pause()
    before = plc.current_state.scan_id
    plc.run(100)
    assert seen and plc.current_state.scan_id < before + 100
    pause.remove()


@row("one-shots, drums, shift registers")
def _() -> None:
    plc = one(lambda: calc(N + 1, N, oneshot=True))
    assert tag(plc, "N") == 1
    other = plc.fork(0)
    other.step()
    assert tag(other, "N") == 1


@row("STOP to RUN")
def _() -> None:
    plc = one(lambda: out(A), conditions=(Go,))
    plc.force("Go", True)
    plc.stop()
    plc.patch({"B": True})
    plc.step()
    assert (plc.forces, tag(plc, "A"), tag(plc, "B")) == ({"Go": True}, True, True)
    with Program() as logic, Rung(Go):
        out(A)
    still = PLC(logic, dt=0.1, auto_start=False)
    still.stop()
    still.patch({"Go": True})
    still.step()
    assert (tag(still, "Go"), tag(still, "A")) == (True, False)


@row("`rtc.apply_…`, `sys.cmd_mode_stop`, `storage.sd.…_cmd` patched")
def _() -> None:
    plc = one(lambda: calc(N + 1, N))
    plc.patch({"sys.cmd_mode_stop": True})
    plc.step()
    assert not plc.running


@row("history")
def _() -> None:
    assert 0 < BUDGET < 1 << 30
    with Program() as logic, Rung():
        calc(N + 1, N)
    plc = PLC(logic, history_budget=20_000)
    plc.run(3000)
    assert plc.history.oldest_scan_id > 0 and plc.history.size <= 20_000


@row("`run_until`")
def _() -> None:
    plc = one(lambda: calc(N + 1, N))
    assert plc.run_until(N >= 5) and not plc.run_until(N < 0, max_cycles=3)


@row("a scan in steps that is abandoned")
def _() -> None:
    plc = one(lambda: calc(N + 1, N))
    plc.patch({"N": 10})
    steps = plc.debug.scan_steps()
    next(steps)
    steps.close()
    assert (plc.current_state.scan_id, tag(plc, "N")) == (1, 1)
    plc.step()
    assert tag(plc, "N") == 11


@row("subroutines that call each other, unknown subroutines")
def _() -> None:
    with pytest.raises(KeyError), Program(strict=False), Rung():
        call("nowhere")
    with pytest.raises(IRError), Program(strict=False):
        with Rung():
            call("one")
        with subroutine("one"), Rung():
            call("two")
        with subroutine("two"), Rung():
            call("one")


@row("`forloop` with 0 or less")
def _() -> None:
    for count, turns, fault in ((0, 0, False), (-3, 0, False), (70_000, 65_535, True)):
        with Program() as logic, Rung():
            copy(count, D)
            with forloop(D):
                calc(R + 1, R)
        plc = PLC(logic)
        plc.step()
        assert (tag(plc, "R"), tag(plc, RANGE)) == (turns, fault)


@row("REAL")
def _() -> None:
    plc = one(lambda: copy(0.1, R), lambda: calc(R * -0.0, Real("Zero")))
    assert tag(plc, "R") == 0.10000000149011612 and str(tag(plc, "Zero")) == "0.0"


@row(next(subject for subject in SUBJECTS if subject.startswith("writing a read-only point")))
def _() -> None:
    for write in (lambda: out(system.sys.first_scan), lambda: out(N), lambda: copy(1, system.rtc.year4)):
        with pytest.raises((TypeError, ValueError)):
            one(write)


@row("INT and DINT as conditions")
def _() -> None:
    assert tag(one(lambda: out(A), conditions=(any_of(N, D),)), "A") is False


@row("jump or jog of a drum together with its reset")
def _() -> None:
    for held, step in ((True, 1), (False, 3)):
        with Program(strict=False) as logic, Rung():
            time_drum(
                [A, B, C], [5000] * 3, Tms, pattern=[[1, 0, 0], [0, 1, 0], [0, 0, 1]], current_step=Int("Step"),
                accumulator=Int("Passed"), completion_flag=Bool("Completed"),
            ).reset(Bool("Held")).jump(Go, step=2).jog(Go)  # fmt: skip
        plc = PLC(logic)
        plc.patch({"Go": True, "Held": held})
        plc.step()
        assert tag(plc, "Step") == step


@row("`TagType`")
def _() -> None:
    assert TagType.BOOL.value == 1 and TagType is Type


@row("`Tag` and `LiveTag`")
def _() -> None:
    assert {Bool("X"): 1}[Bool("X")] == 1


@row("a named array of stride 1 mapped to hardware")
def _() -> None:
    @named_array(Int, count=3, stride=1)
    class Sensors:
        reading = 0

    (entry,) = Sensors.map_to(DS.select(1, 3))  # type: ignore[attr-defined]
    assert entry.source is Sensors


@row("keys of `memory`")
def _() -> None:
    plc = one(lambda: calc(N + 1, N, oneshot=True))
    assert plc.current_state.memory and all(key.startswith("#") for key in plc.current_state.memory)


@row("system points among the tags of a state")
def _() -> None:
    plc = one(lambda: copy(1, N))
    assert "sys.scan_counter" not in plc.current_state.tags
    assert plc.system_runtime.resolve("sys.scan_counter", plc.current_state)[0]


@row("tasks")
def _() -> None:
    with Program() as logic:
        with Rung():
            out(A)
        with task("slow", period=1, unit="s"), Rung():
            calc(N + 1, N)
    runner = PLCRunner(logic)
    runner.set_time_mode(TimeMode.FIXED_STEP, dt=0.1)
    assert [step.task for step in runner.scan_steps_debug() if step.kind == "rung"] == ["main", "slow"]
    assert runner.inspect(0, task="slow").task == "slow"
    assert runner.run(20).tags["N"] == 3


@row("stepping, tracing, running")
def _() -> None:
    with Program() as logic:
        with Rung(Go):
            out(A)
            with branch(A):
                latch(B)
        with Rung(A).continued():
            out(C)
    ways: list[object] = []
    for way in ("step", "scan_steps", "scan_steps_debug"):
        runner = PLCRunner(logic)
        runner.set_time_mode(TimeMode.FIXED_STEP, dt=0.1)
        runner.patch({"Go": True})
        for _ in range(2):
            found = getattr(runner, way)()
            if way != "step":
                list(found)
        ways.append(dict(runner.current_state.tags))
    assert ways[0] == ways[1] == ways[2]


@pytest.mark.parametrize("subject", CHECKS)
def test_the_row_is_true(subject: str) -> None:
    assert subject in SUBJECTS
    CHECKS[subject]()


@row("an expression class of one's own")
def expression_class() -> None:
    class Mine(Operand):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Mine()


def test_rows_that_no_run_can_show_are_few() -> None:
    """Add a check with each row that a run can show."""
    unchecked = [subject for subject in SUBJECTS if subject not in CHECKS]
    assert [each for each in unchecked if not re.match("instructions|texts of errors|a loop in", each)] == []
