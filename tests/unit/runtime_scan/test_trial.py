# SPDX-License-Identifier: Apache-2.0
"""What of a program's fault flags counts while it is on trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.runtime.trial import FAULTS, FaultFlags, faults_now
from pilotlight.tags import SegmentReader, SegmentWriter, Tag, Type


class Flags:
    """The fault flags of a program that does not run, set by hand."""

    def __init__(self, folder: Path) -> None:
        self._writer = SegmentWriter.create("flags", [Tag(name, Type.BOOL) for name in FAULTS], path=folder / "segment")
        self.reader = SegmentReader.open("flags", path=folder / "segment")

    def scan(self, *on: str) -> None:
        """A scan that ends with these flags on."""
        for number, name in enumerate(FAULTS):
            self._writer.set(number, name in on)
        self._writer.publish()

    def close(self) -> None:
        self.reader.close()
        self._writer.close()


@pytest.fixture
def flags(tmp_path: Path) -> Iterator[Flags]:
    made = Flags(tmp_path)
    yield made
    made.close()


def test_no_flag_says_nothing(flags: Flags) -> None:
    trial = FaultFlags(flags.reader, frozenset())
    flags.scan()
    assert (trial.raised(), faults_now(flags.reader), faults_now(None)) == ("", frozenset(), frozenset())


def test_a_flag_that_was_on_between_two_looks_is_seen(flags: Flags) -> None:
    trial = FaultFlags(flags.reader, frozenset())
    assert trial.raised() == ""
    flags.scan("fault.division_error")
    flags.scan()
    assert faults_now(flags.reader) == frozenset()
    assert trial.raised() == "fault.division_error"
    assert trial.raised() == "fault.division_error"


def test_a_flag_that_was_on_before_is_no_news(flags: Flags) -> None:
    flags.scan("fault.plc_error")
    trial = FaultFlags(flags.reader, faults_now(flags.reader))
    flags.scan()
    flags.scan("fault.plc_error")
    assert trial.raised() == ""
    flags.scan("fault.plc_error", "fault.address_error")
    assert trial.raised() == "fault.address_error"
