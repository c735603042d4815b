# SPDX-License-Identifier: Apache-2.0
"""One writer, its readers: publishing, snapshots, waiting, epochs, taking over."""

import os
import stat
import struct
import threading
from pathlib import Path

import pytest
from pilotlight.tags import (
    Quality,
    SegmentBusy,
    SegmentDamaged,
    SegmentError,
    SegmentMissing,
    SegmentReader,
    SegmentWriter,
    Tag,
    TagValueError,
    Type,
    now_ns,
    segment_names,
    segment_path,
)
from pilotlight.tags.reader import PATIENCE_NS

TAGS = [Tag("Run", Type.BOOL), Tag("Speed", Type.INT), Tag("Name", Type.STRING, 20), Tag("Level", Type.LREAL)]
SEQUENCE = 128
FUTEX_WAIT_BITSET = "0x9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plc" / "segment"


@pytest.fixture
def writer(path: Path) -> SegmentWriter:
    return SegmentWriter.create("plc", TAGS, path=path)


def opened(path: Path) -> SegmentReader:
    return SegmentReader.open("plc", path=path)


def set_sequence(path: Path, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(SEQUENCE)
        file.write(struct.pack("<Q", value))


def test_a_new_segment_is_zero_good_and_stamped(writer: SegmentWriter, path: Path) -> None:
    snapshot = opened(path).snapshot()
    assert snapshot.values() == [False, 0, "", 0.0]
    assert snapshot.sequence == 0
    assert {snapshot.quality(i) for i in range(4)} == {Quality.GOOD}
    assert 0 < now_ns() - snapshot.stamp(3) < 10**10


def test_publish_shows_all_staged_values_at_once(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    writer.set(1, -7)
    writer.set(2, "Füller")
    writer.set(3, 2.5, Quality.UNCERTAIN)
    assert reader.snapshot().values() == [False, 0, "", 0.0]
    before = reader.snapshot().stamp(0)
    assert writer.publish(5000) == 3
    snapshot = reader.snapshot()
    assert snapshot.values() == [snapshot.value(i) for i in range(4)] == [False, -7, "Füller", 2.5]
    assert [snapshot.quality(i) for i in range(4)] == [0, 0, 0, 1]
    assert [snapshot.stamp(i) for i in range(4)] == [before, 5000, 5000, 5000]
    assert (snapshot.sequence, snapshot.time_ns) == (1, 5000)
    assert snapshot.image == bytes(writer.image)


def test_publish_counts_only_what_differs(writer: SegmentWriter) -> None:
    writer.set(1, 5)
    assert writer.publish() == 1
    writer.set(1, 5)
    assert writer.publish() == 0
    writer.set_quality(1, Quality.BAD)
    assert writer.publish() == 1
    writer.set(1, 6, Quality.GOOD)
    assert writer.publish() == 1


def test_the_image_may_be_written_directly(writer: SegmentWriter, path: Path) -> None:
    offset = writer.directory.offset(3)
    writer.image[offset : offset + 8] = struct.pack("<d", 9.75)
    assert writer.publish() == 1
    assert opened(path).snapshot().value(3) == 9.75


def test_read_gives_named_tags_of_one_publish(writer: SegmentWriter, path: Path) -> None:
    writer.set(3, 1.5)
    writer.publish(77)
    level, run = opened(path).read("Level", "Run")
    assert (level.name, level.value, level.quality, level.stamp_ns) == ("Level", 1.5, Quality.GOOD, 77)
    assert (run.name, run.value) == ("Run", False)
    with pytest.raises(KeyError):
        opened(path).read("Nothing")


def test_a_value_that_does_not_fit_leaves_the_old_one(writer: SegmentWriter) -> None:
    writer.set(1, 5)
    writer.publish()
    with pytest.raises(TagValueError):
        writer.set(1, 40000, Quality.BAD)
    with pytest.raises(IndexError):
        writer.set(4, 1)
    assert writer.publish() == 0


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 300, 3000])
def test_every_changed_tag_is_found_wherever_it_lies(tmp_path: Path, count: int) -> None:
    kinds = [kind for kind in Type if kind is not Type.STRING]
    described = [Tag(f"T{i}", kinds[i * 7 % len(kinds)]) for i in range(count)]
    writer = SegmentWriter.create("many", described, path=tmp_path / "segment")
    reader = SegmentReader.open("many", path=tmp_path / "segment")
    cursor = reader.changes(None).cursor
    step = max(1, count // 50)
    for index in range(0, count, step):
        tag = described[index]
        last = writer.directory.offset(index) + tag.size - 1
        writer.image[last] ^= 0x40
        assert writer.publish() == 1
        changes = reader.changes(cursor)
        assert [change.index for change in changes.entries] == [index]
        cursor = changes.cursor
    assert reader.snapshot().image == bytes(writer.image)


def test_a_wait_ends_with_a_publish(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    assert reader.wait(0) is False
    writer.publish()
    assert reader.wait(0) is True
    assert reader.wait(0) is False
    writer.publish()
    reader.snapshot()
    assert reader.wait(0) is False, "the snapshot has seen this publish already"


def test_all_waiting_readers_wake(writer: SegmentWriter, path: Path) -> None:
    readers = [opened(path) for _ in range(12)]
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda r=r: woken.append(r.wait(30))) for r in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        until_it_waits(thread)
    start = now_ns()
    writer.publish()
    for thread in threads:
        thread.join()
    assert woken == [True] * 12
    assert now_ns() - start < 10**10


def until_it_waits(thread: threading.Thread) -> None:
    """Return when the thread sleeps in a wait of a reader: a futex shared between processes, not one of Python's."""
    call = Path(f"/proc/self/task/{thread.native_id}/syscall")
    end = now_ns() + 10**10
    while FUTEX_WAIT_BITSET not in call.read_text().split()[2:3]:
        assert now_ns() < end, "the thread never waited"


def test_closing_ends_a_wait(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    result: list[bool] = []
    thread = threading.Thread(target=lambda: result.append(reader.wait(30)))
    thread.start()
    until_it_waits(thread)
    reader.close()
    thread.join(10)
    assert result == [False]
    with pytest.raises(ValueError, match="closed"):
        reader.snapshot()


@pytest.mark.parametrize("timeout", [-1.0, 3601.0, float("nan")])
def test_a_wait_has_bounds(writer: SegmentWriter, path: Path, timeout: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        opened(path).wait(timeout)


def test_a_heartbeat_is_read(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    assert reader.beat().count == 0
    before = now_ns()
    writer.heartbeat(before + 100)
    beat = reader.beat()
    assert (beat.count, beat.deadline_ns) == (1, before + 100)
    assert before <= beat.time_ns <= now_ns()


def test_a_new_epoch_supersedes_the_old(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    assert (reader.epoch, reader.current()) == (1, True)
    second = SegmentWriter.create("plc", [Tag("Other", Type.UDINT)], path=path)
    assert reader.wait(0) is True, "a wait ends when the segment is superseded"
    assert reader.current() is False
    assert reader.snapshot().values() == [False, 0, "", 0.0], "the old epoch stays readable"
    reader.reopen()
    assert (reader.epoch, reader.current()) == (2, True)
    second.set(0, 3)
    second.publish()
    assert reader.snapshot().values() == [3]


def test_a_pending_epoch_is_seen_only_when_activated(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    pending = SegmentWriter.create("plc", TAGS, path=path, publish=False)
    also = SegmentWriter.create("plc", TAGS, path=path)
    assert reader.current() is False
    reader.reopen()
    pending.set(1, 4)
    pending.publish()
    assert (reader.epoch, reader.current(), reader.snapshot().value(1)) == (2, True, 0)
    pending.activate()
    assert reader.current() is False
    reader.reopen()
    assert (reader.epoch, reader.snapshot().value(1)) == (3, 4)
    pending.activate()
    assert reader.current() is True, "to activate twice changes nothing"
    also.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["segment"]


def test_a_pending_epoch_that_is_closed_leaves_nothing(path: Path) -> None:
    pending = SegmentWriter.create("plc", TAGS, path=path, publish=False)
    pending.close()
    assert list(path.parent.iterdir()) == []


def test_leftovers_of_dead_writers_are_removed(writer: SegmentWriter, path: Path) -> None:
    leftover = path.with_name(f".segment.{os.getpid() + 1}.5")
    leftover.touch()
    SegmentWriter.create("plc", TAGS, path=path)
    assert not leftover.exists()


def test_a_removed_file_is_not_current(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    path.unlink()
    assert reader.current() is False
    with pytest.raises(SegmentMissing):
        reader.reopen()
    assert reader.snapshot().sequence == 0, "the reader keeps the epoch it had"


def test_a_replaced_file_is_not_current(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.rename(path)
    assert reader.current() is False, "nobody set the flag, but the file is another"


def test_an_epoch_after_a_damaged_file_begins_anew(writer: SegmentWriter, path: Path) -> None:
    os.truncate(path, 100)
    SegmentWriter.create("plc", TAGS, path=path)
    assert opened(path).epoch == 1


def test_a_child_takes_over(writer: SegmentWriter, path: Path) -> None:
    writer.set(1, 5)
    writer.set_quality(0, Quality.STALE)
    writer.publish()
    child = SegmentWriter.attach(writer.fd)
    assert child.publish() == 0, "the values in the segment are the staged ones"
    child.set(1, 6)
    assert child.publish() == 1
    snapshot = opened(path).snapshot()
    assert (snapshot.value(1), snapshot.quality(0)) == (6, Quality.STALE)


def test_a_writer_after_one_that_died_in_a_publish_tells_everything(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    cursor = reader.changes(None).cursor
    set_sequence(path, 7)
    successor = SegmentWriter.attach(writer.fd)
    successor.set(1, 9)
    assert successor.publish() == len(TAGS)
    assert [change.index for change in reader.changes(cursor).entries] == [0, 1, 2, 3]
    assert reader.snapshot().value(1) == 9
    assert successor.publish() == 0


def test_no_values_are_given_while_a_publish_is_cut_off(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    set_sequence(path, 1)
    with pytest.raises(SegmentBusy, match="in the middle of a publish"):
        reader.snapshot()
    set_sequence(path, 2)
    assert reader.snapshot().sequence == 1


def test_a_writer_that_gets_on_is_waited_for_longer_than_one_that_stopped(writer: SegmentWriter, path: Path) -> None:
    reader = opened(path)
    stopped = now_ns()
    set_sequence(path, 1)
    with pytest.raises(SegmentBusy):
        reader.snapshot()
    stopped = now_ns() - stopped
    ended = threading.Event()

    def always_at_it() -> None:
        number = 1
        while not ended.wait(0.01):
            number += 2
            set_sequence(path, number)

    other = threading.Thread(target=always_at_it)
    other.start()
    lively = now_ns()
    with pytest.raises(SegmentBusy):
        reader.snapshot()
    lively = now_ns() - lively
    ended.set()
    other.join()
    assert stopped >= PATIENCE_NS
    assert lively >= 10 * PATIENCE_NS


def test_files_have_the_promised_modes(writer: SegmentWriter, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2750


def test_segments_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path))
    assert segment_names() == []
    SegmentWriter.create("plc", TAGS)
    SegmentWriter.create("net", TAGS)
    assert segment_path("plc") == tmp_path / "segments" / "plc" / "segment"
    assert segment_names() == ["net", "plc"]
    assert SegmentReader.open("net").epoch == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a" * 65, "-"])
def test_other_segment_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a segment name"):
        SegmentReader.open(name)


def test_what_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SegmentError, match="cannot be made"):
        SegmentWriter.create("plc", TAGS, path=tmp_path / "file" / "segment")
    with pytest.raises(ValueError, match="journal"):
        SegmentWriter.create("plc", TAGS, path=tmp_path / "segment", journal=0)
    (tmp_path / "segment").mkdir()
    with pytest.raises(SegmentError, match="cannot be made"):
        SegmentWriter.create("plc", TAGS, path=tmp_path / "segment")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_what_is_not_there_or_no_segment_says_so(tmp_path: Path) -> None:
    with pytest.raises(SegmentMissing, match="not started yet"):
        opened(tmp_path / "segment")
    (tmp_path / "segment").write_bytes(b"x" * 10000)
    with pytest.raises(SegmentDamaged, match="not a segment"):
        opened(tmp_path / "segment")
    (tmp_path / "link").symlink_to("segment")
    with pytest.raises(SegmentError, match="cannot be opened"):
        opened(tmp_path / "link")
    with pytest.raises(SegmentDamaged):
        opened(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SegmentDamaged):
        opened(tmp_path / "fifo")
