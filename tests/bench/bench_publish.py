# SPDX-License-Identifier: Apache-2.0
"""What a publish of 10 000 tags costs the writer, against a plain copy of the same bytes in the same run."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pilotlight.tags import SegmentWriter, Tag, Type

from tests.bench.common import Row, main

TAGS = 10_000
CHANGED = 100
PLAIN_TYPES = [kind for kind in Type if kind not in (Type.STRING, Type.CHAR)]


def mixed_tags(count: int) -> list[Tag]:
    """Tags of all types but text, evenly mixed."""
    return [Tag(f"Group{index // 100}.Tag{index}", PLAIN_TYPES[index % len(PLAIN_TYPES)]) for index in range(count)]


def median_us(action: Callable[[], object], before: Callable[[], object], rounds: int) -> float:
    """The median CPU time of `action` in µs; `before` runs ahead of each round and is not counted."""
    times: list[int] = []
    for _ in range(rounds):
        before()
        start = time.thread_time_ns()
        action()
        times.append(time.thread_time_ns() - start)
    return statistics.median(times) / 1000


def change(writer: SegmentWriter, chosen: list[int]) -> None:
    """Change every chosen tag, whatever its type: the lowest bit of its value flips."""
    image = writer.image
    for index in chosen:
        image[writer.directory.offset(index)] ^= 1


def run(quick: bool) -> list[Row]:
    """Measure; `quick` takes 500 rounds instead of 20 000."""
    rounds = 500 if quick else 20_000
    chosen = random.Random(1).sample(range(TAGS), CHANGED)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        writer = SegmentWriter.create("bench", mixed_tags(TAGS), path=Path(folder) / "segment")
        one, two = bytearray(writer.image), bytearray(writer.image)
        clock = median_us(lambda: None, lambda: None, rounds)
        copy = median_us(lambda: memoryview(two).__setitem__(slice(None), one), lambda: None, rounds) - clock
        quiet = median_us(writer.publish, lambda: None, rounds) - clock
        busy = median_us(writer.publish, lambda: change(writer, chosen), rounds) - clock
        all_tags = list(range(TAGS))
        full = median_us(writer.publish, lambda: change(writer, all_tags), max(50, rounds // 100)) - clock
        size = writer.directory.image_size
        writer.close()
    peer = f"plain copy of {size} bytes"
    return [
        Row("publish 10 000 tags, 100 changed", busy, "µs CPU", 40),
        Row("the same against a plain copy", busy / copy, "×", 12, peer),
        Row("publish 10 000 tags, none changed", quiet, "µs CPU"),
        Row("publish 10 000 tags, all changed", full, "µs CPU"),
        Row(peer, copy, "µs CPU"),
    ]


if __name__ == "__main__":
    main("publish", run)
