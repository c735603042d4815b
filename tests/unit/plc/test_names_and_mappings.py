# SPDX-License-Identifier: Apache-2.0
"""Tags as keys, refused forms of the language, named arrays on hardware."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pilotlight.plc import (
    PLC,
    Block,
    Bool,
    Dint,
    Field,
    Int,
    PLCRunner,
    Program,
    Rung,
    Tag,
    TagType,
    any_of,
    auto,
    branch,
    call,
    comment,
    count_up,
    immediate,
    named_array,
    out,
    run_enabled_function,
    run_function,
    shift,
    subroutine,
    udt,
)

A, B, X, N = Bool("A"), Bool("B"), Bool("X"), Int("N")


def test_tags_are_keys() -> None:
    assert {A: 1, Bool("A"): 2} == {A: 2}
    assert A in [X, A] and A not in [X, B]
    with pytest.raises(TypeError, match="truth"):
        bool(A == True)  # noqa: E712
    with pytest.raises(TypeError, match="truth"):
        bool(N > N)


def test_tags_do_not_change() -> None:
    tag = Tag("T")
    assert tag.type is TagType.BOOL
    for what in ("name", "default", "retentive", "comment"):
        with pytest.raises(AttributeError, match="does not change"):
            setattr(tag, what, "x")


def test_a_condition_compared_is_a_forgotten_parenthesis() -> None:
    with pytest.raises(TypeError, match="parentheses"):
        _ = any_of(A, B) == 3
    assert any_of(A, B) != any_of(A, B)


def test_immediate_says_of_what() -> None:
    assert immediate(A).tag is A
    assert immediate(A).value is A


def test_refused_forms() -> None:
    with Program(strict=False), Rung(A):
        count_up(X, Dint("C"), preset=3).reset(B)
        with pytest.raises(RuntimeError, match="last"):
            branch(B).__enter__()
    with Program(strict=False):
        comment("one")
        with pytest.raises(RuntimeError, match="two comments"):
            comment("two")
        for wrong in ('a"b', ""):
            with pytest.raises(ValueError, match="no name"):
                subroutine(wrong)
    with Program(strict=False), Rung(A), pytest.raises(ValueError, match="no name"):
        call('a"b')


def test_pins_are_bools_and_a_refused_instruction_is_not_there() -> None:
    done, bits = Bool("Done"), Block("Bits", TagType.BOOL, 1, 8)
    with Program(strict=False) as program, Rung(A):
        for refused in (
            lambda: count_up(done, Dint("C"), preset=1).reset(N),
            lambda: count_up(done, Dint("C"), preset=1).down(N),
            lambda: shift(bits.select(1, 3)).clock(N),
        ):
            with pytest.raises(TypeError, match="pin"):
                refused()
        out(X)
    assert [type(step).__name__ for step in program.ir.rungs[0].steps] == ["Out"]


def test_functions_take_what_they_are_given() -> None:
    with Program(strict=False), Rung(A):
        for refused in (
            lambda: run_function(lambda a: {}, ins={"a": 1, "b": 2}),
            lambda: run_function(lambda a: {}),
            lambda: run_function(lambda a: {}, ins=1),  # type: ignore[arg-type]
            lambda: run_enabled_function(lambda a: {}, ins={"a": 1}),
        ):
            with pytest.raises(TypeError):
                refused()
        run_function(dict, ins={"a": 1})
        run_enabled_function(lambda enabled, a: {}, ins={"a": 1})


def test_attributes_of_the_class_are_no_fields() -> None:
    @udt()
    class Motor:
        about: ClassVar[str] = "spinning"
        _speed: Int

    @named_array(Int, stride=2)
    class Row:
        about: ClassVar[str] = "x"
        _first = 1

    assert (Motor.field_names, Motor._speed.name) == (("_speed",), "Motor__speed")
    assert Row.field_names == ("_first",)


def test_named_arrays_on_hardware() -> None:
    @named_array(Int, count=2, stride=3)
    class Alarm:
        id = auto()
        value = Field()

    hardware = Block("HW", TagType.INT, 1, 20)
    entries = Alarm.map_to(hardware.select(11, 16))
    assert [(entry.source.name, entry.target.name) for entry in entries] == [
        ("Alarm1_id", "HW11"), ("Alarm1_value", "HW12"), ("Alarm2_id", "HW14"), ("Alarm2_value", "HW15"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="addresses"):
        Alarm.map_to(hardware.select(1, 5))
    whole = Alarm.instance_select(1, 2)
    assert (repr(whole), repr(Alarm.instance(2)), whole.start, whole.end) == (
        "Alarm.instance_select(1, 2)", "Alarm.instance(2)", 1, 6,
    )  # fmt: skip
    assert [tag.name for tag in whole.reverse()] == ["Alarm2_value", "Alarm2_id", "Alarm1_value", "Alarm1_id"]
    single = named_array(Int, count=3)(type("Single", (), {"value": 0}))
    (entry,) = single.map_to(hardware.select(1, 3))
    assert (entry.source, entry.target.end) == (single, 3)


def test_who_gives_a_command_sees_its_answer() -> None:
    runner = PLCRunner([])
    runner.patch({"rtc.new_year4": 2030, "rtc.new_month": 13, "rtc.new_day": 1, "rtc.apply_date": True})
    assert runner.step().tags["rtc.apply_date_error"] is True
    assert runner.step().tags["rtc.apply_date_error"] is False
    with pytest.raises(TypeError, match="neither"):
        runner.patch({1: True})  # type: ignore[dict-item]


def test_conditions_in_groups_stop_a_run() -> None:
    plc = PLC(Program())
    plc.patch({A: True, B: False, X: True})
    assert not plc.run_until((A, B), X, max_cycles=2)
    plc.patch({B: True})
    assert plc.run_until((A, B), X, max_cycles=2).scan_id == 3


def test_a_name_known_by_its_value_becomes_the_tag_of_that_name() -> None:
    runner = PLCRunner([])
    runner.patch({"Speed": 5, "Own": 7})
    runner.step()
    runner.patch({Dint("Speed", retentive=False): 100_000})
    assert runner.step().tags["Speed"] == 100_000
    runner.stop()
    assert runner.step().tags == {**runner.history.at(0).tags, "Speed": 0, "Own": 7}
    with pytest.raises(ValueError, match="differ"):
        runner.patch({Bool("Own"): True})
