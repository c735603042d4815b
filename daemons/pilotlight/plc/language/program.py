# SPDX-License-Identifier: Apache-2.0
"""Programs, rungs, branches and loops."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Any, ClassVar, Self, overload

import msgspec

from pilotlight.plc import ir
from pilotlight.plc.ir import Task
from pilotlight.plc.language.builder import CURRENT, Builder, Draft, caller, caller_line, current
from pilotlight.plc.language.conditions import lower_all
from pilotlight.plc.language.operands import Literal, Operand, lowered
from pilotlight.plc.language.strict import check_function, check_with
from pilotlight.plc.language.tag import Dint, Tag

LONGEST_COMMENT = 1400


class Program:
    """A ladder program, written inside `with Program():`; `strict` refuses Python control flow in it."""

    _dialects: ClassVar[dict[str, Callable[..., object]]] = {}

    def __init__(self, strict: bool = True) -> None:
        self.strict = strict
        self.builder = Builder()
        self._token: Token[Builder | None] | None = None
        self._lowered: ir.Program | None = None

    def __enter__(self) -> Self:
        if CURRENT.get() is not None:
            raise RuntimeError("a program inside a program")
        if self.strict:
            check_with(sys._getframe(1))
        self._begin()
        return self

    def _begin(self) -> None:
        self._lowered = None
        self._token = CURRENT.set(self.builder)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
            self._token = None
        if kind is None:
            self._lowered = self.builder.finished()

    @classmethod
    def of_function(cls, function: Callable[[], object], strict: bool) -> Program:
        """The program that a function writes when it is called, once."""
        if strict:
            check_function(function)
        made = cls(strict)
        made._begin()
        try:
            function()
        except BaseException as error:
            made.__exit__(type(error), error, error.__traceback__)
            raise
        made.__exit__(None, None, None)
        return made

    @property
    def ir(self) -> ir.Program:
        """The program in the IR; raises KeyError, ValueError or IRError when it is not sound."""
        if self._lowered is None:
            self._lowered = self.builder.finished()
        return self._lowered

    @property
    def tags(self) -> dict[str, Tag]:
        """Tags that the program names, by name."""
        return dict(self.builder.tags)

    @property
    def tasks(self) -> dict[str, Task]:
        """Tasks of the program beside the main one, by name."""
        return {task.name: task for task in self.ir.tasks}

    @property
    def functions(self) -> dict[str, Callable[..., object]]:
        """Python functions that the program calls, by the name the IR has for them."""
        return dict(self.builder.functions)

    @classmethod
    def register_dialect(cls, name: str, validator: Callable[..., object]) -> None:
        """Make a validator known: called with the program, `mode` and what else `validate` is given."""
        cls._dialects = {**cls._dialects, name: validator}

    @classmethod
    def registered_dialects(cls) -> tuple[str, ...]:
        """Names of the dialects, sorted."""
        return tuple(sorted(cls._dialects))

    def validate(self, dialect: str, mode: str = "warn", **options: Any) -> object:
        """What the validator of a dialect says; KeyError when there is no such dialect."""
        if dialect not in self._dialects:
            known = ", ".join(self.registered_dialects()) or "none"
            raise KeyError(f"there is no dialect {dialect!r}; registered: {known}")
        return self._dialects[dialect](self, mode=mode, **options)


@overload
def program(function: Callable[[], object], /) -> Program: ...
@overload
def program(*, strict: bool = True) -> Callable[[Callable[[], object]], Program]: ...
def program(
    function: Callable[[], object] | None = None, /, *, strict: bool = True
) -> Program | Callable[[Callable[[], object]], Program]:
    """Make a program of a function: `@program` or `@program(strict=False)`."""
    if function is not None:
        return Program.of_function(function, strict)
    return lambda body: Program.of_function(body, strict)


class Rung:
    """A rung: `with Rung(condition, …):`. Conditions are joined by and; without any, power always flows."""

    def __init__(self, *conditions: object) -> None:
        self.conditions = conditions
        self._continued = False
        self._builder: Builder | None = None
        self.file, self.line = caller()

    def continued(self) -> Rung:
        """Decide this rung's conditions together with those of the rung before it."""
        self._continued = True
        return self

    def __enter__(self) -> Self:
        builder = current("Rung")
        if builder.draft is not None:
            raise RuntimeError("a rung inside a rung: use branch()")
        if self._continued and not builder.section:
            raise RuntimeError("the first rung of a program, task or subroutine continues nothing")
        if self._continued and builder.comment:
            raise RuntimeError("a continued rung has no comment of its own")
        draft = Draft(self.file, self.line, builder.comment, self._continued)
        draft.add_power(lower_all(builder, self.conditions), ir.NONE, "rung", self.line)
        builder.comment = ""
        builder.draft = draft
        self._builder = builder
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        builder = self._builder
        if builder is None or builder.draft is None:
            return
        draft, builder.draft = builder.draft, None
        if kind is None:
            builder.section.append(draft.finished())


rung = Rung


class branch:  # noqa: N801 - written like a statement of the language
    """A parallel flow of a rung: `with branch(condition, …):`, joined by and with what it hangs on."""

    def __init__(self, *conditions: object) -> None:
        self.conditions = conditions
        self.line = caller_line()
        self._draft: Draft | None = None
        self._outer = 0

    def __enter__(self) -> Self:
        builder = current("branch()")
        draft = builder.open_rung("branch()")
        if draft.loop:
            raise RuntimeError("branch() cannot stand in a loop")
        if draft.power in draft.ended:
            raise RuntimeError("branch() follows an instruction that must be the last of its rung or branch")
        self._draft, self._outer = draft, draft.power
        draft.power = draft.add_power(lower_all(builder, self.conditions), self._outer, "branch", self.line)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._draft is not None:
            self._draft.power = self._outer
            if kind is None:
                self._draft.refuse_unfinished()


def comment(text: str) -> None:
    """The comment of the next rung, at most 1400 characters; ValueError beyond."""
    text = inspect.cleandoc(text)
    if len(text) > LONGEST_COMMENT:
        raise ValueError(f"the comment has {len(text)} characters; a rung takes {LONGEST_COMMENT}")
    builder = current("comment()")
    if builder.comment:
        raise RuntimeError("two comments for one rung: make it one comment")
    builder.comment = text


class forloop:  # noqa: N801 - written like a statement of the language
    """Repeat instructions: `with forloop(count) as loop:`; `loop.idx` counts from 0."""

    def __init__(self, count: Operand | Literal, oneshot: bool = False) -> None:
        if isinstance(count, (str, float)):
            raise TypeError(f"{count!r} is no count of repetitions")
        self.count = count
        self.oneshot = oneshot
        self.idx = Dint("_forloop_idx")
        self._place = 0
        self._draft: Draft | None = None

    def __enter__(self) -> Self:
        builder = current("forloop()")
        draft = builder.open_rung("forloop()")
        if draft.loop:
            raise RuntimeError("a loop inside a loop")
        count, index, once = lowered(builder, self.count), builder.slot(self.idx), builder.once(self.oneshot)
        self._place = builder.add(
            "forloop()",
            lambda power, line: ir.Loop(enable=power, line=line, count=count, index=index, body=(), once=once),
        )
        draft.loop = True
        self._draft = draft
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        draft = self._draft
        if draft is None:
            return
        draft.loop = False
        if kind is None:
            draft.refuse_unfinished()
            body = tuple(draft.steps[self._place + 1 :])
            draft.steps[self._place :] = [msgspec.structs.replace(draft.steps[self._place], body=body)]
