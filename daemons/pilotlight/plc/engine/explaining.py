# SPDX-License-Identifier: Apache-2.0
"""Why a condition holds, or does not."""

from __future__ import annotations

from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Machine

Part = tuple[str, str, str]
"""Text of a part of a condition, its status (true, false, skipped), and the values it saw."""


def explained(
    program: ir.Program, cells: list[Any], condition: ir.Condition, of: Expressions | None = None, *,
    asked: bool = True,
) -> tuple[Part, ...]:  # fmt: skip
    """The parts of a condition for an image, which stays as it is; all are skipped unless it is `asked`."""
    m = Machine(cells.copy())
    compiled = Expressions(program) if of is None else of
    found: list[Part] = []
    for part in condition.of if isinstance(condition, ir.All) else (condition,):
        text = ir.condition_text(program, part)
        if not asked:
            found.append((text, "skipped", ""))
            continue
        asked = compiled.test(part).true(m)
        found.append((text, "true" if asked else "false", _seen(program, m, compiled, part)))
    return tuple(found)


def _seen(program: ir.Program, m: Machine, of: Expressions, condition: ir.Condition) -> str:
    if isinstance(condition, ir.Compare):
        return ", ".join(_value_text(program, m, of, each) for each in (condition.left, condition.right))
    if isinstance(condition, ir.Truth):
        return _value_text(program, m, of, condition.value)
    if isinstance(condition, (ir.Rise, ir.Fall)):
        return _value_text(program, m, of, ir.Load(condition.slot))
    if isinstance(condition, ir.Not):
        return _seen(program, m, of, condition.of)
    return "; ".join(filter(None, (_seen(program, m, of, each) for each in condition.of)))


def _value_text(program: ir.Program, m: Machine, of: Expressions, expression: ir.Expression) -> str:
    if isinstance(expression, ir.Constant):
        return str(expression.value)
    whole, real = of.either(expression)
    value: Any = whole.value(m) if whole is not None else 0
    if real is not None:
        value = real.value(m)
    return f"{ir.expression_text(program, expression)}={value}"
