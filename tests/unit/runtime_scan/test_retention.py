# SPDX-License-Identifier: Apache-2.0
"""Which values of a program are kept, and to which program they are given."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import Variable
from pilotlight.runtime.retention import PROGRAMS_MAX, Retention
from pilotlight.tags import Flags, SegmentReader, SegmentWriter, Tag, Type

COUNT, LEVEL = Variable("Count", Type.INT, 2, Flags.RETENTIVE), Variable("Level", Type.INT, 2, 0)


def program(name: str, *variables: Variable) -> LoadedProgram:
    return LoadedProgram(name, name, "0" * 32, Path("nowhere"), variables)


class Kept:
    """A retention, and programs that publish values for it to take."""

    def __init__(self, folder: Path) -> None:
        self._segment = folder / "segment"
        self.folder = folder / "retained"
        self.retention = self.again()

    def again(self) -> Retention:
        """What is on disk, as the next process finds it."""
        self.folder.mkdir(exist_ok=True)
        self.said: list[str] = []
        return Retention(self.folder, lambda _level, text: self.said.append(text))

    def publish(self, of: LoadedProgram, *values: int) -> None:
        """A program publishes, its values are taken and saved."""
        tags = [Tag(v.name, Type(v.type), flags=Flags(v.flags)) for v in of.variables]
        with closing(SegmentWriter.create("kept", tags, path=self._segment)) as writer:
            for number, value in enumerate(values):
                writer.set(number, value)
            writer.publish()
            with closing(SegmentReader.open("kept", path=self._segment)) as reader:
                self.retention.take(of, reader)
        self.retention.save()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_only_retentive_variables_are_kept(kept: Kept) -> None:
    both = program("one", LEVEL, COUNT)
    kept.publish(both, 3, 4)
    expected = {1: (4).to_bytes(2, "little")}
    assert (kept.retention.values(both), kept.again().values(both)) == (expected, expected)


def test_a_variable_that_is_no_longer_the_same_gets_nothing(kept: Kept) -> None:
    kept.publish(program("one", COUNT), 4)
    others = [
        Variable("Count", Type.WORD, 2, Flags.RETENTIVE), Variable("Count", Type.INT, 2, 0),
        Variable("Count", Type.INT, 4, Flags.RETENTIVE), Variable("Counts", Type.INT, 2, Flags.RETENTIVE),
    ]  # fmt: skip
    assert [kept.retention.values(program("one", other)) for other in others] == [{}] * 4
    assert list(kept.retention.values(program("one", LEVEL, COUNT))) == [1]


def test_each_program_has_its_own(kept: Kept) -> None:
    one, two = program("one", COUNT), program("two", COUNT)
    kept.publish(one, 1)
    assert kept.retention.values(two) == {}
    kept.publish(two, 2)
    assert [kept.retention.values(each)[0][0] for each in (one, two)] == [1, 2]
    kept.retention.forget("two")
    assert (kept.retention.values(two), kept.again().values(two)) == ({}, {})
    assert kept.retention.values(one)[0][0] == 1


def test_a_program_that_is_forgotten_while_it_is_the_present_one_has_nothing(kept: Kept) -> None:
    one = program("one", COUNT)
    kept.publish(one, 1)
    kept.retention.forget("one")
    kept.retention.save()
    assert (kept.retention.values(one), kept.again().values(one)) == ({}, {})


def test_the_programs_used_longest_ago_go_first(kept: Kept) -> None:
    programs = [program(f"p{number}", COUNT) for number in range(PROGRAMS_MAX + 2)]
    for number, each in enumerate(programs):
        kept.publish(each, number)
        newest = max(kept.folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    again = kept.again()
    assert [number for number, each in enumerate(programs) if not again.values(each)] == [0, 1]
    assert kept.said == []
