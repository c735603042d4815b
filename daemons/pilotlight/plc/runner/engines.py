# SPDX-License-Identifier: Apache-2.0
"""Which engine a runner has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.engine.protocol import Engine
from pilotlight.plc.native.build import BuildError, build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.engine import SYMBOL, NativeEngine
from pilotlight.plc.native.scope import EmitError

KINDS = ("interpreter", "native", "auto")


class Engines:
    """Makes engines of one program: `interpreter`, `native` (C, built by gcc once), or `auto`: native if possible.

    Raises ValueError for another kind, and with `native` EmitError or BuildError when there can be no native program.
    """

    def __init__(self, kind: str, program: ir.Program, functions: Mapping[str, Callable[..., Any]]) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no engine: {', '.join(KINDS)}")
        self._program = program
        self._functions = functions
        self._library: Path | None = None
        if kind != "interpreter":
            try:
                self._library = build(emit(program, SYMBOL))
            except (EmitError, BuildError):
                if kind == "native":
                    raise
        self.kind = "interpreter" if self._library is None else "native"

    def make(self) -> Engine:
        """An engine with the program's initial image."""
        if self._library is None:
            return Interpreter(self._program, self._functions)
        return NativeEngine(self._program, self._library)
