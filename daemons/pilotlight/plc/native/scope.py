# SPDX-License-Identifier: Apache-2.0
"""The text of C functions while it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pilotlight.plc import ir
from pilotlight.plc.native.layout import Layout

_FAULTS = re.compile(r"&f\b|\bf\.")


class EmitError(ValueError):
    """A program cannot be turned into C; the interpreter can still run it."""


class Source:
    """What the functions of a program share: its layout, and the constant data that they name."""

    def __init__(self, program: ir.Program, symbol: str) -> None:
        self.program: ir.Program = program
        self.symbol: str = symbol
        """What the names of functions begin with."""
        self.layout: Layout = Layout(program.cells)
        self.data: list[str] = []
        self._named: dict[str, str] = {}

    def array(self, ctype: str, values: tuple[int, ...]) -> str:
        """The name of a constant array with these values; arrays with equal values are one."""
        return self.constant(f"{ctype} %s[] = {{{', '.join(map(str, values or (0,)))}}}")

    def constant(self, declaration: str) -> str:
        """The name of constant data; `%s` stands for it in the declaration."""
        name = self._named.get(declaration)
        if name is None:
            name = self._named[declaration] = f"{self.symbol}_k{len(self._named)}"
            self.data.append(f"static const {declaration % name};")
        return name


class Scope:
    """Lines of one function. Temporaries are numbered through it."""

    def __init__(self, source: Source) -> None:
        self.source: Source = source
        self.lines: list[str] = []
        self._temporaries: int = 0
        self._depth: int = 1

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self._depth + text)

    def line_at(self, line: int, text: str) -> None:
        """Add a line before what was written since the scope had `line` lines."""
        self.lines.insert(line, "    " * self._depth + text)

    def wrap(self, line: int, before: str, head: str, last: str) -> None:
        """Put what was written since the scope had `line` lines, and `last`, into braces behind `head`."""
        inside = self.lines[line:]
        del self.lines[line:]
        self.line(before)
        self.line(head)
        self.lines += ["    " + each for each in inside]
        self.line(last)
        self.line("}")

    def fresh(self) -> str:
        """A name that is not used yet."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def keep(self, ctype: str, text: str) -> str:
        """Evaluate here and now; gives the name of the result."""
        name = self.fresh()
        self.line(f"const {ctype} {name} = {text};")
        return name

    def keep_at(self, line: int, ctype: str, text: str) -> str:
        """As keep(), before what was written since the scope had `line` lines."""
        name = self.fresh()
        self.line_at(line, f"const {ctype} {name} = {text};")
        return name

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """What is written inside is in braces, behind `head`."""
        self.line(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextmanager
    def faults(self, head: str = "") -> Iterator[None]:
        """As block(), with a `plc_faults f` when something inside uses it."""
        with self.block(head):
            start = len(self.lines)
            yield
            self.declare_faults(start)

    def declare_faults(self, line: int) -> None:
        """Declare `plc_faults f` if what was written since the scope had `line` lines uses it."""
        if any(_FAULTS.search(each) for each in self.lines[line:]):
            self.line_at(line, "plc_faults f = {m->b, 0};")
