# SPDX-License-Identifier: Apache-2.0
"""What the output of a probe means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime.check import CheckError, judge

GOOD = {
    "identity": "0123456789abcdef0123456789abcdef",
    "period_ns": 20_000_000,
    "variables": [{"name": "INSTANCE0.X", "type": 3, "size": 2, "flags": 8}],
}


def output(**changes: object) -> bytes:
    return b"load\ninitialise\n" + json.dumps({"description": {**GOOD, **changes}}).encode()


def test_a_description_is_read() -> None:
    description = judge(output(), 0)
    assert (description.identity, description.period_ns) == (GOOD["identity"], 20_000_000)
    assert [v.name for v in description.variables] == ["INSTANCE0.X"]


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"load\n", -11, r"crashes while it is loaded \(segmentation fault\)"),
        (b"load\ninitialise\n", -8, "crashes while its variables get their first values"),
        (b"", -9, "before it was loaded"),
        (b"load\n", 3, r"ends the process while it is loaded \(exit code 3\)"),
        (b"load\n{}", 0, "no description"),
        (b'load\n{"error": "it is odd"}', 0, "it is odd"),
        (output(period_ns=0), 0, "runs every 0 ns"),
        (output(period_ns=10**15), 0, "1 hour"),
        (output(identity="x"), 0, "identity"),
        (output(variables=[{"name": "A", "type": 99, "size": 1, "flags": 0}]), 0, "cannot be a tag"),
        (output(variables=[{"name": "A B", "type": 3, "size": 2, "flags": 0}]), 0, "cannot be a tag"),
        (output(variables=[{"name": "A", "type": 3, "size": 8, "flags": 0}]), 0, "A"),
        (output(variables=GOOD["variables"] * 2), 0, "two variables"),
    ],
)
def test_anything_else_is_refused(data: bytes, code: int, reason: str) -> None:
    with pytest.raises(CheckError, match=reason):
        judge(data, code)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(-64, 255))
def test_any_output_is_judged(data: bytes, code: int) -> None:
    try:
        judge(data, code)
    except CheckError as error:
        assert str(error)
