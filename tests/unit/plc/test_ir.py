# SPDX-License-Identifier: Apache-2.0
"""The IR: its JSON, its text, and the check that guards the engines."""

from __future__ import annotations

import msgspec
import pytest
from pilotlight.plc import ir
from pilotlight.tags import Type

FAULTS = tuple(ir.Cell(name, Type.BOOL) for name in ir.TRANSIENT_FAULTS)
BUTTON, LAMP, LEVEL, TEMPERATURE, WORDS = 3, 4, 5, 6, 7
CELLS = (
    *FAULTS,
    ir.Cell("Button", Type.BOOL),
    ir.Cell("Lamp", Type.BOOL),
    ir.Cell("Level", Type.INT, 5, retentive=True),
    ir.Cell("Temperature", Type.REAL, 0.0),
    ir.Cell("DS1", Type.INT),
)
TABLE = ir.Table("DS", Type.INT, 1, (WORDS,))
LAMPS = ir.Range(Type.BOOL, (LAMP,), (LAMP,))


def program(*steps: ir.Instruction, condition: ir.Condition = ir.ALWAYS, **more: object) -> ir.Program:
    rung = ir.Rung((ir.Power(condition),), steps, comment="the only one")
    return msgspec.structs.replace(ir.Program(CELLS, (rung,), (TABLE,)), **more)


SAMPLE = program(
    ir.Out(enable=0, targets=LAMPS),
    ir.Loop(enable=0, count=ir.Constant(3), index=8, body=(ir.Calculate(
        enable=0, source=ir.Apply("add", (ir.At(0, ir.Load(LEVEL)), ir.Constant(1))), target=ir.Load(LEVEL)),)),
    condition=ir.All((ir.Truth(ir.Load(BUTTON)), ir.Not(ir.Truth(ir.Load(LAMP))),
                      ir.Compare(">", ir.Load(TEMPERATURE), ir.Constant(1.5)))),
    cells=(*CELLS, ir.Cell("_forloop_idx", Type.DINT)),
)  # fmt: skip


def test_json_round_trip() -> None:
    assert ir.from_json(ir.to_json(SAMPLE)) == SAMPLE
    assert ir.to_json(ir.from_json(ir.to_json(SAMPLE))) == ir.to_json(SAMPLE)


def test_text_names_tags_and_powers() -> None:
    text = ir.program_text(SAMPLE)
    assert "p0 = Button and ~Lamp and Temperature > 1.5" in text
    assert "p0: out(targets=Lamp)" in text
    assert "p0: calculate(source=(DS[Level] + 1), target=Level)" in text
    assert "cell Level INT = 5 retentive" in text


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (program(version=99), "version 99"),
        (program(cells=CELLS[1:]), "transient faults"),
        (program(cells=(*CELLS, CELLS[4])), "same name"),
        (program(cells=(*CELLS, ir.Cell("X", Type.INT, 40000))), "is no INT"),
        (program(cells=(*CELLS, ir.Cell("X", Type.STRING))), "cannot be STRING"),
        (program(ir.Out(enable=1, targets=LAMPS)), "power 1"),
        (program(ir.Timer(enable=0, done=LAMP, elapsed=LEVEL, preset=ir.Constant(1), unit_ns=0, fraction_memory=8),
                 cells=(*CELLS, ir.Cell("#1", Type.LINT, internal=True))), "at least 1 ns"),
        (program(ir.Pack(enable=0, source=LAMPS, target=ir.Load(BUTTON), width=1)), "BOOL has no parts of type BOOL"),
        (program(ir.Pack(enable=0, source=LAMPS, target=ir.Load(LEVEL), width=7)), "1 or 16 bits"),
        (program(ir.Unpack(enable=0, source=ir.Load(LEVEL), targets=LAMPS, width=16)), "INT has no parts of type BOOL"),
        (program(ir.Parse(enable=0, source=LAMPS, target=ir.Load(LAMP))), "not read into BOOL"),
        (program(ir.Search(enable=0, source=ir.Range(Type.BOOL, (LAMP,), (40000,)), operator="==",
                           value=ir.Constant(1), text=(), result=LEVEL, found=LAMP)), "do not fit Level"),
        (program(ir.Out(enable=0, targets=ir.Range(Type.BOOL, (99,), (0,)))), "slot 99"),
        (program(ir.Out(enable=0, targets=ir.Range(Type.BOOL, (LEVEL,), (0,)))), "Level is INT"),
        (program(ir.Move(enable=0, source=ir.Load(-1), target=ir.Load(LEVEL))), "slot -1"),
        (program(ir.Move(enable=0, source=ir.Constant(1 << 63), target=ir.Load(LEVEL))), "64 bits"),
        (program(ir.Move(enable=0, source=ir.At(4, ir.Constant(1)), target=ir.Load(LEVEL))), "no table 4"),
        (program(ir.Move(enable=0, source=ir.Apply("and", (ir.Constant(1.0), ir.Constant(1))),
                         target=ir.Load(LEVEL))), "takes integers"),
        (program(ir.Move(enable=0, source=ir.Apply("add", (ir.Constant(1),)), target=ir.Load(LEVEL))), "2 operands"),
        (program(ir.Move(enable=0, source=ir.Apply("drop", ()), target=ir.Load(LEVEL))), "no operator"),
        (program(ir.Call(enable=0, subroutine=0)), "no subroutine"),
        (program(ir.Return(enable=0)), "only a subroutine"),
        (program(condition=ir.Compare("~", ir.Constant(1), ir.Constant(1))), "no comparison"),
    ],
)  # fmt: skip
def test_check_refuses(wrong: ir.Program, why: str) -> None:
    with pytest.raises(ir.IRError, match=why):
        ir.check(wrong)
    with pytest.raises(ir.IRError):
        ir.from_json(ir.to_json(wrong))


