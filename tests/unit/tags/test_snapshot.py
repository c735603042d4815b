# SPDX-License-Identifier: Apache-2.0
"""A reader that takes snapshot after snapshot goes by the journal where that is shorter: it must see the same."""

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.tags import Quality, SegmentReader, SegmentWriter, Snapshot, Tag, Type

TEXT = 1
TAGS = [Tag("Bit", Type.BOOL), Tag("Text", Type.STRING, 50), *(Tag(f"T{i}", Type.LINT) for i in range(40))]
SLOTS = 64
HEAD, RESERVED, IMAGE_OFFSET, JOURNAL_OFFSET = 136, 144, 56, 88

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just(0), st.booleans(), st.sampled_from(Quality)),
        st.tuples(st.just(TEXT), st.text("aé", max_size=25), st.sampled_from(Quality)),
        st.tuples(st.integers(2, len(TAGS) - 1), st.integers(-3, 3), st.sampled_from(Quality)),
    ),
    max_size=12,
)
STEPS = st.lists(
    st.one_of(st.tuples(st.just("publish"), CHANGES), st.just(("take over",)), st.just(("look",))), max_size=40
)


def seen(snapshot: Snapshot) -> tuple[object, ...]:
    stamps = [snapshot.stamp(index) for index in range(len(TAGS))]
    qualities = [snapshot.quality(index) for index in range(len(TAGS))]
    words = (snapshot.sequence, snapshot.time_ns, snapshot.wall_offset_ns, snapshot.cursor)
    return snapshot.image, snapshot.values(), stamps, qualities, words


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_a_reader_that_follows_sees_what_a_new_one_sees(steps: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment"
        writer = SegmentWriter.create("model", TAGS, journal=SLOTS, path=path)
        follower = SegmentReader.open("model", path=path)
        for time, step in enumerate(steps, 1):
            if step[0] == "publish":
                for change in step[1]:
                    writer.set(*change)
                writer.publish(time)
            elif step[0] == "take over":
                writer = SegmentWriter.attach(writer.fd)
            else:
                fresh = SegmentReader.open("model", path=path)
                assert seen(follower.snapshot()) == seen(fresh.snapshot())
                fresh.close()
        fresh = SegmentReader.open("model", path=path)
        assert seen(follower.snapshot()) == seen(fresh.snapshot())
        fresh.close()
        follower.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "segment"


@pytest.fixture
def writer(path: Path) -> SegmentWriter:
    return SegmentWriter.create("plc", TAGS, journal=SLOTS, path=path)


@pytest.fixture
def reader(writer: SegmentWriter, path: Path) -> SegmentReader:
    return SegmentReader.open("plc", path=path)


def part(path: Path, pointer: int) -> int:
    """Where a part of the segment begins, by its identity."""
    return int(struct.unpack_from("<Q", path.read_bytes(), pointer)[0])


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def touch_image(path: Path) -> None:
    """Set tag 0 behind the back of writer and journal: only a full copy shows it."""
    overwrite(path, part(path, IMAGE_OFFSET), b"\1")


def test_a_small_change_is_taken_from_the_journal_alone(
    writer: SegmentWriter, reader: SegmentReader, path: Path
) -> None:
    reader.snapshot()
    writer.set(5, 7)
    writer.set(TEXT, "long enough for further slots")
    writer.publish()
    touch_image(path)
    followed = reader.snapshot()
    assert (followed.value(5), followed.value(TEXT)) == (7, "long enough for further slots")
    assert followed.value(0) is False
    for index in range(2, 22):
        writer.set(index, 9)
    writer.publish()
    touch_image(path)
    assert reader.snapshot().value(0) is True  # so much has changed that everything is copied


def test_a_snapshot_stays_as_it_was(writer: SegmentWriter, reader: SegmentReader) -> None:
    first = reader.snapshot()
    writer.set(5, 7)
    writer.publish()
    second = reader.snapshot()
    assert (first.value(5), second.value(5)) == (0, 7)
    writer.publish()
    third = reader.snapshot()
    assert (third.sequence, third.values()) == (2, second.values())
    assert (second.sequence, first.value(5)) == (1, 0)


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0, struct.pack("<Q", 99)),
        (16, struct.pack("<I", len(TAGS))),
        (16, b"\xff" * 4),
        (22, struct.pack("<H", 3)),
        (32, struct.pack("<Q", 1)),
    ],
    ids=["number", "index one beyond", "index far beyond", "further slots", "number of a further slot"],
)
def test_a_damaged_slot_leads_to_a_full_copy(
    writer: SegmentWriter, reader: SegmentReader, path: Path, offset: int, data: bytes
) -> None:
    reader.snapshot()
    writer.set(TEXT, "twenty bytes and more")
    writer.publish()
    touch_image(path)
    overwrite(path, part(path, JOURNAL_OFFSET) + offset, data)
    snapshot = reader.snapshot()
    assert (snapshot.value(TEXT), snapshot.value(0)) == ("twenty bytes and more", True)


@pytest.mark.parametrize("word", [HEAD, RESERVED])
def test_slots_that_may_be_overwritten_are_not_believed(
    writer: SegmentWriter, reader: SegmentReader, path: Path, word: int
) -> None:
    reader.snapshot()
    writer.set(5, 7)
    writer.publish()
    touch_image(path)
    overwrite(path, word, struct.pack("<Q", SLOTS + 1))
    snapshot = reader.snapshot()
    assert (snapshot.value(5), snapshot.value(0)) == (7, True)
