# SPDX-License-Identifier: Apache-2.0
"""Ladders as SVG: one file, no scripts, no fonts of its own, in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from pilotlight.plc import ir
from pilotlight.plc.ladder.drawing import Bar, Bracket, Drawing, Frame, Line, Mark, Stub, Words
from pilotlight.plc.ladder.flow import Flow
from pilotlight.plc.ladder.sections import DrawnRung, drawn_sections

_COLUMN, _ROW, _MARGIN = 8, 18, 16
"""Pixels of a column, of a row, and around the picture."""
_STYLE = """\
svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --live: #0a7d33; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --live: #3fb950; } }
.paper { fill: var(--paper); }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink);
  white-space: pre; }
.heading { font-weight: bold; }
.comment { fill: var(--soft); }
path { fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-linecap: round; }
.live { stroke: var(--live); stroke-width: 3; }
.rail { stroke-width: 2.5; }
"""


def ladder_svg(program: ir.Program, flow: Flow | None = None, *, title: str = "") -> str:
    """The program as an SVG document; with a flow, what has power is green and wide and operands show their values."""
    body: list[str] = []
    row, width = 0.0, 0
    for section, rungs in drawn_sections(program, flow):
        if section:
            body.append(_text(0, row, section, "heading"))
            row += 2
        for rung in rungs:
            body.append(f'<g role="group" aria-label={quoteattr(rung.heading)}>')
            body += _rung(rung, row, flow is not None)
            body.append("</g>")
            row += max(1, len(rung.comment)) + rung.drawing.height + 1.5
            titles = (len(f"{rung.heading}  {line}") for line in rung.comment)
            width = max(width, rung.drawing.width, *titles)
    across, down = width * _COLUMN + 2 * _MARGIN, int(row * _ROW) + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{down}" viewBox="0 0 {across} {down}" '
            'role="img">',
            f"<title>{_clean(title or 'Ladder diagram')}</title>",
            f"<style>\n{_STYLE}</style>",
            f'<rect class="paper" width="{across}" height="{down}"/>',
            f'<g transform="translate({_MARGIN} {_MARGIN})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _rung(rung: DrawnRung, row: float, live: bool) -> Iterator[str]:
    yield _text(0, row, rung.heading, "heading")
    for number, line in enumerate(rung.comment):
        yield _text(len(rung.heading) + 2, row + number, line, "comment")
    top = row + max(1, len(rung.comment)) + 0.25
    drawing = rung.drawing
    for rail in (0, drawing.width - 1):
        kind = "rail live" if live and rail == 0 else "rail"
        ends = (_y(top) - _ROW / 2, _y(top + drawing.height) - _ROW / 2)
        yield f'<path class="{kind}" d="M{_x(rail)} {ends[0]:g}V{ends[1]:g}"/>'
    for mark in _in_order(drawing):
        yield _mark(mark, top)


def _in_order(drawing: Drawing) -> list[Mark]:
    """Live wires last, so that they lie on top."""
    return sorted(drawing.marks, key=lambda mark: bool(getattr(mark, "live", False)))


def _mark(mark: Mark, top: float) -> str:
    match mark:
        case Line(x1, y1, x2, y2, live):
            return _path(f"M{_x(x1)} {_y(top + y1):g}L{_x(x2)} {_y(top + y2):g}", live)
        case Bar(x, y, on) | Stub(x, y, on):
            middle, half = _y(top + y), _ROW * 0.4
            return _path(f"M{_x(x)} {middle - half:g}V{middle + half:g}", on)
        case Bracket(x, y, side, on):
            bend = -_COLUMN if side == "(" else _COLUMN
            start, middle, half = _x(x) - bend // 4, _y(top + y), _ROW * 0.4
            return _path(f"M{start} {middle - half:g}q{bend / 1.4:.1f} {half:g} 0 {2 * half:g}", on)
        case Words(x, y, text, role):
            return _text(x, top + y, text, role)
        case Frame(x1, y1, x2, y2, title, live):
            sides = f"M{_x(x1)} {_y(top + y1):g}H{_x(x2)}V{_y(top + y2):g}H{_x(x1)}Z"
            room = f'<rect class="paper" x="{_x(x1 + 1)}" y="{_y(top + y1) - _ROW / 2:g}" '
            room += f'width="{(len(title) + 1) * _COLUMN}" height="{_ROW}"/>'
            return _path(sides, live) + room + _text(x1 + 2, top + y1, title, "row")


def _path(d: str, live: bool) -> str:
    return f'<path class="live" d="{d}"/>' if live else f'<path d="{d}"/>'


def _text(column: float, row: float, text: str, role: str) -> str:
    """Text as wide as its columns, whatever the font."""
    stripped = text.strip()
    start = column + len(text) - len(text.lstrip())
    kind = f' class="{role}"' if role in ("heading", "comment") else ""
    x, y = int(start * _COLUMN), _y(row) + 4.5
    return f'<text x="{x}" y="{y:g}" textLength="{len(stripped) * _COLUMN}"{kind}>{_clean(stripped)}</text>'


def _x(column: int) -> int:
    return column * _COLUMN + _COLUMN // 2


def _y(row: float) -> float:
    return row * _ROW + _ROW / 2


def _clean(text: str) -> str:
    """Text for XML, which has no control characters."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
