# SPDX-License-Identifier: Apache-2.0
"""The built disk of `qemu-arm64`: how large its download is, and how long it takes from power-on to the web page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image import qemu, web
from image.emulated import Emulated
from image.steps import BUILD, PROJECT
from image.tools import tools
from tests.bench.checkout import this_checkout
from tests.bench.common import Row, main
from tests.support.ports import free_port

BOARD, ARCH = "qemu-arm64", "arm64"
HOME = BUILD / BOARD
DISK = HOME / f"pilotlight-{BOARD}.img"
CONSOLE = HOME / "bench-console"  # what the machine says goes into a log beside it
WEB_LIMIT_S = 600.0


def make_disk() -> None:
    """Build the disk of this checkout if it is missing."""
    if not DISK.exists():
        with this_checkout() as checkout:
            checkout.build(BOARD)


def power_on() -> float:
    """Start the disk with a fresh layer, as after flashing; seconds until the web answers."""
    port = free_port()
    with fresh_layer() as layer:
        setup = qemu.Setup(ARCH, qemu.machine_words(BOARD), layer, web_port=port, console=CONSOLE.relative_to(PROJECT))
        start = time.monotonic()
        with Emulated(tools("disk"), setup) as machine:
            machine.power_on()
            if not web.wait(port, WEB_LIMIT_S, lambda: machine.on):
                raise SystemExit(f"no web page within {WEB_LIMIT_S:.0f} s of power-on: see {CONSOLE}.log")
            return time.monotonic() - start


@contextmanager
def fresh_layer() -> Iterator[Path]:
    """A layer over the disk, beside it: the tools see the project and nothing else of this machine."""
    layer = HOME / "bench.qcow2"
    for path in (layer, CONSOLE):
        path.unlink(missing_ok=True)
    qemu.make_layer(tools("disk"), DISK, layer)
    try:
        yield layer
    finally:
        for path in (layer, CONSOLE):
            path.unlink(missing_ok=True)


def run(quick: bool) -> list[Row]:
    """Measure the disk of this checkout; the median of three starts, `quick` one."""
    make_disk()
    starts = [power_on() for _ in range(1 if quick else 3)]
    download = DISK.with_suffix(".img.zst").stat().st_size / 1e6
    peer = "QEMU TCG, two processors"
    return [
        Row("power-on to web answering", statistics.median(starts), "s", 90, peer),
        Row("compressed disk, gcc included", download, "MB", 330),
    ]


if __name__ == "__main__":
    main("disk", run)
