# SPDX-License-Identifier: Apache-2.0
"""Settings files: what is accepted, and what an error tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field
from pilotlight.daemon import Settings, SettingsError, load_settings
from pilotlight.daemon.settings import SIZE_LIMIT, parse_settings
from pilotlight.daemon.yamltree import DEPTH_LIMIT, YamlError, parse


class Line(Settings, frozen=True):
    chip: str = "none"
    line: Annotated[int, Meta(ge=0, le=53)] = 0


class Machine(Settings, frozen=True):
    debounce_ms: Annotated[int, Meta(ge=0, le=10_000)] = 500
    period: float = 1.0
    name: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    spare: list[Line] = field(default_factory=list)
    extra: Line | None = None


def test_a_missing_file_and_an_empty_one_are_working_files(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "machine.yaml"
    assert load_settings(Machine, "machine") == Machine()
    file.parent.mkdir()
    for text in ("", "# nothing\n", "---\n", "~\n"):
        file.write_text(text)
        assert load_settings(Machine, "machine") == Machine()


def test_values_arrive_typed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine.yaml").write_text(
        'debounce_ms: 20\nperiod: 2\nname: "%IX0.0"\nlines:\n  a: {chip: yes, line: 0x10}\nextra: {chip: off}\n'
    )
    loaded = load_settings(Machine, "machine")
    assert loaded == Machine(
        debounce_ms=20, period=2.0, name="%IX0.0", lines={"a": Line(chip="yes", line=16)}, extra=Line(chip="off")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("debounce: 3", "m.yaml:1: debounce: unknown key; did you mean `debounce_ms`?"),
        ("# c\n\nzzz: 3", "m.yaml:3: zzz: unknown key; known here: debounce_ms, period, name, lines, spare, extra"),
        ("lines:\n  a: {line: 1}\n  b:\n    chp: x", "m.yaml:4: lines.b.chp: unknown key; did you mean `chip`?"),
        ("spare:\n- line: 1\n- lin: 2", "m.yaml:3: spare[1].lin: unknown key; did you mean `line`?"),
        ("extra:\n  lime: 1", "m.yaml:2: extra.lime: unknown key; did you mean `line`?"),
        ("period: 1\ndebounce_ms: 10001", "m.yaml:2: debounce_ms: expected `int` <= 10000"),
        ("lines:\n  a: {line: 1}\n  b:\n    line: 54", "m.yaml:4: lines.b.line: expected `int` <= 53"),
        ("lines:\n  a:\n    line: 54\n  b: {line: 54}", "m.yaml:3: lines.a.line: expected `int` <= 53"),
        ("debounce_ms: soon", "m.yaml:1: debounce_ms: expected `int`, got `str`"),
        ("name: 3", "m.yaml:1: name: expected `str`, got `int`"),
        ("period: 1\nname: a\nperiod: 2", "m.yaml:3: key `period` appears twice, first in line 1"),
        ("lines:\n  a: {}\n  a: {}", "m.yaml:3: key `a` appears twice, first in line 2"),
        ("- 1", "m.yaml:1: keys with values wanted, such as `debounce_ms: …`"),
        ("name: 1\nextra: [", "not YAML: did not find expected"),
        ("\tname: x", "m.yaml:1: not YAML"),
        ("name: &a x", "m.yaml:1: anchors and aliases are not supported"),
        ("name: !!python/object:os.system x", "is not supported; remove it"),
        ("name: a\n---\nname: b", "m.yaml:2: a second document"),
        ("name: " + "[" * 40, f"nested more than {DEPTH_LIMIT} deep"),
        ("? [a]\n: 1", "m.yaml:1: a key has to be a word or a number"),
    ],
)
def test_an_error_gives_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(Machine, text.encode(), "m.yaml")
    assert message in str(error.value)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    file.write_bytes(b"#" * (SIZE_LIMIT + 1))
    with pytest.raises(SettingsError, match="larger than"):
        load_settings(Machine, "machine", file)


def test_a_file_that_cannot_be_read_is_an_error_not_a_default(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="directory"):
        load_settings(Machine, "machine", tmp_path)


# `1e3` is a number here, as people mean it; PyYAML takes it for a text and writes such a text without quotes.
_text = st.text(max_size=8).filter(lambda text: not re.fullmatch(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+", text))
_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text.filter(bool), inner, max_size=3),
    max_leaves=12,
)


@given(_plain)
def test_what_yaml_writes_is_read_back(value: Any) -> None:
    tree = parse(yaml.safe_dump(value).encode())
    assert (None if tree is None else tree.plain()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), ("-2E-1", -0.2), ("0.5", 0.5), (".5", 0.5), ("3.", 3.0), ("0189", "0189"), ("1e", "1e")],
)
def test_which_words_are_numbers(text: str, value: object) -> None:
    tree = parse(text.encode())
    assert tree is not None and tree.plain() == value and type(tree.plain()) is type(value)


@given(st.binary(max_size=200) | st.text(alphabet="[]{}:,-&*!|>\"' \n\tab01#?", max_size=60).map(str.encode))
def test_any_bytes_are_a_tree_or_an_error_with_a_line(data: bytes) -> None:
    try:
        parse(data)
    except YamlError as error:
        assert error.line >= 1
