# SPDX-License-Identifier: Apache-2.0
"""Tags, blocks, structures and programs: what they are, and what they refuse."""

from __future__ import annotations

import threading
import warnings

import pytest
from pilotlight.plc import (
    Block,
    Bool,
    Char,
    Dint,
    Field,
    ForbiddenControlFlowError,
    InputBlock,
    Int,
    OutputBlock,
    Program,
    Real,
    Rung,
    TagType,
    Word,
    any_of,
    auto,
    branch,
    call,
    comment,
    copy,
    immediate,
    ir,
    latch,
    named_array,
    normalize_unit,
    out,
    program,
    reset,
    return_early,
    rung,
    subroutine,
    system,
    udt,
)

from tests.unit.plc.scanning import Machine

A, B, N = Bool("A"), Bool("B"), Int("N")


def test_tags_have_types_defaults_and_retention() -> None:
    tags = Bool("b"), Int("i"), Dint("d"), Real("r"), Word("w"), Char("c")
    assert [tag.default for tag in tags] == [False, 0, 0, 0.0, 0, ""]
    assert [tag.retentive for tag in tags] == [False, True, True, True, True, True]
    assert Bool("x", retentive=True).retentive


def test_a_tag_takes_the_name_of_its_variable() -> None:
    motor = Bool()
    speed = Int(default=5)
    assert (motor.name, speed.name, speed.default) == ("motor", "speed", 5)
    with pytest.raises(TypeError, match="no name"):
        print(Bool())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Int("x", default=40000), lambda: Int("x", default=3.5), lambda: Char("x", default="€"),
        lambda: Bool("x", default=2), lambda: Real("x", default=1e40), lambda: Int(""), lambda: Int("a b"),
        lambda: Word("x", default=-1), lambda: Block("B", TagType.INT, 5, 4), lambda: Block("B", TagType.INT, -1, 4),
        lambda: Block("B", TagType.STRING, 1, 4), lambda: Block("B", TagType.INT, 1, 4, valid_ranges=[(3, 9)]),
        lambda: udt(count=0)(type("S", (), {"__annotations__": {"x": int}})),
        lambda: udt()(type("S", (), {"__annotations__": {"count": int}})), lambda: udt()(type("S", (), {})),
        lambda: normalize_unit("weeks"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()


def test_tags_have_no_truth_and_no_value_outside_a_runner() -> None:
    with pytest.raises(TypeError, match="no truth"):
        bool(A)
    with pytest.raises(TypeError, match="no truth"):
        bool(N == 3)
    with pytest.raises(RuntimeError, match="active runner"):
        _ = A.value


def test_blocks() -> None:
    ds = Block("DS", TagType.INT, 1, 100, valid_ranges=[(1, 10), (21, 30)])
    assert ds[3] is ds[3]
    assert (ds[3].name, len(ds), ds[3].retentive) == ("DS3", 20, False)
    for address in (0, 11, 101):
        with pytest.raises(IndexError):
            _ = ds[address]
    with pytest.raises(TypeError):
        _ = ds[1:3]
    assert ds.select(8, 22).addresses == (8, 9, 10, 21, 22)
    assert [tag.name for tag in ds.select(1, 2).reverse()] == ["DS2", "DS1"]
    with pytest.raises(ValueError, match="above"):
        ds.select(5, 4)
    named = Block("X", TagType.BOOL, 1, 8, address_formatter=lambda name, at: f"{name}{at:03}")
    assert named[1].name == "X001"


def test_slots_are_configured_before_use() -> None:
    ds = Block("DS", TagType.INT, 1, 10)
    view = ds.slot(2, name="Speed", default=7, retentive=True, comment="rpm")
    assert (ds[2].name, ds[2].default, ds[2].retentive, ds[2].comment) == ("Speed", 7, True, "rpm")
    assert view.name_overridden and view.default_overridden and not ds.slot(3).default_overridden
    with pytest.raises(ValueError, match="in use"):
        ds.slot(2, default=1)
    several = ds.slot(4, 6, default=9)
    several.reset()
    assert ds[5].default == 0


def test_inputs_and_outputs() -> None:
    x, y = InputBlock("X", TagType.BOOL, 1, 4), OutputBlock("Y", TagType.INT, 1, 4)
    with Program() as logic, Rung(x[1].immediate, immediate(x[2])):
        out(immediate(Bool("Z")))
        copy(5, y[1].immediate)
    machine = Machine(logic).scan(X1=True, X2=True)
    assert (machine["Z"], machine["Y1"], y[1].retentive) == (True, 5, False)


def test_structures() -> None:
    @udt()
    class Motor:
        Running: Bool
        Speed: Int = 5
        Load: float = Field(default=1.5, retentive=False)

    @udt(count=3)
    class Pump:
        Number: Int = auto(start=10, step=5)
        Name: str

    assert (Motor.Running.name, Motor.Speed.default, Motor.Load.retentive) == ("Motor_Running", 5, False)
    assert [Pump[i].Number.default for i in (1, 2, 3)] == [10, 15, 20]
    assert (Pump[2].Name.name, Pump.field_names, Pump.count) == ("Pump2_Name", ("Number", "Name"), 3)
    other = Motor.clone("Fan")
    assert other.Speed.name == "Fan_Speed"
    for wrong in (lambda: Motor.Torque, lambda: Pump[4], lambda: Pump[0]):
        with pytest.raises((AttributeError, IndexError)):
            wrong()


def test_named_arrays_interleave() -> None:
    @named_array(Int, count=3, stride=3)
    class Recipe:
        temperature = 20
        time = auto()

    assert [tag.name for tag in Recipe.instance(2)] == ["Recipe2_temperature", "Recipe2_time"]
    assert list(Recipe.instance(2).addresses) == [4, 5, 6]
    assert [Recipe[i].time.default for i in (1, 2, 3)] == [1, 2, 3]
    assert Recipe.instance_select(1, 2).addresses == range(1, 7)
    assert Recipe.hardware_span(100) == (100, 108)


@pytest.mark.parametrize(
    "condition", [5, "A", None, Real("r"), Char("c"), Word("w"), N + 1, (A, B), [A]], ids=repr
)
def test_conditions_are_refused_by_type(condition: object) -> None:
    with pytest.raises(TypeError), Program(strict=False), Rung(condition):
        out(B)
    with pytest.raises(TypeError):
        any_of(condition, A)


def test_joining_conditions_by_python_is_refused() -> None:
    with pytest.raises(TypeError, match="compares text"), Program(strict=False), Rung(Char("c") == 5):
        out(B)
    with pytest.raises(TypeError, match="integers"), Program(strict=False), Rung((Real("r") << 1) == 5):
        out(B)


def outside() -> None:
    out(A)


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (outside, "outside a rung"),
        (lambda: Rung(A).continued().__enter__(), "continues nothing"),
        (return_early, "outside a subroutine"),
        (lambda: comment("x" * 1401), "1401"),
        (lambda: Program().__enter__(), "inside a program"),
    ],
)
def test_what_stands_in_the_wrong_place(write: object, why: str) -> None:
    with pytest.raises((RuntimeError, ValueError), match=why), Program(strict=False):
        write()


