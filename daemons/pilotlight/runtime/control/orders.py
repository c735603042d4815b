# SPDX-License-Identifier: Apache-2.0
"""What the parent asks of the control process through the command ring: fixed records, each with a number.

The process answers every order by a report (`runtime.commands`): DONE with 0, or with a negative code.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass

_ORDER = struct.Struct("<B3xIddI4x")
SLOT = _ORDER.size
REFUSED = -1
"""The order makes no sense; nothing was changed."""


class Kind(enum.IntEnum):
    """The orders."""

    FINISH = 1
    """End the process, servos in failsafe."""
    SET_POINTS = 2
    """Roll and pitch (rad) that the native controller turns to, for a time."""


@dataclass(frozen=True)
class Order:
    """A decoded order; `roll`, `pitch` and `hold_ms` belong to SET_POINTS. After `hold_ms` both angles are 0 again."""

    kind: Kind
    number: int
    roll: float = 0.0
    pitch: float = 0.0
    hold_ms: int = 0


def encode(order: Order) -> bytes:
    """The bytes of an order."""
    return _ORDER.pack(order.kind, order.number & 0xFFFFFFFF, order.roll, order.pitch, order.hold_ms)


def decode(data: bytes) -> Order:
    """The order in `data`. ValueError when it is none."""
    if len(data) != _ORDER.size:
        raise ValueError("the order is truncated")
    kind, number, roll, pitch, hold_ms = _ORDER.unpack(data)
    return Order(Kind(kind), number, roll, pitch, hold_ms)


def sound_angles(roll: float, pitch: float) -> bool:
    """Whether both are angles from -π to π."""
    return -math.pi <= roll <= math.pi and -math.pi <= pitch <= math.pi
