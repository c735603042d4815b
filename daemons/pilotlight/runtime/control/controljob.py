# SPDX-License-Identifier: Apache-2.0
"""What a control process is told when it is spawned, written as its command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ControlJob:
    """Descriptors are numbers that the process inherits; times are nanoseconds."""

    parent: int
    """Process number of the parent."""
    segment: int
    ring: int
    reports: int
    config: int
    """Descriptor of the configuration's text."""
    sensor_box: int
    estimator_box: int
    controller_box: int
    recording: int
    """Descriptor of the ring that takes every step; -1 when nobody records."""
    simulator: int
    commands: int
    """Descriptors of the messages from and to a simulator's bridge; -1 without one."""
    switch: str
    """Handle of the kill switch's line; empty without one."""
    simulated: int
    """1 for simulated devices whatever the configuration says, else 0."""
    latched: int
    """The latches that were not acknowledged, as a number."""
    limit_ns: int
    supervisor_ns: int
    memory: int
    """Bytes of address space."""
    readable: tuple[str, ...] = ()
    """Files and trees that the process may read."""
