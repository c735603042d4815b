# SPDX-License-Identifier: Apache-2.0
"""Uploads for all test tiers: `zip_of("follow")` and `bad_zips()`.

By hand: `python -m tests.programs.make follow > follow.zip`.
"""

from __future__ import annotations

import sys

from tests.programs.bad import BAD
from tests.programs.packing import zip_files, zip_of
from tests.programs.samples import SAMPLES

__all__ = ["bad_zips", "zip_files", "zip_of"]


def bad_zips() -> dict[str, tuple[bytes, str]]:
    """Name → upload that must be refused, and a part of the reason that its compilation log has to give."""
    return {name: (bad.make(), bad.reason) for name, bad in BAD.items()}


def main(arguments: list[str]) -> int:
    """Write one sample's upload to standard output."""
    if len(arguments) != 1 or arguments[0] not in SAMPLES:
        print(f"usage: python -m tests.programs.make {'|'.join(SAMPLES)} > program.zip", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(zip_of(arguments[0]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
