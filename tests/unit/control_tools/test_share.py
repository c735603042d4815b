# SPDX-License-Identifier: Apache-2.0
"""Share tokens: what others make opens here, what we make opens there, and nothing else does harm."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.tools.share import (
    METRICS,
    PREFIX,
    ShareError,
    decode,
    encode,
    health_of,
    metrics_of,
    snapshot_of,
)
from pilotlight.runtime.control.tools.status import parse_status

from tests.unit.control_tools.samples import STATUS_SAMPLE


def other_token(payload: object, level: int = 9) -> str:
    """A token as another tool makes it, from the description of the format."""
    data = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(zlib.compress(data, level)).decode().rstrip("=")


PAYLOAD = {
    "created_unix": 1795252414,
    "health": "green",
    "metrics": {"sim_mode": "true"},
    "source": "rt_status.txt",
    "v": 1,
}


def test_a_token_is_to_the_byte_what_the_format_says() -> None:
    snapshot = snapshot_of(parse_status(STATUS_SAMPLE), "rt_status.txt", 1795252414)
    payload = {**snapshot._asdict(), "v": 1}
    assert encode(snapshot) == PREFIX + other_token(payload)
    assert len(METRICS) == len(snapshot.metrics) == 21
    assert snapshot.metrics["i2c_deadline_miss_count"] == "n/a"
    assert snapshot.metrics["control_jitter_max_ns"] == "361919"
    assert decode(encode(snapshot)) == snapshot


@pytest.mark.parametrize("form", ["{}", "rtshare1_{}", "rtshare://rtshare1_{}", "rtshare://{}", " rtshare1_{}\n"])
def test_tokens_of_others_open_in_every_form(form: str) -> None:
    for level in (1, 9):
        snapshot = decode(form.format(other_token(PAYLOAD, level)))
        assert snapshot == (1795252414, "green", {"sim_mode": "true"}, "rt_status.txt")


def test_a_token_opens_from_a_web_address() -> None:
    assert decode("https://example.org/view/rtshare1_" + other_token(PAYLOAD)).health == "green"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "is empty"),
        ("rtshare://rtshare1_", "is empty"),
        ("rtshare1_%%%", "is invalid"),
        ("rtshare1_AAAA", "is invalid"),
        ("rtshare1_" + other_token(PAYLOAD)[:40], "is invalid"),
        ("a" * 70000, "is invalid"),
        (other_token("x" * 300_000), "is invalid"),
        (other_token([1]), "payload is not an object"),
        (other_token({**PAYLOAD, "v": 2}), "payload has version 2"),
        (other_token({**PAYLOAD, "v": True}), "payload has version True"),
        (other_token({**PAYLOAD, "metrics": []}), "payload has no metrics"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(token: str, reason: str) -> None:
    with pytest.raises(ShareError, match=f"^Share token {reason}"):
        decode(token)


@given(st.text(max_size=60))
def test_any_text_is_opened_or_refused(text: str) -> None:
    try:
        decode(text)
    except ShareError as error:
        assert str(error).startswith("Share token ")


GREEN = {
    "killswitch_active": "false",
    "degraded_mode_active": "false",
    "last_failsafe_reason_name": "none",
    "failsafe_enter_count": "0",
}


@pytest.mark.parametrize(
    ("change", "health"),
    [
        ({}, "green"),
        ({"failsafe_activation_count": "3", "failsafe_exit_count": "2"}, "green"),
        ({"degraded_mode_active": "true"}, "yellow"),
        ({"last_failsafe_reason_name": "imu_stale"}, "yellow"),
        ({"failsafe_enter_count": "1"}, "yellow"),
        ({"i2c_deadline_miss_count": "1"}, "yellow"),
        ({"imu_deadline_miss_count": "n/a"}, "green"),
        ({"external_estimator_reject_count": "1"}, "yellow"),
        ({"killswitch_active": "true", "degraded_mode_active": "true"}, "red"),
    ],
)
def test_health(change: dict[str, str], health: str) -> None:
    assert health_of(GREEN | change) == health


def test_older_names_of_reject_counters_are_known() -> None:
    metrics = metrics_of({"python_estimator_reject_count": "4"})
    assert metrics["external_estimator_reject_count"] == "4"
    assert metrics["external_controller_reject_count"] == "n/a"
