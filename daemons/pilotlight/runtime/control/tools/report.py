# SPDX-License-Identifier: Apache-2.0
"""The status file as tables, and a share token as a page; plain functions from values to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from .share import MISSING, Snapshot
from .status import GROUPS

JITTER_BARS_NS = {"p50": 80_000, "p95": 120_000, "p99": 200_000, "max": 300_000}
"""Up to here a jitter figure is good, up to twice as much it is worth a look, above it is bad."""

_COLOURS = {"green": "32", "yellow": "33", "red": "31", "bold": "1"}
_TICKS = ("control", "actuator", "igniter", "imu", "i2c", "estimator")
_CAUSES = ("cmd_stale", "link_down", "imu_stale", "killswitch", "actuator_io_latch")


class Paint:
    """Colours for a terminal, or none. Health words and colours have the same names."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, colour: str, text: str) -> str:
        code = _COLOURS.get(colour) if self._enabled else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text


def jitter_colour(figure: str, nanoseconds: int) -> str:
    """The colour of a jitter figure (`p50`, `p95`, `p99`, `max`)."""
    bar = JITTER_BARS_NS[figure]
    return "green" if nanoseconds <= bar else "yellow" if nanoseconds <= 2 * bar else "red"


class _Values:
    """The values of a status file, and which of them were shown."""

    def __init__(self, status: Mapping[str, str]) -> None:
        self._status = status
        self.shown: set[str] = set()

    def __call__(self, key: str) -> str:
        self.shown.add(key)
        return _clean(self._status.get(key, MISSING))


def report_text(status: Mapping[str, str], paint: Paint) -> str:
    """The report: a table for each matter, before them what is in no table. Ends with a line end."""
    values = _Values(status)
    tables = [_workers(values, paint), _failsafe(values, paint), _deadlines(values, paint), _jitter(values, paint)]
    if values("sim_mode") == "true":
        tables.append(_sim_net(values, paint))
    values.shown.discard("sim_mode")
    rest = [key for key in status if key not in values.shown and not key.startswith("sim_net_")]
    head = _table("status", [(_clean(key), _clean(status[key])) for key in rest], paint)
    return "\n".join([head, *tables])


def _workers(values: _Values, paint: Paint) -> str:
    rows = [("worker", "accepted", "rejected")]
    for worker in ("external_estimator", "external_controller", "igniter_command"):
        rows.append((worker, values(f"{worker}_accept_count"), _alarm(values(f"{worker}_reject_count"), paint)))
    rejects = ("stale", "schema", "crc", "time_regression")
    for kind in rejects:
        rows.append((f"messages rejected: {kind}", "", _alarm(values(f"external_msg_{kind}_reject_count"), paint)))
    return _table("external workers", rows, paint)


def _failsafe(values: _Values, paint: Paint) -> str:
    reason = values("last_failsafe_reason_name")
    values.shown.add("last_failsafe_reason")
    rows = [("last reason", paint("green" if reason == "none" else "yellow", reason))]
    for event, word in (("activation", "ticks in failsafe"), ("enter", "entered"), ("exit", "left")):
        rows.append((word, values(f"failsafe_{event}_count")))
    rows += [(f"cause {cause}", _alarm(values(f"failsafe_cause_{cause}_count"), paint)) for cause in _CAUSES]
    kill = values("killswitch_active")
    rows.append(("kill switch active", paint("red" if kill == "true" else "green", kill)))
    rows.append(("kill switch trips", _alarm(values("killswitch_trip_count"), paint)))
    return _table("failsafe", rows, paint)


def _deadlines(values: _Values, paint: Paint) -> str:
    rows = [("group", "ticks", "deadlines missed")]
    for group in (*_TICKS, "baro"):
        ticks = values(f"{group}_ticks") if group in _TICKS else ""
        missed = _alarm(values(f"{group}_deadline_miss_count"), paint) if group in GROUPS else ""
        rows.append((group, ticks, missed))
    return _table("deadlines and ticks", rows, paint)


def _jitter(values: _Values, paint: Paint) -> str:
    rows = [("jitter (us)", *JITTER_BARS_NS)]
    for group in GROUPS:
        figures = [(figure, values(f"{group}_jitter_{figure}_ns")) for figure in JITTER_BARS_NS]
        rows.append((group, *(_microseconds(figure, text, paint) for figure, text in figures)))
    return _table("jitter", rows, paint)


def _sim_net(values: _Values, paint: Paint) -> str:
    keys = (
        "sensor_frames", "sensor_crc_fail", "sensor_disconnects", "actuator_frames", "actuator_send_errors",
        "actuator_clients", "actuator_disconnects", "actuator_client_connected",
    )  # fmt: skip
    return _table("simulator link", [(key, values(f"sim_net_{key}")) for key in keys], paint)


def _alarm(text: str, paint: Paint) -> str:
    return paint("yellow", text) if text.isdecimal() and int(text) > 0 else text


def _microseconds(figure: str, text: str, paint: Paint) -> str:
    if not text.isdecimal():
        return text
    return paint(jitter_colour(figure, int(text)), f"{int(text) / 1000:.1f}")


def _table(title: str, rows: Sequence[Sequence[str]], paint: Paint) -> str:
    width = [max(_length(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = ["  " + "  ".join(_padded(cell, size) for cell, size in zip(row, width, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in (paint("bold", title), *lines))


def _length(cell: str) -> int:
    return len(cell) if "\x1b" not in cell else len(cell.partition("m")[2].partition("\x1b")[0])


def _padded(cell: str, size: int) -> str:
    return cell + " " * (size - _length(cell))


def share_page(snapshot: Snapshot, paint: Paint) -> str:
    """What an opened token says."""
    try:
        created = datetime.fromtimestamp(snapshot.created_unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        created = str(snapshot.created_unix)
    head = [
        ("health", paint(snapshot.health, _clean(snapshot.health.upper()))),
        ("source", _clean(snapshot.source) or MISSING),
        ("created", created),
    ]
    metrics = [(_clean(key), _clean(value)) for key, value in sorted(snapshot.metrics.items())]
    return _table("shared snapshot", [*head, *metrics], paint)


def _clean(text: str) -> str:
    """Without what could steer a terminal: tokens and status files come from anywhere."""
    return "".join(character for character in text if character.isprintable())