TIMES = (
    ir.Cell("#wait", Type.LINT, internal=True), ir.Cell("#since", Type.LINT, internal=True),
    ir.Cell("#due", Type.BOOL, internal=True), ir.Cell("#before", Type.BOOL, internal=True),
)  # fmt: skip
LATCH = ir.Rung((ir.Power(ir.Rise(BUTTON, 11)),), (ir.Latch(enable=0, targets=LAMPS),))
SLOW = ir.Task("slow", 20_000_000, (LATCH,), 8, 9, 10, 7, (ir.Edge(BUTTON, 11),))


def tasks(*more: ir.Task, **changes: object) -> ir.Program:
    """A program with the task `slow`, changed, and more tasks."""
    slow = msgspec.structs.replace(SLOW, **changes)
    return program(cells=(*CELLS, *TIMES), tasks=(slow, *more))


def test_a_program_with_a_task_goes_to_json_and_back() -> None:
    assert ir.from_json(ir.to_json(tasks())) == tasks()
    assert ir.sections(tasks()) == {"": tasks().rungs, "slow": (LATCH,)}
    assert ir.program_text(tasks()).splitlines()[-4:] == [
        "task slow, every 20 ms, priority 7:", "  rung 0", "    p0 = rise(Button)", "    p0: latch(targets=Lamp)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (tasks(name="main"), "cannot be named 'main'"),
        (tasks(name=""), "cannot be named ''"),
        (tasks(SLOW), "cannot be named 'slow'"),
        (msgspec.structs.replace(tasks(), subroutines=(ir.Subroutine("slow", ()),)), "names of their own"),
        (program(subroutines=(ir.Subroutine("", ()),)), "subroutine cannot be named ''"),
        (program(subroutines=(ir.Subroutine("twice", ()),) * 2), "subroutine cannot be named 'twice'"),
        (tasks(*(msgspec.structs.replace(SLOW, name=f"t{number}") for number in range(64))), "65 tasks"),
        (tasks(period_ns=0), "task slow: a period of 0 ns"),
        (tasks(period_ns=8_640_000_000_000_001), "at most a hundred days"),
        (tasks(priority=256), "priority 256"),
        (tasks(priority=-1), "priority -1"),
        (tasks(wait_memory=99), "slot 99"),
        (tasks(since_memory=-1), "slot -1"),
        (tasks(wait_memory=LEVEL), "Level is INT"),
        (tasks(due_memory=8), "#wait is LINT"),
        (tasks(due_memory=LAMP), "Lamp is a tag"),
        (tasks(edges=(ir.Edge(BUTTON, 8),)), "#wait is LINT"),
        (tasks(edges=(ir.Edge(77, 11),)), "slot 77"),
        (tasks(rungs=(ir.Rung((ir.Power(ir.ALWAYS),), (ir.Return(enable=0),)),)), "slow, rung 0: only a subroutine"),
        (tasks(rungs=(ir.Rung((ir.Power(ir.ALWAYS),), (ir.Out(enable=3, targets=LAMPS),)),)), "rung 0: Out: power 3"),
    ],
)  # fmt: skip
def test_check_refuses_tasks(wrong: ir.Program, why: str) -> None:
    ir.check(tasks())
    with pytest.raises(ir.IRError, match=why):
        ir.check(wrong)
    with pytest.raises(ir.IRError):
        ir.from_json(ir.to_json(wrong))


def test_the_running_order_is_stable() -> None:
    named = [msgspec.structs.replace(SLOW, name=str(p), priority=p) for p in (100, 0, 101, 99)]
    order = ir.running_order(program(cells=(*CELLS, *TIMES), tasks=tuple(named)))
    assert [None if task is None else task.name for task in order] == ["0", "99", None, "100", "101"]


def test_a_document_of_version_1_is_refused() -> None:
    old = ir.to_json(SAMPLE).replace(b'"tasks":[],', b"").replace(b'"version":2', b'"version":1')
    with pytest.raises(ir.IRError, match="IR version 1; this is version 2: build it again"):
        ir.from_json(old)


def test_check_refuses_calls_without_an_end() -> None:
    back = ir.Rung((ir.Power(ir.ALWAYS),), (ir.Call(enable=0, subroutine=0),))
    with pytest.raises(ir.IRError, match="without an end: again"):
        ir.check(program(subroutines=(ir.Subroutine("again", (back,)),)))


@pytest.mark.parametrize("document", [b"", b"{}", b"[1]", b'{"cells":[],"rungs":[{}]}', b"[" * 100000])
def test_what_is_no_program_is_refused(document: bytes) -> None:
    with pytest.raises(ir.IRError):
        ir.from_json(document)


def test_deep_conditions_are_refused() -> None:
    condition: ir.Condition = ir.ALWAYS
    for _ in range(200):
        condition = ir.Not(condition)
    with pytest.raises(ir.IRError, match="levels"):
        ir.check(program(condition=condition))


def test_kinds_and_bits() -> None:
    total = ir.Apply("multiply", (ir.Load(LEVEL), ir.Load(LEVEL)))
    assert ir.kind_of(total, CELLS, ()) == "integer"
    assert ir.bits_of(total, CELLS, ()) == 32
    assert ir.kind_of(ir.Apply("add", (total, ir.Load(TEMPERATURE))), CELLS, ()) == "float"
    assert ir.kind_of(ir.Apply("divide", (total, total)), CELLS, ()) == "float"


def test_networks_group_continued_rungs() -> None:
    first = ir.Rung((ir.Power(ir.ALWAYS),), ())
    more = ir.Rung((ir.Power(ir.ALWAYS),), (), continued=True)
    assert ir.networks((first, more, more, first)) == ((first, more, more), (first,))
