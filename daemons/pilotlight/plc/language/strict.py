# SPDX-License-Identifier: Apache-2.0
"""The strict form of programs: no Python control flow, which would run once while the program is built."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import FrameType

_HINTS: dict[type[ast.AST], str] = {
    ast.If: "write the condition as Rung(condition)",
    ast.IfExp: "write the condition as Rung(condition)",
    ast.BoolOp: "use all_of() and any_of(), or a comma for and",
    ast.Not: "use ~tag",
    ast.For: "use forloop() or write the rungs out",
    ast.While: "the scan itself repeats; use rungs",
    ast.Try: "faults of a scan are tags: ask fault.division_error and its like",
    ast.Assign: "make tags outside the program; use copy() and calc() for values",
    ast.AnnAssign: "make tags outside the program; use copy() and calc() for values",
    ast.AugAssign: "use calc()",
    ast.NamedExpr: "make tags outside the program",
    ast.ListComp: "write the members out, or build them outside the program",
    ast.SetComp: "write the members out, or build them outside the program",
    ast.DictComp: "write the members out, or build them outside the program",
    ast.GeneratorExp: "write the members out, or build them outside the program",
    ast.FunctionDef: "use subroutine()",
    ast.Return: "use return_early() in a subroutine",
}

_CHOICES = (ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class ForbiddenControlFlowError(RuntimeError):
    """A strict program holds Python that would run once, while it is built, and not in each scan."""


def check_function(function: Callable[[], object]) -> None:
    """Raises ForbiddenControlFlowError for the body of a program or subroutine written as a function."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        _warn(function.__qualname__)
        return
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    if isinstance(definition, ast.FunctionDef):
        _check_body(definition.body, function.__code__.co_filename)


def check_with(frame: FrameType) -> None:
    """Raises ForbiddenControlFlowError for the body of the with statement that a frame is entering."""
    filename = frame.f_code.co_filename
    source = "".join(linecache.getlines(filename, frame.f_globals))
    entered = [
        node
        for node in _with_statements(source)
        if any(i.context_expr.lineno <= frame.f_lineno <= (i.context_expr.end_lineno or 0) for i in node.items)
    ]
    if not entered:
        _warn(filename)
        return
    for item in entered[-1].items:
        _check_expression(item.context_expr, filename)
    _check_body(entered[-1].body, filename)


@lru_cache(maxsize=8)
def _with_statements(source: str) -> tuple[ast.With, ...]:
    try:
        return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.With))
    except SyntaxError:
        return ()


def _warn(what: str) -> None:
    message = f"{what}: no source, so its strict form is not checked; strict=False says that this is meant"
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def _check_body(body: list[ast.stmt], filename: str) -> None:
    for statement in body:
        if isinstance(statement, ast.With):
            for item in statement.items:
                _check_expression(item.context_expr, filename)
            _check_body(statement.body, filename)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Call, ast.Constant)):
            _check_expression(statement.value, filename)
        elif not isinstance(statement, ast.Pass):
            _refuse(statement, filename)


def _check_expression(expression: ast.expr, filename: str) -> None:
    for node in ast.walk(expression):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            _refuse(node, filename, ast.Not)
        if isinstance(node, _CHOICES):
            _refuse(node, filename)


def _refuse(node: ast.stmt | ast.expr, filename: str, kind: type[ast.AST] | None = None) -> None:
    kind = kind or type(node)
    hint = _HINTS.get(kind, "a strict program has only with, instructions and pass; or say strict=False")
    raise ForbiddenControlFlowError(f"{filename}:{node.lineno}: {kind.__name__} in a strict program: {hint}")
