# SPDX-License-Identifier: Apache-2.0
"""Python functions in a rung."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from pilotlight.plc import ir
from pilotlight.plc.language.builder import current
from pilotlight.plc.language.operands import Operand, lowered
from pilotlight.plc.language.places import place
from pilotlight.tags import Type


def _python(
    name: str, function: Callable[..., object], inputs: Mapping[str, object] | None,
    outputs: Mapping[str, object] | None, always: bool, oneshot: bool,
) -> None:  # fmt: skip
    builder = current(name)
    builder.open_rung(name)
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        raise TypeError(f"{name}: a scan cannot wait for the coroutine {function!r}")
    if not isinstance(inputs or {}, Mapping) or not isinstance(outputs or {}, Mapping):
        raise TypeError(f"{name}: ins and outs are mappings of names to values and to tags")
    _check_signature(name, function, (*(("enabled",) if always else ()), *(inputs or {})))
    number = len(builder.functions)
    key = f"{getattr(function, '__qualname__', type(function).__name__)}:{number}"
    read = []
    for each, source in (inputs or {}).items():
        value = lowered(builder, source)
        kind = source.type if isinstance(source, Operand) else None
        if kind is None:
            kind = Type.LREAL if builder.kind(value) == "float" else Type.LINT
        read.append((each, value, int(kind)))
    stored = tuple((each, place(builder, target)) for each, target in (outputs or {}).items())
    once = builder.once(oneshot)
    builder.functions[key] = function
    builder.add(
        name,
        lambda power, line: ir.Python(
            enable=power, line=line, function=key, inputs=tuple(read), outputs=stored, always=always, once=once
        ),
    )


def _check_signature(name: str, function: Callable[..., object], given: tuple[str, ...]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # of a function of C that does not tell its parameters
    arguments: dict[str, object] = dict.fromkeys(given[1:] if given[:1] == ("enabled",) else given)
    try:
        signature.bind(*given[:1], **arguments) if given[:1] == ("enabled",) else signature.bind(**arguments)
    except TypeError as error:
        raise TypeError(f"{name} ins keys do not fit {function!r}: {error}") from error


def run_function(
    function: Callable[..., object], ins: Mapping[str, object] | None = None, outs: Mapping[str, object] | None = None,
    oneshot: bool = False,
) -> None:  # fmt: skip
    """With power, call `function(**ins)` and store the values it returns, saturating, in `outs`."""
    _python("run_function()", function, ins, outs, False, oneshot)


def run_enabled_function(
    function: Callable[..., object], ins: Mapping[str, object] | None = None, outs: Mapping[str, object] | None = None
) -> None:
    """In each scan, call `function(power, **ins)` and store the values it returns, saturating, in `outs`."""
    _python("run_enabled_function()", function, ins, outs, True, False)
