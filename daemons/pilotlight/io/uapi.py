# SPDX-License-Identifier: Apache-2.0
"""The two line-value calls of the kernel's GPIO interface, version 2, on an inherited request descriptor.

The scan process does not load the GPIO library: it gets descriptors of requests that its parent made, and these two
ioctls are all it may do with them.
"""

from __future__ import annotations

import fcntl
import os

GET_VALUES = 0xC010B40E
"""GPIO_V2_LINE_GET_VALUES_IOCTL"""
SET_VALUES = 0xC010B40F
"""GPIO_V2_LINE_SET_VALUES_IOCTL"""


class LineRequest:
    """A line request by its descriptor. The two words handed to the kernel are `bits` and `mask`."""

    def __init__(self, fd: int, count: int) -> None:
        if not 1 <= count <= 64:
            raise ValueError(f"a line request holds 1 to 64 lines, not {count}")
        self._fd = fd
        self._mask = (1 << count) - 1
        self.count = count
        self._values = bytearray(16)
        self._words = memoryview(self._values).cast("Q")

    @property
    def handle(self) -> str:
        """`gpio:<descriptor>:<count>`"""
        return f"gpio:{self._fd}:{self.count}"

    def descriptors(self) -> tuple[int, ...]:
        """The request's descriptor."""
        return (self._fd,)

    def read(self) -> int:
        """The logical levels, bit n being the n-th line of the request."""
        self._words[0] = 0
        self._words[1] = self._mask
        fcntl.ioctl(self._fd, GET_VALUES, self._values)
        return self._words[0]

    def write(self, bits: int) -> None:
        """Set the logical levels of all lines of the request at once."""
        self._words[0] = bits & self._mask
        self._words[1] = self._mask
        fcntl.ioctl(self._fd, SET_VALUES, self._values)

    def close(self) -> None:
        """Close the descriptor; closing twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
