# SPDX-License-Identifier: Apache-2.0
"""What a scan process is told when it is spawned: one job, written as its command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True)
class Job:
    """Everything a scan process needs to begin. Descriptors are numbers that it inherits; times are nanoseconds."""

    parent: int
    """Process number of the supervisor."""
    segment: int
    ring: int
    reports: int
    """Descriptors of the segment's file, the command ring and the writing end of the report pipe."""
    saved: int
    carried: int
    """Descriptors of the memory where the program saves what it remembers, and of that of the program before; -1
    when there is none."""
    program: str
    """Path of the shared object; empty for the empty program."""
    period_ns: int
    """Slot to slot of the empty program."""
    limit_ns: int
    """How long after its planned time a scan may end before the process counts as hung."""
    supervisor_ns: int
    """How old the supervisor's sign of life may be."""
    priority: int
    """SCHED_FIFO priority; 0 for ordinary scheduling."""
    cpu: int
    """The processor to run on; -1 for any."""
    memory: int
    """Bytes of address space."""
    safe: int
    """Safe values of the outputs as bits."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """Handles of the line requests, in bit order."""
    input_points: tuple[str, ...] = ()
    output_points: tuple[str, ...] = ()
    """`byte.bit` of every line, in bit order."""
    readable: tuple[str, ...] = ()
    """Files and trees that loading the program may read."""


def encode(job: DataclassInstance) -> list[str]:
    """The command-line arguments that say `job`, a dataclass of int, str and tuples of str."""
    arguments = []
    for field in fields(job):
        value = getattr(job, field.name)
        text = "\n".join(value) if isinstance(value, tuple) else str(value)
        arguments.append(f"{field.name}={text}")
    return arguments


def decode(arguments: Sequence[str]) -> Job:
    """The job that `arguments` say. ValueError when they are not a job."""
    return decode_as(Job, arguments)


def decode_as(kind: type[T], arguments: Sequence[str]) -> T:
    """The job of another kind of process that `arguments` say. ValueError when they are not one."""
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


def points(texts: Sequence[str]) -> list[tuple[int, int]]:
    """`byte.bit` texts as pairs."""
    pairs = (text.split(".") for text in texts)
    return [(int(byte), int(bit)) for byte, bit in pairs]
