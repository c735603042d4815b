# SPDX-License-Identifier: Apache-2.0
"""What a child process is told when it is spawned, written as its command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def encode(job: DataclassInstance) -> list[str]:
    """The command-line arguments that say `job`, a dataclass of int, str and tuples of str."""
    arguments = []
    for field in fields(job):
        value = getattr(job, field.name)
        text = "\n".join(value) if isinstance(value, tuple) else str(value)
        arguments.append(f"{field.name}={text}")
    return arguments


def decode(kind: type[T], arguments: Sequence[str]) -> T:
    """The job of this kind that `arguments` say. ValueError when they are not one."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    values: dict[str, int | str | tuple[str, ...]] = {}
    for field in fields(kind):
        if field.name not in given:
            raise ValueError(f"the job does not say {field.name}")
        text = given[field.name]
        if field.type == "int":
            values[field.name] = int(text)
        elif field.type == "str":
            values[field.name] = text
        else:
            values[field.name] = tuple(text.split("\n")) if text else ()
    return kind(**values)
