# SPDX-License-Identifier: Apache-2.0
"""Four readers taking snapshots of 10 000 tags while a writer publishes at 1 kHz: torn copies, and the writer's cost.

For tearing the writer sets all tags to the same counter, so any mixture of two publishes shows. For the writer's cost
100 tags of mixed types change in a publish, and blocks of a quarter of a second alternate between readers that rest,
readers of another segment (as much work, for it has a writer like the first, but nothing shared with the one that is
measured: the peer), and readers of the writer's own.
The writer is real-time where that is allowed, as the scan is on the appliance; its readers are ordinary processes.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from pilotlight.tags import SegmentBusy, SegmentReader, SegmentWriter, Tag, Type, now_ns, sleep_until

from tests.bench.bench_publish import CHANGED, TAGS, change, mixed_tags
from tests.bench.common import Row, main

READERS = 4
PERIOD_NS = 1_000_000
BLOCK_TICKS = 250
RESTING, ELSEWHERE, HERE, DONE = range(4)
PRIORITY = 50
PROCESSES = multiprocessing.get_context("fork")


@contextmanager
def real_time() -> Iterator[None]:
    """Be SCHED_FIFO, but not the processes started meanwhile; where it is refused, stay ordinary and say so."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except PermissionError:
        print("the writer is not real-time here: it may be held up by its readers")
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def count_torn(path: Path, reads: int, result: Connection) -> None:
    """Take `reads` snapshots; send how many were torn, how many could not be had, how many differed from the last."""
    reader = SegmentReader.open("torn", path=path)
    torn = busy = fresh = 0
    last = b""
    for _ in range(reads):
        try:
            snapshot = reader.snapshot()
        except SegmentBusy:
            busy += 1
            continue
        image = snapshot.image
        if image == last:
            continue
        last = image
        fresh += 1
        stamps = {snapshot.stamp(index) for index in range(0, TAGS, 1111)} - {snapshot.time_ns}
        torn += image != image[:8] * TAGS or int.from_bytes(image[:8], "little") != snapshot.sequence or bool(stamps)
    result.send((torn, busy, fresh))


def tearing(folder: Path, reads: int) -> list[Row]:
    """Publish at 1 kHz until four readers have taken `reads` snapshots in all."""
    writer = SegmentWriter.create("torn", [Tag(f"T{i}", Type.ULINT) for i in range(TAGS)], path=folder / "torn")
    counter = 0
    ends: list[Connection] = []
    processes = []
    for _ in range(READERS):
        ours, theirs = PROCESSES.Pipe(duplex=False)
        processes.append(PROCESSES.Process(target=count_torn, args=(folder / "torn", reads // READERS, theirs)))
        ends.append(ours)
    start = now_ns()
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        counter += 1
        writer.image[:] = counter.to_bytes(8, "little") * TAGS
        writer.publish()
        sleep_until(max(now_ns(), start + counter * PERIOD_NS))
    seconds = (now_ns() - start) / 1e9
    torn, busy, fresh = (sum(column) for column in zip(*(end.recv() for end in ends), strict=True))
    writer.close()
    return [
        Row("torn snapshots", torn, f"of {reads:g}", 0, f"{fresh} different publishes seen, {counter} made"),
        Row("snapshots not to be had in 100 ms", busy, f"of {reads:g}", 0),
        Row("snapshots taken by four readers", reads / seconds, "1/s"),
    ]


def read_by_mode(here: Path, elsewhere: Path, mode: Synchronized[int]) -> None:
    """Take a snapshot every millisecond of the segment that `mode` tells."""
    readers = {HERE: SegmentReader.open("here", path=here), ELSEWHERE: SegmentReader.open("elsewhere", path=elsewhere)}
    while (told := mode.value) != DONE:
        if told in readers:
            readers[told].snapshot()
        time.sleep(PERIOD_NS / 1e9)


def publish_at_rate(writer: SegmentWriter, chosen: list[int]) -> Iterator[int]:
    """Change and publish at 1 kHz; the CPU time in ns of each publish."""
    due = now_ns()
    while True:
        due = max(due + PERIOD_NS, now_ns())
        sleep_until(due)
        change(writer, chosen)
        start = time.thread_time_ns()
        writer.publish()
        yield time.thread_time_ns() - start


def write_elsewhere(writer: SegmentWriter, chosen: list[int], mode: Synchronized[int]) -> None:
    """Be the writer of the other segment until the end."""
    for _ in publish_at_rate(writer, chosen):
        if mode.value == DONE:
            return


def block(writer: SegmentWriter, chosen: list[int]) -> float:
    """The median CPU time, in µs, of the publishes of one block."""
    return statistics.median(islice(publish_at_rate(writer, chosen), BLOCK_TICKS)) / 1000


def slowing(folder: Path, rounds: int) -> list[Row]:
    """Compare the writer's publish under the three modes, block by block."""
    writer = SegmentWriter.create("here", mixed_tags(TAGS), path=folder / "here")
    other = SegmentWriter.create("elsewhere", mixed_tags(TAGS), path=folder / "elsewhere")
    mode: Synchronized[int] = PROCESSES.Value("i", RESTING)
    chosen = random.Random(1).sample(range(TAGS), CHANGED)
    arguments = (folder / "here", folder / "elsewhere", mode)
    processes = [PROCESSES.Process(target=read_by_mode, args=arguments) for _ in range(READERS)]
    processes.append(PROCESSES.Process(target=write_elsewhere, args=(other, chosen, mode)))
    for process in processes:
        process.start()
    costs: dict[int, list[float]] = {RESTING: [], ELSEWHERE: [], HERE: []}
    for turn in range(rounds):
        for told in random.Random(turn).sample(list(costs), len(costs)):
            mode.value = told
            costs[told].append(block(writer, chosen))
    mode.value = DONE
    for process in processes:
        process.join()
    writer.close()
    other.close()
    resting, elsewhere, here = (statistics.median(costs[told]) for told in (RESTING, ELSEWHERE, HERE))
    ratio = statistics.median(a / b for a, b in zip(costs[HERE], costs[ELSEWHERE], strict=True))
    peer = "the same readers at another segment"
    return [
        Row("publish with four readers at 1 kHz", ratio, "×", 1.05, peer),
        Row("publish, four readers at 1 kHz", here, "µs CPU", 40),
        Row("publish, the readers at another segment", elsewhere, "µs CPU"),
        Row("publish, the readers resting", resting, "µs CPU"),
    ]


def run(quick: bool) -> list[Row]:
    """Measure; in full 10^7 snapshots (many minutes) and 40 rounds of blocks, `quick` 40 000 and 8."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, real_time():
        return tearing(Path(folder), 40_000 if quick else 10_000_000) + slowing(Path(folder), 8 if quick else 40)


if __name__ == "__main__":
    main("snapshot", run)
