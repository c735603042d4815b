# SPDX-License-Identifier: Apache-2.0
"""why(): which rungs and inputs made a value, over scans."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    PLC,
    Block,
    Bool,
    Dint,
    Int,
    PLCRunner,
    Program,
    Rung,
    TagType,
    Tms,
    any_of,
    branch,
    calc,
    call,
    copy,
    count_up,
    forloop,
    latch,
    on_delay,
    out,
    reset,
    rise,
    run_function,
    subroutine,
    system,
)
from pilotlight.plc.runner.causes import Cause

Start, Stop, Guard, Motor, Warm, Lamp = (Bool(name) for name in ("Start", "Stop", "Guard", "Motor", "Warm", "Lamp"))
Late, Alarm, Ready = Bool("Late"), Bool("Alarm"), Bool("Ready")
Elapsed, Speed, Target, Count = Int("Elapsed"), Int("Speed"), Int("Target"), Dint("Count")


def motor() -> Program:
    with Program() as program:
        with Rung(any_of(Start, Motor), ~Stop, Guard):
            out(Motor)
        with Rung(Motor):
            on_delay(Warm, Elapsed, preset=30, unit=Tms)
        with Rung(Warm):
            out(Lamp)
        with Rung(Late):
            out(Alarm)
        with Rung(Warm):
            latch(Late)
        with Rung(rise(Motor)):
            calc(Target * 2, Speed)
    return program


def started(scans: int = 0) -> PLC:
    plc = PLC(motor(), dt=0.01)
    plc.patch({Guard: True, Target: 7})
    plc.run(3)
    plc.patch({Start: True})
    plc.step()
    plc.patch({Start: False})
    plc.run(1 + scans)
    return plc


def contacts(cause: Cause) -> dict[str, tuple[object, bool]]:
    return {each.tag: (each.value, each.proximate) for each in cause.contacts}


def below(cause: Cause, tag: str) -> Cause:
    found = next(each.cause for each in cause.contacts if each.tag == tag)
    assert found is not None
    return found


def test_a_coil_is_made_by_what_changed_and_what_held() -> None:
    cause = started().why(Motor)
    assert (cause.value, cause.previous, cause.kind) == (True, False, "rung")
    assert (cause.scan_id, cause.time_ns) == (4, 40_000_000)
    assert cause.site is not None
    assert (cause.site.section, cause.site.rung, cause.site.instruction) == ("", 0, "out(targets=Motor)")
    assert cause.site.file.endswith("test_why.py")
    assert contacts(cause) == {"Start": (True, True), "Stop": (False, False), "Guard": (True, False)}
    assert (below(cause, "Start").kind, below(cause, "Start").scan_id) == ("patch", 4)
    assert (below(cause, "Guard").kind, below(cause, "Guard").scan_id) == ("patch", 1)
    assert below(cause, "Stop").kind == "start"


def test_a_coil_that_drops_is_made_by_the_contact_in_its_way() -> None:
    plc = started(2)
    plc.force(Stop, True)
    plc.run(3)
    cause = plc.why(Motor)
    assert (cause.value, cause.scan_id) == (False, 8)
    assert contacts(cause) == {"Stop": (True, True)}
    assert below(cause, "Stop").kind == "force"
    assert plc.why(Motor, scan_id=7).value is True


def test_causes_go_over_scans() -> None:
    plc = started(10)
    cause = plc.why(Alarm)
    assert cause.scan_id == plc.why(Late).scan_id + 1
    late = below(cause, "Late")
    assert late.site is not None and late.site.instruction == "latch(targets=Late)"
    warm = below(late, "Warm")
    assert warm.site is not None and warm.site.instruction.startswith("timer(")
    assert contacts(warm) == {"Motor": (True, False)}
    assert below(below(warm, "Motor"), "Start").kind == "patch"


def test_an_operand_has_its_part_and_its_cause() -> None:
    cause = started().why("Speed")
    assert (cause.value, cause.previous) == (14, 0)
    roles = {each.tag: (each.role, each.proximate) for each in cause.contacts}
    assert roles == {"Motor": ("condition", True), "Target": ("operand", False)}
    assert below(cause, "Target").kind == "patch"


def test_pins_calls_branches_and_loops() -> None:
    table = Block("T", TagType.INT, 1, 5)
    with Program() as program:
        with Rung(Start):
            count_up(Ready, Count, preset=3).reset(Stop)
        with Rung(Guard):
            with branch(Start):
                call("work")
            out(Warm)
        with subroutine("work"):
            with Rung(~Stop):
                copy(Target, table[Speed])
            with Rung(), forloop(2) as loop:
                calc(Elapsed + loop.idx, Elapsed)
    plc = PLC(program)
    plc.patch({Start: True, Guard: True, Target: 5, Speed: 3})
    plc.run(3)
    ready = plc.why(Ready)
    assert (ready.scan_id, contacts(ready)) == (3, {"Start": (True, False)})
    behind_the_call = plc.why(Warm)
    assert behind_the_call.site is not None
    assert (behind_the_call.site.section, behind_the_call.site.rung) == ("", 1)
    assert contacts(behind_the_call) == {"Guard": (True, True)}
    copied = plc.why(table[3])
    assert copied.site is not None
    assert (copied.site.section, copied.site.rung) == ("work", 0)
    assert {each.tag: each.role for each in copied.contacts} == {
        "Guard": "condition", "Start": "condition", "Stop": "condition", "Target": "operand", "Speed": "operand",
    }  # fmt: skip
    assert {each.tag for each in plc.why(Elapsed).contacts} == {"Guard", "Start", "Elapsed", "_forloop_idx"}
    plc.patch({Stop: True})
    plc.step()
    cleared = plc.why(Count)
    assert ("Stop", "reset") in {(each.tag, each.role) for each in cleared.contacts}
    assert below(cleared, "Stop").kind == "patch"


def test_a_contact_that_an_earlier_rung_wrote_in_the_scan_is_that_rungs() -> None:
    with Program() as program:
        with Rung(Start):
            out(Motor)
        with Rung(Motor):
            out(Lamp)
        with Rung(Stop):
            reset(Motor)
    plc = PLC(program)
    plc.patch({Start: True, Stop: True})
    plc.step()
    cause = plc.why(Lamp)
    assert contacts(cause) == {"Motor": (True, True)}
    motor = below(cause, "Motor")
    assert motor.site is not None and motor.site.rung == 0
    assert plc.why(Motor).kind == "start", "it ended as it began"


def test_system_points_are_the_runners() -> None:
    with Program() as program, Rung(system.sys.clock_100ms):
        out(Lamp)
    plc = PLC(program, dt=0.05)
    plc.run(2)
    cause = below(plc.why(Lamp), "sys.clock_100ms")
    assert (cause.kind, cause.value) == ("system", True)


def test_what_the_history_no_longer_has_is_said() -> None:
    plc = PLC(motor(), history=5)
    plc.patch({Start: True, Guard: True})
    plc.run(30)
    cause = plc.why(Motor)
    assert (cause.kind, cause.scan_id, cause.value) == ("forgotten", 26, True)
    assert "unchanged since the oldest retained scan" in cause.text
    with pytest.raises(KeyError):
        plc.why(Motor, scan_id=3)
    with pytest.raises(KeyError):
        plc.why("Nothing")
    with pytest.raises(ValueError, match="deep"):
        plc.why(Motor, depth=0)


def test_a_function_that_answers_otherwise_is_said() -> None:
    answers = iter([1, 2, 3, 4, 5, 6])
    with Program() as program, Rung():
        run_function(lambda: {"n": next(answers)}, outs={"n": Speed})
    plc = PLC(program)
    plc.run(2)
    cause = plc.why(Speed)
    assert cause.kind in ("rung", "unclear")
    assert cause.value in (2, 3)


def test_the_tree_is_bounded() -> None:
    bits = [Bool(f"B{n}") for n in range(30)]
    with Program(strict=False) as program:
        for before, after in pairwise(bits):
            with Rung(before):
                out(after)
    plc = PLC(program)
    plc.patch({"B0": True})
    plc.step()
    assert sum(1 for _ in plc.why("B29", depth=5).walk()) == 5
    assert sum(1 for _ in plc.why("B29", depth=100).walk()) == 30


def test_each_cause_is_told_once() -> None:
    plc = started(10)
    kinds = [(each.tag, each.scan_id) for each in plc.why(Alarm).walk() if each.kind == "rung"]
    assert len(kinds) == len(set(kinds))


def test_the_text_and_the_data_say_the_same() -> None:
    plc = started(3)
    cause = plc.why(Lamp)
    lines = cause.text.splitlines()
    assert lines[0] == "Lamp became True in scan 6 (0.06 s), was False"
    assert lines[1].startswith("  by main rung 2 (test_why.py:")
    assert lines[2] == "  set off by Warm = True (condition Warm)"
    assert lines[3] == "    Warm became True in scan 6 (0.06 s), was False"
    assert "Start became True in scan 4 (0.04 s), was False: patched" in cause.text
    data = json.loads(json.dumps(cause.as_dict()))
    assert data["contacts"][0]["cause"]["tag"] == "Warm"
    assert str(cause) == cause.text


def test_asking_changes_nothing() -> None:
    plc, other = started(5), started(5)
    plc.set_rtc(other.points.rtc)
    plc.why(Alarm)
    assert plc.step().tags == other.step().tags
    assert PLCRunner(motor()).why("Motor").kind == "start"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["Start", "Stop", "Guard"]), st.booleans()), min_size=1, max_size=20))
def test_every_change_has_a_cause_in_its_scan(history: list[dict[str, bool]]) -> None:
    plc = PLC(motor(), dt=0.01, checkpoint_interval=3)
    for values in history:
        plc.patch(values)
        plc.step()
    for tag in ("Motor", "Lamp", "Late", "Alarm", "Speed", "Elapsed"):
        for scan in range(1, len(history) + 1):
            cause = plc.why(tag, scan_id=scan)
            assert cause.value == plc.history.at(scan).tags[tag]
            if cause.kind == "rung":
                assert plc.history.at(cause.scan_id - 1).tags[tag] != cause.value
                assert cause.contacts
            else:
                assert cause.kind == "start"
