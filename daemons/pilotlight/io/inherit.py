# SPDX-License-Identifier: Apache-2.0
"""Requests that a child process takes over from the process that made them, by the text of their handles."""

from __future__ import annotations

from collections.abc import Iterable

from pilotlight.io.edges import EdgeInput, GpioEdges, SimulatedEdges
from pilotlight.io.lines import Bank, Request
from pilotlight.io.simulated import SimulatedRequest
from pilotlight.io.uapi import LineRequest


def take_over(handle: str) -> Request:
    """The request behind `handle`, whose descriptor this process has inherited. ValueError when it is no handle."""
    kind, _, rest = handle.partition(":")
    if kind == "gpio":
        fd, count = rest.split(":")
        return LineRequest(int(fd), int(count))
    if kind == "simulated":
        return SimulatedRequest.take_over(rest)
    raise ValueError(f"{handle!r} is no handle of a line request")


def bank(handles: Iterable[str]) -> Bank:
    """The bank made of all `handles`, in order."""
    return Bank([take_over(handle) for handle in handles])


def edge_input(handle: str) -> EdgeInput:
    """The watched line behind `handle`, whose descriptors this process has inherited. ValueError when it is none."""
    kind, _, rest = handle.partition(":")
    if kind == "gpio":
        return GpioEdges(int(rest))
    if kind == "simulated":
        return SimulatedEdges.take_over(rest)
    raise ValueError(f"{handle!r} is no handle of a watched line")
