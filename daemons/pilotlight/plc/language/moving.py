# SPDX-License-Identifier: Apache-2.0
"""Instructions that copy, convert and compute."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pilotlight.plc import ir
from pilotlight.plc.language.builder import Builder, current
from pilotlight.plc.language.operands import Formula, Immediate, Operand, lowered
from pilotlight.plc.language.places import bare, cells, count_of, following, place, type_of
from pilotlight.plc.language.ranges import Selection, Sum
from pilotlight.tags import Type

_WIDTHS = {Type.BOOL: 1, Type.INT: 6, Type.DINT: 11, Type.WORD: 4, Type.REAL: 48, Type.CHAR: 1}


@dataclass(frozen=True)
class Converter:
    """How copy() turns text to numbers and back. Call `to_text` to set how the text looks."""

    conversion: str
    suppress_zero: bool = True
    exponential: bool = False
    termination_code: int | str | None = None

    def __call__(
        self, suppress_zero: bool = True, exponential: bool = False, termination_code: int | str | None = None
    ) -> Converter:
        if self.conversion != "text":
            raise TypeError("only to_text takes options")
        _termination(termination_code)
        return replace(
            self, suppress_zero=suppress_zero, exponential=exponential, termination_code=termination_code
        )


to_value = Converter("value")
to_ascii = Converter("ascii")
to_text = Converter("text")
to_binary = Converter("binary")


@dataclass(frozen=True)
class Converted:
    """A source of copy() that says itself how it is converted."""

    source: object
    convert: Converter


def as_value(source: object) -> Converted:
    """Characters as the digits they show."""
    return Converted(source, to_value)


def as_ascii(source: object) -> Converted:
    """Characters as their codes."""
    return Converted(source, to_ascii)


def as_text(
    source: object, suppress_zero: bool = True, exponential: bool = False, termination_code: int | str | None = None
) -> Converted:
    """A number as text."""
    return Converted(source, to_text(suppress_zero, exponential, termination_code))


def as_binary(source: object) -> Converted:
    """The low byte of a number as a character."""
    return Converted(source, to_binary)


def _parted(source: object, convert: Converter | None) -> tuple[object, Converter | None]:
    return (source.source, source.convert) if isinstance(source, Converted) else (source, convert)


def _termination(code: int | str | None) -> int:
    if code is None:
        return ir.NONE
    if isinstance(code, str):
        number = int(code[1:], 16) if code.startswith("$") and len(code) == 3 else ord(code) if len(code) == 1 else -1
    else:
        number = code
    if not 0 <= number <= 255:
        raise ValueError(f"{code!r} is no character: give a code of 0 to 255, one character, or hexadecimal as $0D")
    return number


def copy(source: object, target: object, convert: Converter | None = None, oneshot: bool = False) -> None:
    """With power, copy one value; what does not fit the target saturates. Text goes to consecutive CHAR tags."""
    source, convert = _parted(source, convert)
    builder = current("copy()")
    builder.open_rung("copy()")
    kind = type_of(target)
    once = builder.once(oneshot)
    conversion = "none" if convert is None else convert.conversion
    if convert is not None and conversion == "text":
        _format(builder, source, target, convert, once)
    elif isinstance(source, str):
        _text(builder, source, target, conversion, once)
    elif conversion != "none":
        if isinstance(bare(source), Selection):
            raise TypeError("copy() takes one value; blockcopy() takes ranges")
        _convert(builder, source, target, conversion, once)
    else:
        value, to = lowered(builder, source), place(builder, target)
        if isinstance(source, Operand) and source.type is None and kind is Type.CHAR:
            raise TypeError(f"{target!r} is CHAR: convert the number with to_text or to_binary")
        builder.add("copy()", lambda power, line: ir.Move(enable=power, line=line, source=value, target=to, once=once))


def _text(builder: Builder, text: str, target: object, conversion: str, once: int) -> None:
    if any(ord(each) > 255 for each in text):
        raise ValueError(f"{text!r}: a CHAR goes up to U+00FF")
    kind = type_of(target)
    if conversion == "none" and kind is not Type.CHAR:
        raise TypeError(f"{target!r} is {kind.name}: text needs CHAR, or convert=to_value or to_ascii")
    if conversion == "binary":
        raise TypeError("to_binary turns numbers into characters")
    codes = tuple(ord(each) for each in text) or (0,)
    targets = following(builder, target, len(codes), exact=True)
    builder.add(
        "copy()",
        lambda power, line: ir.Text(
            enable=power, line=line, codes=codes, targets=targets, conversion=conversion, once=once
        ),
    )


def _format(builder: Builder, source: object, target: object, convert: Converter, once: int) -> None:
    if type_of(target) is not Type.CHAR:
        raise TypeError(f"{target!r} is {type_of(target).name}: text needs CHAR")
    if isinstance(source, (bool, str)):
        raise TypeError(f"{source!r} is no number")
    value = lowered(builder, source)
    kind = source.type if isinstance(source, Operand) else None
    if kind is None:
        kind = Type.REAL if builder.kind(value) == "float" else Type.DINT
    termination = _termination(convert.termination_code)
    targets = following(builder, target, _WIDTHS[kind] + (termination != ir.NONE), exact=False)
    code = int(kind)
    builder.add(
        "copy()",
        lambda power, line: ir.Format(
            enable=power, line=line, source=value, type=code, targets=targets, suppress_zero=convert.suppress_zero,
            exponential=convert.exponential, termination=termination, once=once,
        ),
    )  # fmt: skip


def _convert(builder: Builder, source: object, target: object, conversion: str, once: int) -> None:
    text_in, text_out = type_of(source) is Type.CHAR, type_of(target) is Type.CHAR
    if conversion in ("value", "ascii") and not (text_in and not text_out):
        raise TypeError(f"to_{conversion} turns CHAR into numbers: {source!r} is {type_of(source).name}")
    if conversion == "binary" and (text_in or not text_out):
        raise TypeError("to_binary turns numbers into characters")
    if conversion == "text":
        raise TypeError("a range is converted with to_value or to_ascii")
    read, targets = cells(builder, source), cells(builder, target, write=True)
    if None not in (count_of(read), count_of(targets)) and count_of(read) != count_of(targets):
        raise ValueError(f"blockcopy(): {count_of(read)} tags do not go into {count_of(targets)}")
    builder.add(
        "copy()",
        lambda power, line: ir.Convert(
            enable=power, line=line, source=read, targets=targets, conversion=conversion, once=once
        ),
    )


def blockcopy(source: object, target: object, convert: Converter | None = None, oneshot: bool = False) -> None:
    """With power, copy a range to one of the same length; everything is read before anything is written."""
    source, convert = _parted(source, convert)
    builder = current("blockcopy()")
    builder.open_rung("blockcopy()")
    if convert is not None and convert.conversion not in ("value", "ascii"):
        raise TypeError("blockcopy() converts with to_value or to_ascii")
    once = builder.once(oneshot)
    _convert(builder, source, target, "none" if convert is None else convert.conversion, once)


def fill(source: object, target: object, oneshot: bool = False) -> None:
    """With power, copy one value to every tag of a range."""
    builder = current("fill()")
    builder.open_rung("fill()")
    value, targets, once = lowered(builder, source), cells(builder, target, write=True), builder.once(oneshot)
    builder.add(
        "fill()", lambda power, line: ir.Fill(enable=power, line=line, source=value, targets=targets, once=once)
    )


def calc(expression: object, target: object, oneshot: bool = False) -> None:
    """With power, store the value of an expression; what does not fit wraps and sets fault.out_of_range.

    When all tags in it and the target are WORD, it wraps silently.
    """
    builder = current("calc()")
    builder.open_rung("calc()")
    if type_of(target) is Type.CHAR:
        raise TypeError(f"{target!r} is CHAR, which calc() cannot store to")
    value, to, once = lowered(builder, expression), place(builder, target), builder.once(oneshot)
    word = type_of(target) is Type.WORD and _leaf_types(expression) == {Type.WORD}
    builder.add(
        "calc()",
        lambda power, line: ir.Calculate(enable=power, line=line, source=value, target=to, word=word, once=once),
    )


def _leaf_types(expression: object) -> set[Type]:
    if isinstance(expression, Formula):
        return set[Type]().union(*(_leaf_types(each) for each in expression.operands))
    if isinstance(expression, Immediate):
        return _leaf_types(expression.of)
    if isinstance(expression, Sum):
        return {expression.of.type}
    return {expression.type} if isinstance(expression, Operand) and expression.type is not None else set()
