# SPDX-License-Identifier: Apache-2.0
"""Share tokens: a snapshot of the status file as one line of text that can be sent to somebody and opened there."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import NamedTuple

PREFIX = "rtshare1_"
SCHEME = "rtshare://"
VERSION = 1
TOKEN_LIMIT = 64 << 10
PAYLOAD_LIMIT = 256 << 10
MISSING = "n/a"

_COUNTERS = (
    "failsafe_activation_count", "failsafe_enter_count", "failsafe_exit_count", "control_deadline_miss_count",
    "actuator_deadline_miss_count", "imu_deadline_miss_count", "baro_deadline_miss_count", "i2c_deadline_miss_count",
)  # fmt: skip
_REJECTS = {
    "external_estimator_reject_count": "python_estimator_reject_count",
    "external_controller_reject_count": "python_controller_reject_count",
}
"""Key and the name it had in older status files."""
METRICS = (
    "sim_mode", "degraded_mode_active", "killswitch_active", "last_failsafe_reason_name", *_COUNTERS,
    "control_jitter_p95_ns", "control_jitter_max_ns", "actuator_jitter_p95_ns", "actuator_jitter_max_ns",
    "sim_net_sensor_disconnects", "sim_net_actuator_disconnects", "sim_net_actuator_client_connected", *_REJECTS,
)  # fmt: skip
"""The 21 values that a token carries."""
WARNING_COUNTERS = ("failsafe_enter_count", *(key for key in _COUNTERS if "deadline_miss" in key), *_REJECTS)
"""Counters that make the health yellow when above 0."""


class ShareError(ValueError):
    """The text is not a share token."""


class Snapshot(NamedTuple):
    """What a token says: `health` is green, yellow or red; `created_unix` in seconds; `source` a file name."""

    created_unix: int
    health: str
    metrics: dict[str, str]
    source: str


def metrics_of(status: Mapping[str, str]) -> dict[str, str]:
    """The values for a token; `n/a` stands for what the status file does not have."""
    return {key: status.get(key, status.get(_REJECTS.get(key, ""), MISSING)) for key in METRICS}


def health_of(metrics: Mapping[str, str]) -> str:
    """`red` while the kill switch is active, `yellow` when anything was ever wrong in this run, else `green`."""
    if metrics.get("killswitch_active") == "true":
        return "red"
    reason = metrics.get("last_failsafe_reason_name", MISSING)
    wrong = metrics.get("degraded_mode_active") == "true" or reason not in ("none", MISSING)
    return "yellow" if wrong or any(_positive(metrics.get(key, "")) for key in WARNING_COUNTERS) else "green"


def _positive(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def snapshot_of(status: Mapping[str, str], source: str, created_unix: int) -> Snapshot:
    """What is to be shared of a status file with the base name `source`."""
    metrics = metrics_of(status)
    return Snapshot(created_unix, health_of(metrics), metrics, source)


def encode(snapshot: Snapshot) -> str:
    """The token of a snapshot."""
    payload = json.dumps({**snapshot._asdict(), "v": VERSION}, sort_keys=True, separators=(",", ":")).encode()
    return PREFIX + base64.urlsafe_b64encode(zlib.compress(payload, 9)).decode().rstrip("=")


def decode(text: str) -> Snapshot:
    """The snapshot in a token: bare, after `rtshare://`, or at the end of a web address. Raises ShareError."""
    token = text.strip()
    if "://" in token:
        token = token.rpartition("/")[2]
    token = token.removeprefix(PREFIX)
    if not token:
        raise ShareError("Share token is empty")
    if len(token) > TOKEN_LIMIT:
        raise ShareError(f"Share token is invalid: longer than {TOKEN_LIMIT} characters")
    return _checked(_payload(token))


def _payload(token: str) -> object:
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        inflate = zlib.decompressobj()
        data = inflate.decompress(packed, PAYLOAD_LIMIT)
        if not inflate.eof:
            raise ShareError("Share token is invalid: cut off, or its content is too large")
        payload: object = json.loads(data)
    except (ValueError, binascii.Error, zlib.error, RecursionError) as error:
        if isinstance(error, ShareError):
            raise
        raise ShareError("Share token is invalid: it was not made by rt-status-report, or was changed") from None
    return payload


def _checked(payload: object) -> Snapshot:
    if not isinstance(payload, dict):
        raise ShareError("Share token payload is not an object")
    version, metrics = payload.get("v"), payload.get("metrics")
    if version != VERSION or isinstance(version, bool):
        raise ShareError(f"Share token payload has version {version!r}; this tool knows version {VERSION}")
    if not isinstance(metrics, dict):
        raise ShareError("Share token payload has no metrics")
    texts = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in metrics.items()}
    created = payload.get("created_unix")
    return Snapshot(
        created_unix=created if isinstance(created, int) else 0,
        health=str(payload.get("health", "unknown")),
        metrics=texts,
        source=str(payload.get("source", "")),
    )
