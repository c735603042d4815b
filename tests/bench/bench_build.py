# SPDX-License-Identifier: Apache-2.0
"""How long the disk of `qemu-arm64` takes to build: from nothing, after a change in one daemon, and with no change;
and that of `cm5` from what was downloaded, with its size.

The daemon that changes is the runtime, because its modules are compiled: no other takes longer.
"""

from __future__ import annotations

from tests.bench.checkout import commit, fresh_clone, this_checkout
from tests.bench.common import Row, main

BOARD, MODULE = "qemu-arm64", "cm5"
CHANGED = "daemons/pilotlight/runtime/schedule.py"
CHANGE = "\nCHANGED = True\n"
SAME = "build without a change"


def run(quick: bool) -> list[Row]:
    """Measure once, in a fresh clone; `quick` only a build without a change, in this checkout."""
    if quick:
        with this_checkout() as checkout:
            checkout.build(BOARD)
            return [Row(SAME, checkout.build(BOARD), "s", peer="in this checkout")]
    with fresh_clone() as checkout:
        clean = checkout.build(BOARD) / 60
        with (checkout.folder / CHANGED).open("a") as source:
            source.write(CHANGE)
        changed = checkout.build(BOARD)
        same = checkout.build(BOARD)
        checkout.clean(downloads=False)
        module = checkout.build(MODULE) / 60
        (image,) = (checkout.folder / "build" / MODULE / "out").glob("*.img.zst")
        size = image.stat().st_size / 1e6
    return [
        Row(f"clean build of {BOARD}, empty caches", clean, "min", 12, f"commit {commit()}"),
        Row("build after a change in one daemon", changed, "s", 90, CHANGED),
        Row(SAME, same, "s"),
        Row(f"clean build of {MODULE}, packages there", module, "min", 8),
        Row(f"image of {MODULE}, compressed", size, "MB", 330),
    ]


if __name__ == "__main__":
    main("build", run)
