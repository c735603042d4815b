# SPDX-License-Identifier: Apache-2.0
"""io.yaml: what makes a sound pin map, and what is refused with all reasons at once."""

from __future__ import annotations

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.io.config import IoSettings, PinMapError, pin_map, settings_of
from pilotlight.io.lines import Address, Direction, describe, pack

CHIPS = {"pinctrl-rp1": 54, "gpiochip0": 54, "sim0": 32}


def settings(text: str) -> IoSettings:
    return settings_of(yaml.safe_load(text))


def refused(text: str) -> str:
    with pytest.raises(PinMapError) as error:
        pin_map(settings(text), CHIPS)
    return str(error.value)


def test_the_example_of_the_documentation() -> None:
    found = pin_map(
        settings(
            """
lines:
  start: {chip: pinctrl-rp1, line: 17, address: "%IX0.0", bias: pull-up, active_low: true, debounce_ms: 5}
  lamp:  {chip: pinctrl-rp1, line: 27, address: "%QX0.0", safe: true}
"""
        ),
        CHIPS,
    )
    (start,), (lamp,) = found.inputs, found.outputs
    assert (start.line, start.bias, start.active_low, start.debounce_us) == (17, "pull-up", True, 5000)
    assert (lamp.direction, lamp.safe, found.safe_bits) == (Direction.OUTPUT, True, 1)
    table = describe(found.lines)
    assert "%IX0.0   start  pinctrl-rp1  17    pull-up, active-low, debounce 5 ms" in table
    assert "%QX0.0   lamp   pinctrl-rp1  27    safe on" in table


def test_an_empty_file_maps_nothing() -> None:
    assert pin_map(settings_of(None), {}).lines == ()
    assert describe(()) == "(no lines are mapped)"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('b: {chip: sim0, line: 1, address: "%IX0.1"}', "b: line 1 of chip sim0 is already a"),
        ('b: {chip: sim0, line: 2, address: "%IX0.0"}', "b: address %IX0.0 is already a"),
        ('b: {chip: sim9, line: 2, address: "%IX0.1"}', "b: there is no chip sim9 (chips of this machine: gpio"),
        ('b: {chip: sim0, line: 32, address: "%IX0.1"}', "b: chip sim0 has lines 0 to 31, not 32"),
        ('b: {chip: sim0, line: 2, address: "%IX1024.0"}', "b: %IX1024.0 is out of range"),
        ('b: {chip: sim0, line: 2, address: "%IX0.8"}', "b: '%IX0.8' is no bit address"),
        ('b: {chip: sim0, line: 2, address: "%MX0.1"}', "b: '%MX0.1' is no bit address"),
        ('b: {chip: sim0, line: 2, address: "%IX0.1", safe: true}', "b: an input has no safe value"),
        ('b: {chip: sim0, line: 2, address: "%QX0.1", debounce_ms: 1}', "b: an output is not debounced"),
        ('A: {chip: sim0, line: 2, address: "%IX0.1"}', "A: the name differs from a only in upper and lower case"),
        ('b c: {chip: sim0, line: 2, address: "%IX0.1"}', "'b c' is no line name"),
    ],
)
def test_what_contradicts_is_refused_with_the_pin_map(line: str, reason: str) -> None:
    message = refused(f'lines:\n  a: {{chip: sim0, line: 1, address: "%IX0.0"}}\n  {line}\n')
    assert reason in message
    assert "no line is touched" in message and "%IX0.0   a" in message


def test_all_problems_are_named_at_once() -> None:
    message = refused(
        'lines:\n  a: {chip: x, line: 1, address: "%IX0.0"}\n  b: {chip: sim0, line: 99, address: "%IX0.0"}\n'
    )
    assert "no chip x" in message and "not 99" in message and "already a" in message


def test_more_lines_of_a_chip_than_one_request_takes() -> None:
    lines = "\n".join(f'  l{n}: {{chip: big, line: {n}, address: "%IX{n // 8}.{n % 8}"}}' for n in range(65))
    with pytest.raises(PinMapError, match="chip big: 65 lines are mapped, at most 64"):
        pin_map(settings(f"lines:\n{lines}"), {"big": 100})


@pytest.mark.parametrize(
    "text",
    [
        'lines: {a: {chip: c, line: -1, address: "%IX0.0"}}',
        'lines: {a: {chip: c, line: 1, address: "%IX0.0", bias: up}}',
        'lines: {a: {chip: c, line: 1, address: "%IX0.0", debounce_ms: 2000}}',
        'lines: {a: {chip: c, line: 1, address: "%IX0.0", colour: red}}',
        "lines: {a: {chip: c, line: 1}}",
        "simulated: {lines: 65}",
        'simulated: {label: "../x"}',
        "other: 1",
    ],
)
def test_values_out_of_bounds_and_unknown_keys(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        settings(text)


@given(st.sampled_from("IQ"), st.integers(0, 1023), st.integers(0, 7))
def test_an_address_reads_back(area: str, byte: int, bit: int) -> None:
    address = Address(area, byte, bit)
    assert Address.parse(str(address)) == address


@given(st.text(max_size=12))
def test_no_text_makes_an_address_out_of_range(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert 0 <= address.byte <= 1023 and 0 <= address.bit <= 7


@given(st.lists(st.booleans(), max_size=200))
def test_bits_of_values(values: list[bool]) -> None:
    assert [bool(pack(values) >> n & 1) for n in range(len(values))] == values
