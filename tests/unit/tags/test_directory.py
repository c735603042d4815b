# SPDX-License-Identifier: Apache-2.0
"""Descriptions of tags, and the directory that holds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.tags import Directory, Flags, SegmentDamaged, Tag, Type

NAMES = st.text(st.characters(whitelist_categories=("L", "N", "P")), min_size=1, max_size=20)
TEXTS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)


@st.composite
def tags(draw: st.DrawFn) -> list[Tag]:
    names = draw(st.lists(NAMES, unique=True, max_size=20))
    made = []
    for name in names:
        kind = draw(st.sampled_from(Type))
        length = draw(st.integers(1, 60)) if kind is Type.STRING else 0
        flags = Flags(draw(st.integers(0, 15)))
        made.append(Tag(name, kind, length, draw(TEXTS), draw(TEXTS), flags))
    return made


@given(tags())
def test_a_directory_comes_back_from_its_bytes(described: list[Tag]) -> None:
    directory = Directory(described)
    back = Directory.parse(directory.pack(), len(directory), directory.image_size)
    assert list(back) == described
    assert [back.offset(i) for i in range(len(back))] == [directory.offset(i) for i in range(len(back))]


@given(tags())
def test_values_are_aligned_and_do_not_overlap(described: list[Tag]) -> None:
    directory = Directory(described)
    end = 0
    for index, tag in enumerate(directory):
        offset = directory.offset(index)
        assert offset % tag.type.align == 0
        assert end <= offset < end + tag.type.align
        end = offset + tag.size
    assert directory.image_size == end


@given(tags(), st.data())
def test_a_damaged_directory_is_refused_or_reads_as_a_directory(described: list[Tag], data: st.DataObject) -> None:
    packed = bytearray(Directory(described).pack())
    for _ in range(data.draw(st.integers(1, 4))):
        if packed:
            packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(packed[: data.draw(st.integers(0, len(packed)))])
    for damaged in (bytes(packed), cut):
        try:
            Directory.parse(damaged, len(described), Directory(described).image_size)
        except SegmentDamaged:
            continue


@pytest.mark.parametrize("at", [0, 4, 24, 28, 32, 34, 44, 46])
def test_a_record_that_contradicts_the_rest_is_refused(at: int) -> None:
    directory = Directory([Tag("A", Type.INT), Tag("B", Type.LREAL)])
    packed = bytearray(directory.pack())
    packed[at] += 8
    with pytest.raises(SegmentDamaged):
        Directory.parse(bytes(packed), 2, directory.image_size)


def test_tags_are_found_by_name() -> None:
    directory = Directory([Tag("A", Type.BOOL), Tag("B.C", Type.LREAL)])
    assert directory.index("B.C") == 1
    assert "A" in directory
    assert "a" not in directory
    assert directory[1].name == "B.C"
    with pytest.raises(KeyError):
        directory.index("C")


def test_two_tags_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tags have the name 'A'"):
        Directory([Tag("A", Type.BOOL), Tag("A", Type.INT)])


@pytest.mark.parametrize(
    ("name", "kind", "length", "unit", "description"),
    [
        ("", Type.BOOL, 0, "", ""),
        ("n" * 256, Type.BOOL, 0, "", ""),
        ("two words", Type.BOOL, 0, "", ""),
        ("line\n", Type.BOOL, 0, "", ""),
        ("A", Type.INT, 4, "", ""),
        ("A", Type.STRING, 0, "", ""),
        ("A", Type.STRING, 4097, "", ""),
        ("A", Type.INT, 0, "u" * 33, ""),
        ("A", Type.INT, 0, "", "d" * 1025),
    ],
)
def test_a_tag_that_breaks_a_rule_is_refused(name: str, kind: Type, length: int, unit: str, description: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tag(name, kind, length, unit, description)
