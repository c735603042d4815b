# SPDX-License-Identifier: Apache-2.0
"""Arguments of the requests that are served; what else a client sends with them does not matter."""

from __future__ import annotations

from typing import Literal

import msgspec


class Initialize(msgspec.Struct, rename="camel"):
    """Arguments of initialize."""

    lines_start_at1: bool = True
    supports_invalidated_event: bool = False


class Launch(msgspec.Struct, rename="camel"):
    """Arguments of launch: a program file, and which of its programs when it has several.

    `dt` are the seconds of a scan, those of the file unless given; `speed` how fast they pass, 0: as fast as they can.
    """

    program: str
    variable: str = ""
    stop_on_entry: bool = False
    dt: float | None = None
    speed: float = 1.0
    set_variable: Literal["patch", "force"] = "patch"


class Source(msgspec.Struct):
    """A source file."""

    path: str = ""


class SourceBreakpoint(msgspec.Struct, rename="camel"):
    """A breakpoint that is wanted."""

    line: int
    condition: str = ""
    hit_condition: str = ""
    log_message: str = ""


class SetBreakpoints(msgspec.Struct):
    """Arguments of setBreakpoints."""

    source: Source
    breakpoints: list[SourceBreakpoint] = []


class StackTrace(msgspec.Struct, rename="camel"):
    """Arguments of stackTrace."""

    start_frame: int = 0
    levels: int = 0


class Variables(msgspec.Struct, rename="camel"):
    """Arguments of variables."""

    variables_reference: int
    start: int = 0
    count: int = 0


class SetVariable(msgspec.Struct, rename="camel"):
    """Arguments of setVariable."""

    variables_reference: int
    name: str
    value: str


class Evaluate(msgspec.Struct):
    """Arguments of evaluate."""

    expression: str
    context: str = ""


class Step(msgspec.Struct):
    """Arguments of the stepping requests."""

    granularity: str = "statement"


class Anything(msgspec.Struct):
    """Arguments that do not matter."""
