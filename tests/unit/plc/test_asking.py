# SPDX-License-Identifier: Apache-2.0
"""What people type into the debugger: conditions, values, console lines, hit counts; and messages that come in."""

from __future__ import annotations

import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.plc import PLC, Bool, Char, Dint, Int, Program, Real, Rung, Word, calc, copy, out, rise
from pilotlight.plc.debugger.asking import LONGEST, AskingError, Question, value_of
from pilotlight.plc.debugger.breakpoints import hit_rule, nearest
from pilotlight.plc.debugger.console import amount, changed, pairs, verb
from pilotlight.plc.debugger.protocol import LONGEST_BODY, Malformed, ProtocolError, Request, encoded, read_message
from pilotlight.plc.debugger.target import Target
from pilotlight.tags import Type, Value

A, B, C = Bool("A"), Bool("B"), Bool("C")
N, M, W, R, T, Nested = Int("N"), Dint("M"), Word("W"), Real("R"), Char("T"), Int("Line1.Count")


def logic() -> Program:
    with Program() as program:
        with Rung(rise(A), B):
            out(C)
        with Rung():
            calc(N + M, M)
            copy(W, Nested)
            copy(R, R)
            copy(T, T)
    return program


@pytest.fixture
def plc() -> PLC:
    plc = PLC(logic(), dt=0.3)
    plc.patch({A: True, N: 7, W: 12, R: 2.5, T: "x"})
    plc.step()
    return plc


def asked(plc: PLC, text: str) -> Value:
    newest = plc.history.newest_scan_id
    return Question(plc.names, text).value(plc._cells, plc.history.image(max(newest - 1, 0)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A", True), ("N", 7), ("R", 2.5), ("T", "x"), ("Line1.Count", 12), (" M ", 7), ("5", 5),
        ("A & ~B", True), ("A and not B", True), ("not A or B", False), ("~A | B", False), ("any_of(B, A)", True),
        ("all_of(A, B)", False), ("And(A, Or(A, B))", True), ("rise(A)", True), ("fall(A)", False), ("rise(C)", False),
        ("N > 5", True), ("5 < N <= 7", True), ("5 < N < 7", False), ("N == 7 and A", True), ("N != M", False),
        ("T == 'x'", True), ("N + 1", 8), ("N * 2 - M", 7), ("N / 2", 3.5), ("N // 2", 3), ("-N", -7), ("N % 4", 3),
        ("N << 1", 14), ("W & 4", 4), ("sqrt(N + 2)", 3.0), ("abs(0 - N)", 7), ("R * 2 >= 5.0", True),
    ],
)  # fmt: skip
def test_conditions_and_expressions_in_the_languages_words(plc: PLC, text: str, value: Value) -> None:
    found = asked(plc, text)
    assert (found, type(found)) == (value, type(value))


def test_edges_are_those_since_the_scan_before() -> None:
    target = Target(logic(), 0.01)
    rising, falling = target.ask("rise(A)"), target.ask("fall(A)")
    seen = []
    for value in (True, True, False, False):
        target.stepper.patch({"A": value})
        target.stepper.scan()
        seen.append((target.value(rising), target.value(falling)))
    assert seen == [(True, False), (False, False), (False, True), (False, False)]
    target.stepper.patch({"A": True})
    target.stepper.forward()
    assert (target.value(rising), target.value(falling)) == (True, False)
    target.stepper.go_to(3)
    assert (target.value(rising), target.value(falling)) == (False, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no condition"), ("A &", "no condition"), ("x = 1", "no condition"), ("Missing", "no tag 'Missing'"),
        ("A.B", "no tag 'A.B'"), ("N[3]", "no tag 'N3'"), ("open('x')", "nothing that can be asked"),
        ("(lambda: 1)()", "nothing that can be asked"), ("[A for A in B]", "nothing"), ("A if B else C", "nothing"),
        ("().__class__", "no name of a tag"), ("2 ** 99", "operator needs a tag"), ("1 < 2", "comparison needs a tag"),
        ("9" * 30, "nothing"), ("A" * (LONGEST + 1), "characters"), ("~" * 900 + "A", ""), ("N >", "no condition"),
        ("N // B", "cannot be computed"), ("'long'", ""), ("rise(N, M)", ""), ("rise(5)", ""), ("#previous:A", ""),
        ("sqrt(0 - N)", "cannot be computed"),
    ],
)  # fmt: skip
def test_text_that_asks_for_nothing(plc: PLC, text: str, why: str) -> None:
    before = list(plc._cells)
    if why or text.startswith(("'", "rise", "#")):
        with pytest.raises(AskingError) as error:
            asked(plc, text)
        assert why in str(error.value)
    else:
        assert asked(plc, text) in (True, False)
    assert plc._cells == before


