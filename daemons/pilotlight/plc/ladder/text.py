# SPDX-License-Identifier: Apache-2.0
"""Ladders in box-drawing characters. Wires with power and closed contacts are heavy."""

from __future__ import annotations

from pilotlight.plc import ir
from pilotlight.plc.ladder.drawing import Bar, Bracket, Drawing, Frame, Line, Stub, Words
from pilotlight.plc.ladder.flow import Flow
from pilotlight.plc.ladder.sections import drawn_sections

_UP, _DOWN, _LEFT, _RIGHT = range(4)
_LIGHT, _HEAVY = 1, 2
# By the weights of the arms: up counts 27, down 9, left 3, right 1.
_JOINTS = (
    " ╶╺╴─╼╸╾━"
    "╷┌┍┐┬┮┑┭┯"
    "╻┎┏┒┰┲┓┱┳"
    "╵└┕┘┴┶┙┵┷"
    "│├┝┤┼┾┥┽┿"
    "╽┟┢┧╁╆┪╅╈"
    "╹┖┗┚┸┺┛┹┻"
    "╿┞┡┦╀╄┩╃╇"
    "┃┠┣┨╂╊┫╉╋"
)


class Canvas:
    """Characters, and lines whose arms join where they meet."""

    def __init__(self, width: int, height: int) -> None:
        self._arms = [[[0, 0, 0, 0] for _ in range(width)] for _ in range(height)]
        self._letters: list[dict[int, str]] = [{} for _ in range(height)]

    def _arm(self, x: int, y: int, arm: int, weight: int) -> None:
        arms = self._arms[y][x]
        arms[arm] = max(arms[arm], weight)

    def line(self, x1: int, y1: int, x2: int, y2: int, live: bool) -> None:
        """A horizontal or vertical line from middle to middle."""
        weight = _HEAVY if live else _LIGHT
        for x in range(x1, x2):
            self._arm(x, y1, _RIGHT, weight)
            self._arm(x + 1, y1, _LEFT, weight)
        for y in range(y1, y2):
            self._arm(x1, y, _DOWN, weight)
            self._arm(x1, y + 1, _UP, weight)

    def bar(self, x: int, y: int, live: bool) -> None:
        """A vertical stroke through one place."""
        for arm in (_UP, _DOWN):
            self._arm(x, y, arm, _HEAVY if live else _LIGHT)

    def write(self, x: int, y: int, text: str) -> None:
        """Characters, over any line; control characters become spaces."""
        for offset, letter in enumerate(text):
            self._letters[y][x + offset] = letter if letter.isprintable() else " "

    def lines(self) -> list[str]:
        """The rows, without spaces at their ends."""
        rows: list[str] = []
        for arms, letters in zip(self._arms, self._letters, strict=True):
            row = [letters.get(x, _JOINTS[27 * up + 9 * down + 3 * left + right])
                   for x, (up, down, left, right) in enumerate(arms)]  # fmt: skip
            rows.append("".join(row).rstrip())
        return rows


def ladder_text(program: ir.Program, flow: Flow | None = None) -> str:
    """The program as a ladder of text; with a flow, what has power is heavy and operands show their values."""
    lines: list[str] = []
    for title, rungs in drawn_sections(program, flow):
        if title:
            lines += [title, ""]
        for rung in rungs:
            first, *rest = rung.comment or ("",)
            lines.append(f"{rung.heading}  {first}".rstrip())
            lines += [f"{' ' * len(rung.heading)}  {each}".rstrip() for each in rest]
            lines += [*_painted(rung.drawing, flow is not None), ""]
    return "\n".join(lines)


def _painted(drawing: Drawing, live: bool) -> list[str]:
    canvas = Canvas(drawing.width, drawing.height)
    for rail in (0, drawing.width - 1):
        for row in range(drawing.height):
            canvas.bar(rail, row, live and rail == 0)
    for mark in drawing.marks:
        match mark:
            case Line(x1, y1, x2, y2, on):
                canvas.line(x1, y1, x2, y2, on)
            case Bar(x, y, on):
                canvas.bar(x, y, on)
            case Bracket(x, y, side, on):
                canvas.write(x, y, {"(": "❨", ")": "❩"}[side] if on else side)
            case Words(x, y, text):
                canvas.write(x, y, text)
            case Stub(x, y, on):
                canvas.bar(x, y, on)
            case Frame():
                _frame(canvas, mark)
    return canvas.lines()


def _frame(canvas: Canvas, frame: Frame) -> None:
    for row in (frame.y1, frame.y2):
        canvas.line(frame.x1, row, frame.x2, row, frame.live)
    for column in (frame.x1, frame.x2):
        canvas.line(column, frame.y1, column, frame.y2, frame.live)
    canvas.write(frame.x1 + 1, frame.y1, f" {frame.title} ")