def test_instructions_outside_a_program() -> None:
    with pytest.raises(RuntimeError, match="outside a program"):
        out(A)


def test_a_rung_in_a_rung_and_a_branch_without_a_rung() -> None:
    with pytest.raises(RuntimeError, match="branch"), Program(), Rung(), Rung():
        out(A)
    with pytest.raises(RuntimeError, match="outside a rung"), Program(), branch(A):
        out(A)


def test_two_tags_of_one_name() -> None:
    with pytest.raises(ValueError, match="differ"), Program(), Rung(Int("A")):
        latch(A)


@pytest.mark.parametrize("write", [out, latch, reset])
def test_system_points_are_read_only(write: object) -> None:
    with pytest.raises(ValueError, match="read-only"), Program(strict=False), Rung():
        write(system.sys.first_scan)


def test_an_unknown_subroutine() -> None:
    with pytest.raises(KeyError, match="nowhere"), Program(), Rung():
        call("nowhere")


def test_subroutines_that_call_each_other() -> None:
    with pytest.raises(ir.IRError, match="without an end"), Program():
        with Rung():
            call("a")
        with subroutine("a"), Rung():
            call("a")


def test_the_strict_form() -> None:
    with pytest.raises(ForbiddenControlFlowError, match=r"test_language.py:\d+: If .*Rung"), Program():
        if A is not None:
            pass
    with pytest.raises(ForbiddenControlFlowError, match="any_of"):

        @program
        def logic() -> None:
            with Rung(A and B):
                out(A)

    with pytest.raises(ForbiddenControlFlowError, match="~tag"), Program(), Rung(not N):
        out(A)


def test_the_strict_form_without_source() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        exec(compile("with Program() as p:\n  pass", "<nowhere>", "exec"), {"Program": Program})
    assert [warning.category for warning in seen] == [RuntimeWarning]


def test_programs_as_functions_comments_and_lines() -> None:
    @program(strict=False)
    def logic() -> None:
        """A program."""
        comment("Seal-in")
        for tag in (A, B):
            with rung(N > 1):
                out(tag)

    first, second = logic.ir.rungs
    assert (first.comment, second.comment, first.file) == ("Seal-in", "", __file__)
    assert 0 < first.line < first.last_line
    assert set(logic.tags) == {"A", "B", "N"}


def test_dialects() -> None:
    Program.register_dialect("upper", lambda given, mode: (given, mode))
    logic = Program()
    assert logic.validate("upper", mode="strict") == (logic, "strict")
    assert "upper" in Program.registered_dialects()
    with pytest.raises(KeyError, match="no dialect"):
        logic.validate("lower")


def test_threads_write_programs_without_meeting() -> None:
    made: list[ir.Program] = []
    meet = threading.Barrier(4)

    def write(name: str) -> None:
        with Program(strict=False) as logic:
            meet.wait(10)
            with Rung():
                meet.wait(10)
                out(Bool(name))
        made.append(logic.ir)

    threads = [threading.Thread(target=write, args=(f"T{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert sorted(logic.cells[3].name for logic in made) == ["T0", "T1", "T2", "T3"]
    assert all(len(logic.cells) == 4 for logic in made)


def test_the_same_text_gives_the_same_ir() -> None:
    def make() -> bytes:
        with Program() as logic, Rung(A):
            out(B, oneshot=True)
        return ir.to_json(logic.ir)

    assert make() == make()
