# SPDX-License-Identifier: Apache-2.0
"""A flight as a drawing: height, climb, lean and servo commands over time, with its events."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from .flight import Event
from .trace import Point

WIDTH = 900
LEFT, RIGHT, TOP, PANEL, GAP = 70, 20, 76, 130, 26
MOST_POINTS = 300
"""More do not show at this width."""
STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}.grid{stroke:#ddd}.frame{stroke:#999;"
    "fill:none}.event{stroke:#b60;stroke-dasharray:4 3}.note{fill:#b60;font-size:11px}.line{fill:none;stroke-width:1.6}"
)
COLOURS = ("#06c", "#c33", "#080", "#909")


class Panel(NamedTuple):
    """One drawing of several: a title with the unit, and a line for each value."""

    title: str
    values: tuple[Callable[[Point], float], ...]


PANELS = (
    Panel("height over the pad (m)", (lambda p: p.height_m,)),
    Panel("climb (m/s)", (lambda p: p.climb_mps,)),
    Panel("nose from the vertical (degrees)", (lambda p: p.tilt_deg,)),
    Panel(
        "servo commands 0 to 3",
        (lambda p: p.servo_0, lambda p: p.servo_1, lambda p: p.servo_2, lambda p: p.servo_3),
    ),
)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values from at most `low` to at least `high`, evenly apart by 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * index for index in range(first, max(last, first + 1) + 1)]


def svg(title: str, points: Sequence[Point], events: Sequence[Event]) -> str:
    """The drawing as SVG text. Needs at least one point."""
    if not points:
        raise ValueError("a flight without a single step has no drawing")
    points = points[:: len(points) // MOST_POINTS + 1]
    height = TOP + len(PANELS) * (PANEL + GAP) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    times = ticks(0.0, points[-1].time_s, 12)
    right_end = points[-1].time_s or times[-1]

    def across(time_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * time_s / right_end

    for index, panel in enumerate(PANELS):
        parts += _panel(panel, TOP + index * (PANEL + GAP), points, times, across)
    bottom = TOP + len(PANELS) * (PANEL + GAP) - GAP
    parts += _events(events, across, bottom)
    for time in times:
        if time <= right_end:
            parts.append(f'<text x="{across(time):.1f}" y="{bottom + 16}" text-anchor="middle">{time:g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{bottom + 32}" text-anchor="end">time (s)</text></svg>')
    return "\n".join(parts) + "\n"


def _panel(
    panel: Panel, top: int, points: Sequence[Point], times: Sequence[float], across: Callable[[float], float]
) -> list[str]:
    low = min(0.0, *(value(point) for value in panel.values for point in points))
    high = max(0.0, *(value(point) for value in panel.values for point in points))
    marks = ticks(low, high) if high > low else [-1.0, 0.0, 1.0]
    low, high = marks[0], marks[-1]

    def down(value: float) -> float:
        return top + PANEL * (high - value) / (high - low)

    parts = [f'<text x="{WIDTH - RIGHT}" y="{top - 5}" text-anchor="end">{escape(panel.title)}</text>']
    for mark in marks:
        y = down(mark)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{round(mark, 9):g}</text>')
    for time in times:
        x = across(time)
        if x <= WIDTH - RIGHT:
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + PANEL}"/>')
    for value, colour in zip(panel.values, COLOURS, strict=False):
        places = " ".join(f"{across(point.time_s):.1f},{down(value(point)):.1f}" for point in points)
        parts.append(f'<polyline class="line" stroke="{colour}" points="{places}"/>')
    parts.append(f'<rect class="frame" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}"/>')
    return parts


def _events(events: Sequence[Event], across: Callable[[float], float], bottom: int) -> list[str]:
    """A line down through all drawings for each; the names climb by a row when they would overlap."""
    parts, row_ends = [], [-1e9, -1e9]
    for event in events:
        x = across(event.time_s)
        wide = 6.2 * len(event.name)
        row = next((i for i, end in enumerate(row_ends) if x > end), None)
        parts.append(f'<line class="event" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 17}" y2="{bottom}"/>')
        if row is None:
            continue
        anchor, end = ("end", x) if x + wide > WIDTH else ("start", x + wide)
        row_ends[row] = end + 6
        place = f'x="{x:.1f}" y="{TOP - 20 - 12 * row}" text-anchor="{anchor}"'
        parts.append(f'<text class="note" {place}>{escape(event.name)}</text>')
    return parts
