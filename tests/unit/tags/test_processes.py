# SPDX-License-Identifier: Apache-2.0
"""Real processes: a writer that is killed in the middle of a publish, and snapshots that are never torn."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from pilotlight.tags import CommandRing, SegmentBusy, SegmentReader, SegmentWriter, Tag, Type, now_ns

from .test_hostile import environment

COUNT = 2000
TAGS = [Tag(f"T{i}", Type.ULINT) for i in range(COUNT)]

WRITER = """
import sys
from pathlib import Path
from pilotlight.tags import SegmentWriter, Tag, Type
tags = [Tag(f"T{i}", Type.ULINT) for i in range(int(sys.argv[2]))]
writer = SegmentWriter.create("killed", tags, journal=65536, path=Path(sys.argv[1]))
print("ready", flush=True)
for counter in range(1, 10_000_000):
    writer.image[:] = counter.to_bytes(8, "little") * len(tags)
    writer.publish()
"""

CHILD = """
import sys
from pilotlight.tags import CommandRing, SegmentWriter, now_ns
writer = SegmentWriter.attach(int(sys.argv[1]))
ring = CommandRing.attach(int(sys.argv[2]))
while (command := ring.pop()) != b"end":
    if command is not None:
        writer.set(writer.directory.index(command.decode()), ring.touched_ns)
        writer.publish()
        writer.heartbeat(now_ns())
"""


def started(code: str, *arguments: str, fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, pass_fds=fds)


def begin(path: Path) -> subprocess.Popen[bytes]:
    process = started(WRITER, str(path), str(COUNT))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def end(process: subprocess.Popen[bytes], with_signal: int) -> None:
    process.send_signal(with_signal)
    process.communicate(timeout=30)


def consistent(reader: SegmentReader) -> int:
    """Check that a snapshot and its stamps are of one publish; returns which."""
    snapshot = reader.snapshot()
    assert snapshot.image == snapshot.image[:8] * COUNT
    counter = int.from_bytes(snapshot.image[:8], "little")
    assert counter == snapshot.sequence
    if counter:
        assert {snapshot.stamp(index) for index in range(0, COUNT, 37)} == {snapshot.time_ns}
    return counter


def test_snapshots_are_never_torn(tmp_path: Path) -> None:
    process = begin(tmp_path / "segment")
    try:
        reader = SegmentReader.open("killed", path=tmp_path / "segment")
        seen: set[int] = set()
        deadline = now_ns() + 30 * 10**9
        while len(seen) < 20 and now_ns() < deadline:
            with suppress(SegmentBusy):  # on a busy machine the writer may be kept from ending its publish
                seen.add(consistent(reader))
        assert len(seen) == 20, "the writer did not write meanwhile"
        cursor = reader.changes(None).cursor
        for _ in range(20):
            changes = reader.changes(cursor)
            assert all(change.value == change.sequence // COUNT + 1 for change in changes.entries)
            assert all(change.index == change.sequence % COUNT for change in changes.entries)
            cursor = changes.cursor
    finally:
        end(process, signal.SIGKILL)


def test_a_writer_killed_in_a_publish_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    cut_off = 0
    for attempt in range(60):
        process = begin(path)
        reader = SegmentReader.open("killed", path=path)
        assert reader.wait(30), "the writer publishes"
        end(process, signal.SIGKILL)
        assert reader.current(), "nobody has said otherwise yet"
        try:
            consistent(reader)
        except SegmentBusy:
            cut_off += 1
        successor = SegmentWriter.create("killed", TAGS, path=path)
        assert not reader.current()
        reader.reopen()
        assert reader.epoch == 2 * attempt + 2
        assert consistent(reader) == 0
        successor.image[:] = (1).to_bytes(8, "little") * COUNT
        successor.publish()
        assert consistent(reader) == 1
        successor.close()
        if cut_off == 2:
            return
    pytest.fail(f"only {cut_off} of 60 kills hit a publish")


def test_a_child_takes_over_and_is_commanded(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    writer = SegmentWriter.create("child", [Tag("A", Type.LINT), Tag("B", Type.LINT)], path=path, publish=False)
    ring = CommandRing.create(4, 8)
    child = started(CHILD, str(writer.fd), str(ring.fd), fds=(writer.fd, ring.fd))
    try:
        writer.activate()
        reader = SegmentReader.open("child", path=path)
        ring.touch(before := now_ns())
        assert ring.push(b"B")
        assert reader.wait(30)
        assert [reading.value for reading in reader.read("A", "B")] == [0, before]
        assert ring.push(b"end")
        child.communicate(timeout=30)
        assert child.returncode == 0
        assert reader.beat().count == 1
    finally:
        if child.poll() is None:
            end(child, signal.SIGKILL)


def test_readers_map_nothing_they_could_write(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    SegmentWriter.create("plc", TAGS, path=path).close()
    reader = SegmentReader.open("plc", path=path)
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
    assert [line.split()[1] for line in maps] == ["r--s"]
    reader.close()