@given(st.text(max_size=40))
def test_no_text_does_anything_else_than_ask(text: str) -> None:
    plc = PLC(logic())
    with suppress(AskingError):
        asked(plc, text)
    assert plc.step().tags["N"] == 0


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Type.BOOL, "True", True), (Type.BOOL, "off", False), (Type.INT, " 0x10 ", 16), (Type.DINT, "-5", -5),
        (Type.REAL, "2", 2.0), (Type.REAL, "1e3", 1000.0), (Type.CHAR, "'x'", "x"), (Type.CHAR, "x", "x"),
    ],
)  # fmt: skip
def test_values_that_are_typed(kind: Type, text: str, value: Value) -> None:
    assert value_of(kind, text) == value


@pytest.mark.parametrize(("kind", "text"), [(Type.BOOL, "2"), (Type.INT, "1.5"), (Type.REAL, "much"), (Type.INT, "")])
def test_values_that_are_none(kind: Type, text: str) -> None:
    with pytest.raises(AskingError):
        value_of(kind, text)


def test_lines_of_the_console() -> None:
    assert [verb(line) for line in ("force A true", " why A", "A & B", "", "forced")] == ["force", "why", "", "", ""]
    assert pairs("A=1  B = 'x y' C.D=0x10", single=False) == [("A", "1"), ("B", "'x y'"), ("C.D", "0x10")]
    assert pairs("A true", single=True) == [("A", "true")]
    for line in ("", "A", "A=1 rest", "A="):
        with pytest.raises(AskingError):
            pairs(line, single=False)
    with pytest.raises(AskingError):
        pairs("A=1 B=2", single=True)
    assert (amount("step"), amount("step 5"), amount("run 0.5")[1]) == ((1, 0), (5, 0), 500_000_000)
    for line in ("step 0", "step x", "run", "run -1", "run nan", "step 99999999999"):
        with pytest.raises(AskingError):
            amount(line)


def test_forces_and_patches_of_the_console() -> None:
    target = Target(logic(), 0.01)
    assert changed(target, "forces") == "nothing is forced"
    assert changed(target, "force A true") == "A forced: True"
    assert changed(target, "patch N=3 B=on") == "N patched: 3\nB patched: True"
    target.stepper.scan()
    assert (target.plc.current_state.tags["C"], target.plc.current_state.tags["M"]) == (True, 3)
    assert changed(target, "forces") == "A = True"
    assert target.value(target.ask("sys.scan_counter + 1")) == 2
    assert changed(target, "unforce all") == "let go: A"
    for line in ("unforce A", "force N 99999", "force Missing 1", "patch N=x", "force sys.first_scan true"):
        with pytest.raises(AskingError):
            changed(target, line)
    assert not target.plc.forces


def test_a_long_session_keeps_no_traces() -> None:
    target = Target(logic(), 0.01)
    for _ in range(5):
        while target.stepper.forward() is not None:
            pass
    assert target.plc.current_state.scan_id == 5
    assert len(target.plc._traces) == 0


@pytest.mark.parametrize(
    ("rule", "hits"),
    [("3", [3, 6]), ("%2", [2, 4, 6]), ("== 3", [3]), (">= 5", [5, 6]), ("> 5", [6]), ("<2", [1]), ("<= 2", [1, 2])],
)
def test_counts_of_hits(rule: str, hits: list[int]) -> None:
    wanted = hit_rule(rule)
    assert [count for count in range(1, 7) if wanted(count)] == hits


@pytest.mark.parametrize("rule", ["", "0", "% 0", "x", "-1", "3 4", "9999999999"])
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(AskingError):
        hit_rule(rule)


def test_the_nearest_line() -> None:
    lines = [(10, 12), (12, 12), (20, 25), (25, 25)]
    assert [nearest(lines, line) for line in (1, 10, 11, 12, 13, 22, 25, 26)] == [10, 10, 10, 12, 20, 20, 25, None]


def test_messages_come_out_as_they_went_in() -> None:
    stream = io.BytesIO(encoded({"seq": 1, "type": "request", "command": "x", "arguments": {"ü": [1, None]}}) * 2)
    for _ in range(2):
        assert read_message(stream) == Request(1, "x", arguments={"ü": [1, None]})
    assert read_message(stream) is None


BODIES = [b"", b"[]", b"{", b'{"seq":1,"type":"event","command":"x"}', b"\xff\xfe", b"[" * 5000]


@pytest.mark.parametrize("body", BODIES)
def test_a_message_that_is_no_request_is_skipped(body: bytes) -> None:
    stream = io.BytesIO(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) + encoded({"seq": 2, "command": "x"}))
    assert isinstance(read_message(stream), Malformed)
    assert read_message(stream) == Request(2, "x")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n", b"Content-Length: -1\r\n\r\n", b"Content-Length: x\r\n\r\n", b"x" * 5000, b"A: b\r\n" * 50,
        b"Content-Length: %d\r\n\r\n" % (LONGEST_BODY + 1), b"Content-Length: 1\xb2\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(data))


def test_a_message_that_is_cut_off_is_the_end() -> None:
    whole = encoded({"seq": 1, "command": "x"})
    assert all(read_message(io.BytesIO(whole[:length])) is None for length in range(len(whole)))
    assert json.loads(whole.partition(b"\r\n\r\n")[2]) == {"seq": 1, "command": "x"}
