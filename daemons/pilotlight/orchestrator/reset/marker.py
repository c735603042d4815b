# SPDX-License-Identifier: Apache-2.0
"""The marker on the boot configuration partition that has the next start erase the data partition."""

from __future__ import annotations

from pathlib import Path

from pilotlight.daemon import Unavailable, write_atomic

MARKER = "factory-reset"


def ask_for_reset(boot: Path, why: str) -> None:
    """Leave the marker, durable; ``why`` is told after the reset. Raises Unavailable."""
    try:
        write_atomic(boot / MARKER, f"{why}\n".encode(), 0o644)
    except OSError as error:
        raise Unavailable(f"the boot configuration partition cannot be written ({error}); nothing is erased") from None
