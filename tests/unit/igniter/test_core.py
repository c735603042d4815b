# SPDX-License-Identifier: Apache-2.0
"""What state a firing channel is in, and that there is always a reason not to arm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pilotlight.igniter.core import State, conflicts, judge, problems, unconfigured, why_not_armable
from pilotlight.igniter.settings import ChannelSettings

_channels = st.dictionaries(
    st.integers(1, 4),
    st.builds(judge, st.integers(1, 4), st.none() | st.booleans(), st.sampled_from(["", "the line is taken"])),
)


def test_only_a_line_that_reads_off_is_off() -> None:
    assert judge(1, False).state is State.OFF
    assert judge(1, True).state is State.FAULT
    assert judge(1, None).state is State.FAULT
    assert judge(1, False, "chip is gone").state is State.FAULT
    assert unconfigured(1).state is State.UNCONFIGURED


@given(_channels, st.integers(0, 9))
def test_without_arming_settings_it_is_always_refused_with_a_reason(channels: dict[int, object], number: int) -> None:
    reason = why_not_armable(channels, number)  # type: ignore[arg-type]
    assert "Nothing was armed" in reason


def test_reasons_name_the_channel_and_what_to_do() -> None:
    channels = {1: judge(1, False), 2: judge(2, True), 3: unconfigured(3)}
    assert "no `arming` entry" in why_not_armable(channels, 1)
    assert "reads on though it is commanded off" in why_not_armable(channels, 2)
    assert "igniter.yaml" in why_not_armable(channels, 3)
    assert "channels are 1 to 4" in why_not_armable(channels, 7)


def test_faults_are_problems_and_missing_channels_are_not() -> None:
    assert problems({1: judge(1, False), 2: unconfigured(2)}) == []
    assert problems({1: judge(1, None, "channel 1: gone")}) == ["channel 1: gone"]


def test_two_channels_on_one_line_are_a_conflict() -> None:
    here, there = ChannelSettings(chip="a", line=3), ChannelSettings(chip="b", line=3)
    assert conflicts({1: here, 2: there}) == []
    assert conflicts({1: here, 2: there, 4: here}) == ["channels 1 and 4 both name line 3 of a"]
