# SPDX-License-Identifier: Apache-2.0
"""Python values to D-Bus values and back."""

from __future__ import annotations

from typing import Any

import pytest
from gi.repository import GLib
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import Typed
from pilotlight.daemon.variant import pack, pack_all, split_signature, unpack

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
_value = st.recursive(
    st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | _text | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=15,
)


@given(_value)
def test_any_value_survives_a_v(value: Any) -> None:
    assert unpack(pack("v", value)) == value


@given(_value)
def test_any_value_survives_at_depth(value: Any) -> None:
    packed = pack_all(("s", "a{sv}", "aa{sv}"), ("x", {"k": value}, [{"a": value}, {}]))
    assert unpack(packed) == ("x", {"k": value}, [{"a": value}, {}])


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        (True, "b"),
        (1, "x"),
        (1 << 63, "t"),
        (1.0, "d"),
        ("", "s"),
        (b"", "ay"),
        ([], "as"),
        ([1, 2], "ax"),
        ([1, "a"], "av"),
        ([{"a": 1}], "aa{sv}"),
        ({}, "a{sv}"),
        (Typed("t", 5), "t"),
        (Typed("a(su)", [("a", 1)]), "a(su)"),
        (GLib.Variant("q", 3), "q"),
    ],
)
def test_a_v_gets_the_type_of_its_value(value: Any, signature: str) -> None:
    assert pack("v", value).get_variant().get_type_string() == signature


@pytest.mark.parametrize(
    ("signature", "value"),
    [("u", -1), ("y", 256), ("i", "1"), ("s", 1), ("v", None), ("v", object()), ("(si)", ("a",)), ("as", [1])],
)
def test_what_does_not_fit_is_refused(signature: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        pack(signature, value)


def test_the_number_of_values_is_checked() -> None:
    with pytest.raises(TypeError, match="2 values"):
        pack_all(("s", "i"), ("a",))


def test_signatures_are_split_into_complete_types() -> None:
    assert split_signature("sa{sv}(ii)aay") == ["s", "a{sv}", "(ii)", "aay"]
    assert split_signature("") == []
