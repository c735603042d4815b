# SPDX-License-Identifier: Apache-2.0
"""The debugger's frames, and values on their way between wire and tag."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime import debug, wire
from pilotlight.runtime.debug import handle
from pilotlight.tags import Type

IDENTITY = "c889f83232ead19f41279b0b8d192530"


class Target:
    """Variables that remember what was forced."""

    def __init__(self, *types: Type) -> None:
        self.types: Sequence[Type] = types
        self.identity = IDENTITY
        self.tick = 0x1_0000_0005
        self.reversed = False
        self.values = [bytes(2 + 126 if kind is Type.STRING else kind.size) for kind in types]
        self.forced: dict[int, bytes] = {}
        self.full = False

    def read(self, index: int) -> bytes:
        return self.forced.get(index, self.values[index])

    def force(self, index: int, value: bytes) -> bool:
        if not self.full:
            self.forced[index] = value
        return not self.full

    def unforce(self, index: int) -> bool:
        self.forced.pop(index, None)
        return not self.full


def frame(text: str) -> bytes:
    return bytes.fromhex(text)


def target() -> Target:
    return Target(Type.BOOL, Type.INT, Type.REAL, Type.TIME, Type.STRING)


def test_info_counts_the_variables() -> None:
    assert handle(frame("41"), target()) == frame("41 00 05")


def test_the_identity_comes_with_either_marker() -> None:
    for marker in ("DE AD", "AD DE"):
        assert handle(frame(f"45 {marker} 00 00"), target()) == frame("45 7E") + IDENTITY.encode()


@pytest.mark.parametrize("request_text", ["45", "45 DE", "45 12 34 00 00", "45 00 00"])
def test_another_marker_is_refused_and_changes_nothing(request_text: str) -> None:
    t = target()
    t.reversed = True
    assert handle(frame(request_text), t) == frame("45 81")
    assert t.reversed


def test_a_force_before_the_handshake_is_in_the_targets_order() -> None:
    t = target()
    assert handle(frame("42 0001 01 0002 34 12"), t) == frame("42 7E")
    assert t.forced == {1: frame("34 12")}


def test_the_editors_marker_makes_forced_numbers_big_endian() -> None:
    t = target()
    handle(frame("45 DE AD 00 00"), t)
    handle(frame("42 0001 01 0002 12 34"), t)
    handle(frame("42 0002 01 0004") + struct.pack(">f", 2.5), t)
    assert t.forced == {1: frame("34 12"), 2: struct.pack("<f", 2.5)}
    handle(frame("45 AD DE 00 00"), t)
    handle(frame("42 0001 01 0002 34 12"), t)
    assert t.forced[1] == frame("34 12")


def test_strings_are_never_reversed() -> None:
    t = target()
    handle(frame("45 DE AD 00 00"), t)
    assert handle(frame("42 0004 01 0004 03 61 62 63"), t) == frame("42 7E")
    assert t.forced[4] == b"\x03\x00abc".ljust(128, b"\0")


def test_a_time_is_forced_whole() -> None:
    t = target()
    value = struct.pack("<ii", 2, 500_000_000)
    handle(frame("45 DE AD 00 00"), t)
    assert handle(frame("42 0003 01 0008") + value[::-1], t) == frame("42 7E")
    assert t.forced[3] == struct.pack("<q", 2_500_000_000)


def test_unforce_as_the_editor_sends_it() -> None:
    t = target()
    t.force(1, b"\1\0")
    assert handle(frame("42 0001 00 0001 00"), t) == frame("42 7E")
    assert t.forced == {}


@pytest.mark.parametrize(
    "request_text",
    [
        "42",
        "42 00",
        "42 0001",
        "42 0005 01 0001 00",
        "42 0005 00 0001 00",
        "42 0001 01",
        "42 0001 01 00",
        "42 0001 01 0002",
        "42 0001 01 0002 01",
        "42 0001 01 0001 01",
        "42 0001 01 0004 01 02 03 04",
        "42 0000 01 0000",
        "42 0004 01 0000",
        "42 0004 01 0002 05 61",
        "42 0004 01 0005 01 61",
        "42 0004 01 0003 FF 61 62",
        "42 0004 01 0080" + "7F" * 128,
    ],
)
def test_a_force_that_does_not_fit_its_variable_is_refused(request_text: str) -> None:
    t = target()
    assert handle(frame(request_text), t) == frame("42 81")
    assert t.forced == {}


def test_a_full_force_table_is_told() -> None:
    t = target()
    t.full = True
    assert handle(frame("42 0000 01 0001 01"), t) == frame("42 82")
    assert handle(frame("42 0000 00 0001 00"), t) == frame("42 82")


def test_a_range_is_read_without_padding() -> None:
    t = target()
    t.values = [b"\1", b"\2\1", struct.pack("<f", 1.0), struct.pack("<q", -1_500_000_000), b"\2\0hi" + bytes(124)]
    expected = b"\1" + b"\2\1" + struct.pack("<f", 1.0) + struct.pack("<ii", -1, -500_000_000)
    assert handle(frame("43 0000 0003"), t) == frame("43 7E 0003 00000005 000F") + expected
    assert handle(frame("43 0004 0004"), t) == frame("43 7E 0004 00000005 007F") + b"\2hi" + bytes(124)


def test_a_list_is_read_in_its_order() -> None:
    t = target()
    t.values[0], t.values[1] = b"\1", b"\7\0"
    assert handle(frame("44 0002 0001 0000"), t) == frame("44 7E 0000 00000005 0003 07 00 01")


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ("43", "43 81"),
        ("43 0000", "43 81"),
        ("43 0003 0001", "43 81"),
        ("43 0000 0005", "43 81"),
        ("44", "44 81"),
        ("44 0000", "44 81"),
        ("44 0002 0001", "44 81"),
        ("44 0001 0005", "44 81"),
        ("44 0101" + "0000" * 257, "44 82"),
        ("44 0101", "44 82"),
    ],
)
def test_bad_reads_are_refused(request_text: str, answer: str) -> None:
    assert handle(frame(request_text), target()) == frame(answer)


def test_an_answer_is_cut_at_the_frame_and_says_where() -> None:
    t = Target(*[Type.STRING] * 100)
    answer = handle(frame("43 0000 0063"), t)
    assert answer is not None
    assert len(answer) <= debug.FRAME_MAX
    _, _, last, _, size = struct.unpack_from(">BBHIH", answer)
    assert (last, size) == (31, 32 * 127)
    again = handle(struct.pack(">BHH", 0x43, last + 1, 99), t)
    assert again is not None and again[2:4] == b"\0\x3f"


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [("41", "41 00 00"), ("42 0000 01 0001 01", "42 83"), ("43", "43 83"), ("45 DE AD 00 00", "45 83")],
)
def test_without_a_program(request_text: str, answer: str) -> None:
    assert handle(frame(request_text), None) == frame(answer)


@pytest.mark.parametrize("request_bytes", [b"", b"\x40", b"\x46", b"\xff", b"\x41" + bytes(4096)])
def test_what_is_no_frame_has_no_answer(request_bytes: bytes) -> None:
    assert handle(request_bytes, target()) is None


@settings(deadline=None)
@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda data: b"\x42" + data))
def test_any_bytes_are_answered_within_a_frame(request: bytes) -> None:
    t = target()
    answer = handle(request, t)
    assert answer is None or 2 <= len(answer) <= debug.FRAME_MAX
    for index, value in t.forced.items():
        assert len(value) == len(t.values[index])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=4).map(lambda data: data.ljust(4, b"\0")))
def test_a_range_is_answered_from_any_program(bounds: bytes) -> None:
    t = Target(*[Type.LREAL] * 600)
    answer = handle(b"\x43" + bounds, t)
    assert answer is not None and len(answer) <= debug.FRAME_MAX


TIMES = st.integers(-(2**31) * 10**9 + 1, 2**31 * 10**9 - 1)


@settings(deadline=None)
@given(TIMES)
def test_times_survive_the_wire(value: int) -> None:
    tagged = struct.pack("<q", value)
    assert wire.to_tag(Type.TIME, wire.from_tag(Type.TIME, tagged)) == tagged


def test_a_time_beyond_the_wire_shows_the_nearest() -> None:
    assert wire.from_tag(Type.DT, struct.pack("<q", 2**63 - 1)) == struct.pack("<ii", 2**31 - 1, 999_999_999)
    assert wire.from_tag(Type.DT, struct.pack("<q", -(2**63))) == struct.pack("<ii", -(2**31) + 1, -999_999_999)


@settings(deadline=None)
@given(st.binary(max_size=126))
def test_strings_survive_the_wire(text: bytes) -> None:
    tagged = struct.pack("<H", len(text)) + text.ljust(126, b"\0")
    assert wire.to_tag(Type.STRING, wire.from_tag(Type.STRING, tagged)) == tagged


def test_a_forced_bool_is_one_or_zero() -> None:
    assert wire.to_tag(Type.BOOL, b"\x80") == b"\1"
