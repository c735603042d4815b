# SPDX-License-Identifier: Apache-2.0
"""Instructions of the IR. Each runs in every scan that reaches it, with power or without.

Common fields: `enable` is the number of the power in `Rung.powers` that the instruction receives; `line` is its
line in the rung's source file, 0 when unknown; `once` is the slot of an internal BOOL, or −1: with it, the
instruction acts only in the first of consecutive scans with power. `reset`, `down`, `clock`, `jump`, `jog` and
`events` are numbers of powers too. Names that end in `_memory` are slots of internal cells. What each
instruction does is said in docs/plc-ir.md and, as code, in `pilotlight.plc.engine`.
"""

from __future__ import annotations

import msgspec

from pilotlight.plc.ir.expressions import Expression
from pilotlight.plc.ir.storage import Cells, Place

NONE = -1
"""No slot, no power."""


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    enable: int
    line: int = 0


class Out(_Base, frozen=True, kw_only=True, tag_field="is", tag="out"):
    """Coils: each target becomes whether there is power (with `once`: whether power has just come)."""

    targets: Cells
    once: int = NONE


class Latch(_Base, frozen=True, kw_only=True, tag_field="is", tag="latch"):
    """With power, each target becomes true."""

    targets: Cells
    once: int = NONE


class Reset(_Base, frozen=True, kw_only=True, tag_field="is", tag="reset"):
    """With power, each target becomes its cell's default."""

    targets: Cells
    once: int = NONE


class Move(_Base, frozen=True, kw_only=True, tag_field="is", tag="move"):
    """With power, store a value; what does not fit saturates, without a fault."""

    source: Expression
    target: Place
    once: int = NONE


class Calculate(_Base, frozen=True, kw_only=True, tag_field="is", tag="calculate"):
    """With power, store a value; what does not fit wraps and sets out_of_range (`word`: wraps silently)."""

    source: Expression
    target: Place
    word: bool = False
    once: int = NONE


class Text(_Base, frozen=True, kw_only=True, tag_field="is", tag="text"):
    """With power, write characters to consecutive cells: as they are, as digit values, or as codes."""

    codes: tuple[int, ...]
    targets: Cells
    conversion: str = "none"
    once: int = NONE


class Convert(_Base, frozen=True, kw_only=True, tag_field="is", tag="convert"):
    """With power, copy cell by cell: `none` saturates, `value` reads digits, `ascii` takes codes, `binary` gives
    the character of the low byte. The counts must agree; a source that does not convert changes nothing and sets
    out_of_range. All sources are read before the first target is written."""

    source: Cells
    targets: Cells
    conversion: str = "none"
    once: int = NONE


class Fill(_Base, frozen=True, kw_only=True, tag_field="is", tag="fill"):
    """With power, evaluate once and store, saturating, to each target."""

    source: Expression
    targets: Cells
    once: int = NONE


class Format(_Base, frozen=True, kw_only=True, tag_field="is", tag="format"):
    """With power, write a number as text to consecutive CHAR cells; `type` says how wide and in which base."""

    source: Expression
    type: int
    targets: Cells
    suppress_zero: bool = True
    exponential: bool = False
    termination: int = NONE
    once: int = NONE


class Parse(_Base, frozen=True, kw_only=True, tag_field="is", tag="parse"):
    """With power, read a number from CHAR cells; text that is no number of the target's type sets out_of_range."""

    source: Cells
    target: Place
    allow_whitespace: bool = False
    once: int = NONE


class Pack(_Base, frozen=True, kw_only=True, tag_field="is", tag="pack"):
    """With power, join cells of `width` bits (1 or 16), the lowest first, to the bits of the target."""

    source: Cells
    target: Place
    width: int
    once: int = NONE


class Unpack(_Base, frozen=True, kw_only=True, tag_field="is", tag="unpack"):
    """With power, part the bits of a value to cells of `width` bits (1 or 16), the lowest first."""

    source: Place
    targets: Cells
    width: int
    once: int = NONE


class Search(_Base, frozen=True, kw_only=True, tag_field="is", tag="search"):
    """With power, the address of the first cell (of CHAR: of the first text of the length of `text`) that compares.

    `result` becomes that address or −1, `found` whether there is one. `continuous` goes on behind the address in
    `result`; 0 there begins anew, −1 ends.
    """

    source: Cells
    operator: str
    value: Expression
    text: tuple[int, ...]
    result: int
    found: int
    continuous: bool = False
    once: int = NONE


class Timer(_Base, frozen=True, kw_only=True, tag_field="is", tag="timer"):
    """An on-delay (`off` false) or off-delay timer; with a `reset` power the on-delay timer keeps its time."""

    done: int
    elapsed: int
    preset: Expression
    unit_ns: int
    fraction_memory: int
    off: bool = False
    armed_memory: int = NONE
    reset: int = NONE


class Counter(_Base, frozen=True, kw_only=True, tag_field="is", tag="counter"):
    """Counts every scan with power: up, or down when `backward`; the `down` power takes one away."""

    done: int
    count: int
    preset: Expression
    reset: int
    backward: bool = False
    down: int = NONE


class Shift(_Base, frozen=True, kw_only=True, tag_field="is", tag="shift"):
    """A shift register: on the rising edge of `clock` power enters at the first cell; `reset` clears all."""

    targets: Cells
    clock: int
    clock_memory: int
    reset: int


class Drum(_Base, frozen=True, kw_only=True, tag_field="is", tag="drum"):
    """A drum sequencer, by events or (when `events` is empty) by time; `presets` has a value a step."""

    outputs: tuple[int, ...]
    pattern: tuple[tuple[bool, ...], ...]
    step: int
    completed: int
    reset: int
    events: tuple[int, ...] = ()
    event_memory: int = NONE
    step_memory: int = NONE
    presets: tuple[Expression, ...] = ()
    elapsed: int = NONE
    unit_ns: int = 0
    fraction_memory: int = NONE
    jump: int = NONE
    jump_memory: int = NONE
    jump_step: Expression | None = None
    jog: int = NONE
    jog_memory: int = NONE


class Call(_Base, frozen=True, kw_only=True, tag_field="is", tag="call"):
    """With power, run a subroutine; without, nothing of it runs."""

    subroutine: int


class Return(_Base, frozen=True, kw_only=True, tag_field="is", tag="return"):
    """With power, leave the subroutine."""


class Loop(_Base, frozen=True, kw_only=True, tag_field="is", tag="loop"):
    """With power, run the body `count` times, `index` counting from 0; without, run it once without power.

    A count below 1 runs nothing; above `LONGEST_LOOP` it is that, and out_of_range is set.
    """

    count: Expression
    index: int
    body: tuple[Instruction, ...]
    once: int = NONE


class Python(_Base, frozen=True, kw_only=True, tag_field="is", tag="python"):
    """Call a Python function with named inputs and store its named results, saturating.

    Without `always` it is called with power only; with it, every scan with the power as first argument. The
    function is found by `function` in the table that goes with the program; only the interpreter has one.
    """

    function: str
    inputs: tuple[tuple[str, Expression, int], ...]
    outputs: tuple[tuple[str, Place], ...]
    always: bool = False
    once: int = NONE


LONGEST_LOOP = 65535

Instruction = (
    Out | Latch | Reset | Move | Calculate | Text | Convert | Fill | Format | Parse | Pack | Unpack | Search
    | Timer | Counter | Shift | Drum | Call | Return | Loop | Python
)  # fmt: skip
