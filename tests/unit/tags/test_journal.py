# SPDX-License-Identifier: Apache-2.0
"""The journal against a model: every change in its order, or counted as lost."""

import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.tags import Quality, SegmentReader, SegmentWriter, Tag, Type

TAGS = [
    Tag("Bit", Type.BOOL),
    Tag("Count", Type.LINT),
    Tag("Short", Type.STRING, 6),
    Tag("Text", Type.STRING, 50),
    Tag("Mark", Type.CHAR),
]
SLOTS = 64
NEEDED = [1, 1, 1, 3, 1]  # slots a change takes: 52 bytes are 8 and 24 and 20

VALUES = st.one_of(
    st.tuples(st.just(0), st.booleans()),
    st.tuples(st.just(1), st.integers(-5, 5)),
    st.tuples(st.just(2), st.text("ab", max_size=6)),
    st.tuples(st.just(3), st.text("xy", max_size=50)),
    st.tuples(st.just(4), st.sampled_from("pq")),
)
STEPS = st.one_of(
    st.tuples(st.just("set"), VALUES, st.sampled_from(Quality)),
    st.tuples(st.just("publish"), st.integers(1, 60)),
    st.tuples(st.just("read"), st.integers(1, 40)),
)


@given(st.lists(STEPS, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_journal_tells_every_change_or_counts_it_lost(steps: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment"
        writer = SegmentWriter.create("model", TAGS, journal=SLOTS, path=path)
        reader = SegmentReader.open("model", path=path)
        model: list[tuple | None] = []  # a slot holds a change, or None when it continues one
        staged: list = [(False, 0), (0, 0), ("", 0), ("", 0), ("\0", 0)]
        shown = list(staged)
        cursor = 0
        for step in steps:
            if step[0] == "set":
                (index, value), quality = step[1:]
                writer.set(index, value, quality)
                staged[index] = (value, quality)
            elif step[0] == "publish":
                # Repeated publishes of a flipping tag, so that the ring runs over.
                for turn in range(step[1]):
                    staged[1] = (turn, 0)
                    writer.set(1, turn)
                    changed = [i for i in range(5) if staged[i] != shown[i]]
                    by_value = [i for i in changed if staged[i][0] != shown[i][0]]
                    order = by_value + [i for i in changed if i not in by_value]
                    assert writer.publish(len(model)) == len(changed)
                    stamp = len(model)
                    for i in order:
                        model += [(i, *staged[i], stamp), *[None] * (NEEDED[i] - 1)]
                    shown = list(staged)
            else:
                cursor = check(reader, model, cursor, step[1])
        for _ in range(len(model) + 1):
            before, cursor = cursor, check(reader, model, cursor, 40)
            if cursor == before:
                break
        assert cursor == len(model)
        assert reader.snapshot().cursor == len(model)


def check(reader: SegmentReader, model: list[tuple | None], cursor: int, limit: int) -> int:
    oldest = max(0, len(model) - SLOTS)
    first = max(cursor, oldest)
    lost = first - cursor
    while first < len(model) and model[first] is None:  # in the middle of a change of which the beginning is gone
        first, lost = first + 1, lost + 1
    changes = reader.changes(cursor, limit)
    found = [(c.sequence, c.index, c.value, c.quality, c.stamp_ns) for c in changes.entries]
    expected = [(number, *slot) for number, slot in enumerate(model) if number >= first and slot is not None]
    assert found == expected[: len(found)]
    assert changes.lost == lost
    assert len(found) == len(expected) or len(found) >= 1
    if len(found) == len(expected):
        assert changes.cursor == len(model)
    else:
        assert changes.cursor == expected[len(found)][0]
    return changes.cursor


def made(tmp_path: Path, tags: list[Tag] = TAGS) -> tuple[SegmentWriter, SegmentReader]:
    path = tmp_path / "segment"
    writer = SegmentWriter.create("journal", tags, journal=SLOTS, path=path)
    return writer, SegmentReader.open("journal", path=path)


def test_the_first_cursor_is_the_present(tmp_path: Path) -> None:
    writer, reader = made(tmp_path)
    writer.set(1, 5)
    writer.publish()
    first = reader.changes(None)
    assert (first.entries, first.lost) == ([], 0)
    writer.set(1, 6)
    writer.publish()
    assert [change.value for change in reader.changes(first.cursor).entries] == [6]


def test_the_cursor_of_a_snapshot_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    writer, reader = made(tmp_path)
    writer.set(1, 5)
    writer.publish()
    cursor = reader.snapshot().cursor
    writer.set(1, 6)
    writer.publish()
    assert [change.value for change in reader.changes(cursor).entries] == [6]


def test_a_publish_larger_than_the_journal_counts_what_it_overwrote(tmp_path: Path) -> None:
    writer, reader = made(tmp_path, [Tag(f"T{i}", Type.INT) for i in range(100)])
    for index in range(100):
        writer.set(index, 1)
    writer.publish()
    changes = reader.changes(0)
    assert changes.lost == 100 - SLOTS
    assert [change.index for change in changes.entries] == list(range(100 - SLOTS, 100))


def test_a_cursor_beyond_the_head_is_a_loss(tmp_path: Path) -> None:
    writer, reader = made(tmp_path)
    writer.set(1, 5)
    writer.publish()
    changes = reader.changes(1000)
    assert (changes.entries, changes.cursor, changes.lost) == ([], 1, 1)


def test_a_cursor_is_a_slot_number(tmp_path: Path) -> None:
    _, reader = made(tmp_path)
    with pytest.raises(OverflowError):
        reader.changes(-1)


def test_slots_that_are_being_overwritten_are_not_believed(tmp_path: Path) -> None:
    writer, reader = made(tmp_path)
    for value in range(1, SLOTS + 1):
        writer.set(1, value)
        writer.publish()
    with (tmp_path / "segment").open("r+b") as file:
        file.seek(144)
        file.write((SLOTS + 10).to_bytes(8, "little"))  # the writer has begun to write ten slots more
    changes = reader.changes(0)
    assert changes.lost == 10
    assert [change.value for change in changes.entries] == list(range(11, SLOTS + 1))


@pytest.mark.parametrize(
    ("slot", "at", "damage", "lost", "left"),
    [
        (0, 0, 5, 1, ["text", 2]),  # another slot's number
        (0, 7, 0x80, 1, ["text", 2]),  # a further slot where a change begins
        (0, 16, 9, 1, ["text", 2]),  # no tag of this segment
        (0, 22, 1, 1, ["text", 2]),  # an integer needs no further slot
        (1, 22, 0, 3, [1, 2]),  # a text needs two
        (1, 22, 1, 3, [1, 2]),
        (2, 0, 77, 3, [1, 2]),  # a further slot of another number
        (3, 0, 9, 3, [1, 2]),  # a further slot of another change
    ],
)
def test_a_damaged_slot_is_lost_and_nothing_else(
    tmp_path: Path, slot: int, at: int, damage: int, lost: int, left: list[int | str]
) -> None:
    writer, reader = made(tmp_path)
    for index, value in ((1, 1), (3, "text"), (1, 2)):
        writer.set(index, value)
        writer.publish()
    place = struct.unpack_from("<Q", (tmp_path / "segment").read_bytes(), 88)[0] + slot * 32 + at
    os.pwrite(writer.fd, bytes([damage]), place)
    changes = reader.changes(0)
    assert [change.value for change in changes.entries] == left
    assert (changes.lost, changes.cursor) == (lost, 5)


def test_a_limit_below_the_longest_change_gets_on(tmp_path: Path) -> None:
    writer, reader = made(tmp_path)
    writer.set(3, "text")
    writer.publish()
    assert [change.value for change in reader.changes(0, limit=1).entries] == ["text"]
