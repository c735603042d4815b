# SPDX-License-Identifier: Apache-2.0
"""What a scan process is told when it is spawned: one job, written as its command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def points(texts: Sequence[str]) -> list[tuple[int, int]]:
    """`byte.bit` texts as pairs."""
    pairs = (text.split(".") for text in texts)
    return [(int(byte), int(bit)) for byte, bit in pairs]
