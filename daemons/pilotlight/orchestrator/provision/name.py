# SPDX-License-Identifier: Apache-2.0
"""The host name that was provisioned or restored, for this start: the initramfs brings it to the next ones."""

from __future__ import annotations

import socket
from pathlib import Path

from . import plan


def take_name(data: Path) -> None:
    """Give the device the name on its data partition, if there is one. Raises OSError."""
    try:
        name = (data / plan.HOSTNAME).read_text().strip()
    except FileNotFoundError:
        return
    if name and name != socket.gethostname():
        socket.sethostname(name)
