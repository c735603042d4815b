# SPDX-License-Identifier: Apache-2.0
"""Values of the elementary types: what fits comes back, what does not fit is refused."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.tags import TagValueError, Type, decode, encode
from pilotlight.tags.values import bounds

WIDTHS = {
    Type.BOOL: 1, Type.SINT: 1, Type.INT: 2, Type.DINT: 4, Type.LINT: 8,
    Type.USINT: 1, Type.UINT: 2, Type.UDINT: 4, Type.ULINT: 8,
    Type.BYTE: 1, Type.WORD: 2, Type.DWORD: 4, Type.LWORD: 8,
    Type.REAL: 4, Type.LREAL: 8, Type.TIME: 8, Type.DATE: 8, Type.TOD: 8, Type.DT: 8, Type.CHAR: 1, Type.STRING: 2,
}  # fmt: skip
SIGNED = {Type.SINT, Type.INT, Type.DINT, Type.LINT, Type.TIME, Type.DATE, Type.TOD, Type.DT}
UNSIGNED = {
    Type.USINT, Type.UINT, Type.UDINT, Type.ULINT, Type.BYTE, Type.WORD, Type.DWORD, Type.LWORD,
}  # fmt: skip
INTEGERS = sorted(SIGNED | UNSIGNED)


def test_every_type_has_the_width_of_the_standard() -> None:
    assert {kind: kind.size for kind in Type} == WIDTHS
    assert all(kind.align == kind.size for kind in Type)


@pytest.mark.parametrize("kind", INTEGERS)
def test_bounds_are_those_of_the_width(kind: Type) -> None:
    bits = 8 * WIDTHS[kind]
    expected = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind in SIGNED else (0, 2**bits - 1)
    assert bounds(kind) == expected


@given(st.sampled_from(INTEGERS), st.integers(-(2**65), 2**65))
def test_an_integer_comes_back_or_is_refused(kind: Type, value: int) -> None:
    low, high = bounds(kind)
    if low <= value <= high:
        stored = encode(kind, value)
        assert stored == value.to_bytes(WIDTHS[kind], "little", signed=kind in SIGNED)
        assert decode(kind, stored) == value
    else:
        with pytest.raises(TagValueError, match=f"does not fit {kind.name}"):
            encode(kind, value)


@pytest.mark.parametrize("kind", INTEGERS)
def test_the_ends_of_a_range_fit_and_their_neighbours_do_not(kind: Type) -> None:
    low, high = bounds(kind)
    assert [decode(kind, encode(kind, end)) for end in (low, high)] == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises(TagValueError):
            encode(kind, beyond)


@given(st.floats(allow_nan=False))
def test_lreal_comes_back_to_the_bit(value: float) -> None:
    back = decode(Type.LREAL, encode(Type.LREAL, value))
    assert struct.pack("<d", back) == struct.pack("<d", value)


@given(st.floats(width=32, allow_nan=False))
def test_real_holds_every_binary32(value: float) -> None:
    assert decode(Type.REAL, encode(Type.REAL, value)) == value


def test_real_rounds_and_refuses_what_is_beyond_its_range() -> None:
    assert decode(Type.REAL, encode(Type.REAL, 0.1)) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert decode(Type.REAL, encode(Type.REAL, math.inf)) == math.inf
    assert math.isnan(float(decode(Type.REAL, encode(Type.REAL, math.nan))))
    for beyond in (3.5e38, -1e39):
        with pytest.raises(TagValueError, match="beyond the range of REAL"):
            encode(Type.REAL, beyond)
    with pytest.raises(TagValueError, match="beyond the range of LREAL"):
        encode(Type.LREAL, 10**400)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Type.BOOL, 2), (Type.BOOL, -1), (Type.BOOL, 1.0), (Type.BOOL, "TRUE"),
        (Type.INT, 1.0), (Type.INT, True), (Type.INT, "1"), (Type.WORD, False), (Type.TIME, 1.5),
        (Type.REAL, True), (Type.REAL, "1"), (Type.LREAL, "nan"),
        (Type.CHAR, ""), (Type.CHAR, "ab"), (Type.CHAR, "€"), (Type.CHAR, 65),
        (Type.STRING, 1), (Type.STRING, "\ud800"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused(kind: Type, value: bool | int | float | str) -> None:
    with pytest.raises(TagValueError):
        encode(kind, value, 8)


@pytest.mark.parametrize("value", [True, False, 0, 1])
def test_bool_takes_zero_and_one(value: bool | int) -> None:
    assert decode(Type.BOOL, encode(Type.BOOL, value)) is bool(value)


def test_any_other_byte_of_a_bool_reads_as_true() -> None:
    assert decode(Type.BOOL, b"\xff") is True


@given(st.characters(max_codepoint=255))
def test_char_comes_back(value: str) -> None:
    assert decode(Type.CHAR, encode(Type.CHAR, value)) == value


@given(st.text(max_size=40), st.integers(1, 40))
def test_string_comes_back_or_is_refused(text: str, length: int) -> None:
    if len(text.encode()) <= length:
        stored = encode(Type.STRING, text, length)
        assert len(stored) == 2 + length
        assert decode(Type.STRING, stored) == text
    else:
        with pytest.raises(TagValueError, match=f"STRING\\[{length}\\] holds {length}"):
            encode(Type.STRING, text, length)


@given(st.sampled_from([kind for kind in Type if kind is not Type.STRING]), st.data())
def test_any_stored_bytes_have_a_value(kind: Type, data: st.DataObject) -> None:
    decode(kind, data.draw(st.binary(min_size=kind.size, max_size=kind.size)))


@given(st.binary(min_size=2, max_size=40))
def test_any_stored_string_has_a_value(stored: bytes) -> None:
    assert len(str(decode(Type.STRING, stored))) <= len(stored) - 2
