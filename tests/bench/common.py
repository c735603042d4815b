# SPDX-License-Identifier: Apache-2.0
"""What the benches share: rows of figures, and the table they are printed as.

A figure stands beside its bar and its peer (what was measured in the same run to compare with). A bench never fails by
the clock: it prints, people judge.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: `bar` is the most it should be, or with `least` the least (None: for information), `peer` what it was
    measured against."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    peer: str = ""
    least: bool = False

    @property
    def limit(self) -> str:
        """The bar with its sign."""
        return "" if self.bar is None else f"{'≥' if self.least else '≤'} {self.bar:g}"

    @property
    def verdict(self) -> str:
        """In words, whether the figure is within its bar."""
        if self.bar is None:
            return ""
        if self.least:
            return "reached" if self.value >= self.bar else "UNDER"
        return "within" if self.value <= self.bar else "OVER"


def table(title: str, rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    heads = ("figure", "value", "unit", "bar", "", "peer")
    cells = [(row.name, f"{row.value:.4g}", row.unit, row.limit, row.verdict, row.peer) for row in rows]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *cells]]
    return "\n".join([title, *(line.rstrip() for line in lines), ""])


def main(title: str, run: Callable[[bool], list[Row]]) -> None:
    """The command line of a bench module: run it, `--quick` or in full, and print its table."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: seconds, not minutes")
    print(table(title, run(parser.parse_args().quick)))
