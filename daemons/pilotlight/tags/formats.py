# SPDX-License-Identifier: Apache-2.0
"""How the command-line tool writes values: text for people, CSV and JSON lines for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from pilotlight.tags.tag import Flags, Quality, Tag
from pilotlight.tags.values import Type, Value

CSV_HEAD = ("time", "name", "value", "unit", "quality")
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Event:
    """A value of a tag at a time: `name` with the segment in front, `time_ns` since 1970 (UTC)."""

    time_ns: int
    name: str
    tag: Tag
    value: Value
    quality: Quality


def clock_text(time_ns: int) -> str:
    """A time in ISO 8601 with nanoseconds, UTC."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def value_text(kind: Type, value: Value) -> str:
    """A value for people: BOOL as TRUE and FALSE, times as IEC 61131-3 writes them, the rest plainly."""
    if kind is Type.BOOL:
        return "TRUE" if value else "FALSE"
    if kind is Type.TIME and isinstance(value, int):
        sign, size = ("-" if value < 0 else ""), abs(value)
        return f"T#{sign}{size // SECOND}{_fraction(size % SECOND)}s"
    if kind is Type.TOD and isinstance(value, int):
        minutes, second = divmod(value // SECOND, 60)
        return f"TOD#{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{_fraction(value % SECOND)}"
    if kind in (Type.DATE, Type.DT) and isinstance(value, int):
        return _date_text(kind, value)
    if kind in (Type.CHAR, Type.STRING):
        return repr(value)
    return f"{value:.9g}" if kind is Type.REAL else str(value)


def _date_text(kind: Type, value: int) -> str:
    try:
        moment = datetime.fromtimestamp(value // SECOND, UTC)
    except (OverflowError, ValueError, OSError):  # beyond the years a calendar here can name
        return f"{kind.name}#{value}ns"
    if kind is Type.DATE:
        return f"D#{moment:%Y-%m-%d}"
    return f"DT#{moment:%Y-%m-%d-%H:%M:%S}{_fraction(value % SECOND)}"


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def plain(value: Value) -> Value:
    """A value as JSON can hold it: numbers that are none become the text `NaN`, `Infinity` or `-Infinity`."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def event_line(event: Event) -> str:
    """One line for people."""
    unit = f" {event.tag.unit}" if event.tag.unit else ""
    quality = "" if event.quality is Quality.GOOD else f"  [{event.quality.name}]"
    return f"{clock_text(event.time_ns)}  {event.name} = {value_text(event.tag.type, event.value)}{unit}{quality}"


def event_json(event: Event) -> str:
    """One line of JSON; times of IEC types are whole nanoseconds."""
    return json.dumps(
        {
            "time": clock_text(event.time_ns),
            "name": event.name,
            "value": plain(event.value),
            "unit": event.tag.unit,
            "quality": event.quality.name,
        },
        ensure_ascii=False,
    )


def csv_line(cells: tuple[object, ...]) -> str:
    """One line of CSV, quoted where it has to be, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def event_csv(event: Event) -> str:
    """One line of CSV with the columns of `CSV_HEAD`."""
    return csv_line((clock_text(event.time_ns), event.name, event.value, event.tag.unit, event.quality.name))


def flags_text(flags: Flags) -> str:
    """The flags as words."""
    return ",".join(flag.name.lower() for flag in Flags if flag in flags and flag.name)


def type_text(tag: Tag) -> str:
    """The type as a program would declare it."""
    return f"STRING[{tag.length}]" if tag.type is Type.STRING else tag.type.name


def columns(rows: list[tuple[str, ...]]) -> str:
    """Rows as text in aligned columns, the first row being the heads."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
