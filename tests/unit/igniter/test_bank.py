# SPDX-License-Identifier: Apache-2.0
"""The bank against traces recorded from the reference, under both policies."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.igniter.bank import Bank, Policy
from pilotlight.igniter.channel import MS, ChannelState, Continuity, End, Rules

TRACE = (Path(__file__).parent / "bank_trace.txt").read_text()
GOOD = 0b1111


class Recorder:
    """Plays the script of the trace and writes what the bank says in the trace's form."""

    def __init__(self, policy: Policy, latch: bool) -> None:
        self.bank = Bank(Rules(latch_faults=latch), policy)
        self.lines = [f"== policy={policy.name.lower()} latch={int(latch)}"]

    def verdict(self, name: str, accepted: bool) -> None:
        self.lines.append(f"{name} -> {int(accepted)}")

    def step(self, name: str, at_ms: int, status: int = GOOD, force: bool = False) -> None:
        self.bank.update(at_ms * MS, status, force)
        bank, channels = self.bank, self.bank.channels
        row = [[int(c.state) for c in channels], [int(c.fault) for c in channels]]
        row.append([c.remaining_ms(at_ms * MS) for c in channels])
        states, faults, remaining = (str(values).replace(" ", "") for values in row)
        self.lines.append(
            f"{name:<34} t={at_ms} armed={int(bank.armed)} gfl={int(bank.latched)} act=0x{bank.active:x} "
            f"st={states} f={faults} rem={remaining}"
        )

    def play(self) -> list[str]:
        bank = self.bank
        self.step("init", 0)
        self.verdict("fire while disarmed", bank.fire(5 * MS, 1, [0] * 4))
        self.verdict("arm", bank.arm(10 * MS))
        self.step("armed", 12)
        self.verdict("fire 0x05 {0,9,800,9}", bank.fire(20 * MS, 5, [0, 9, 800, 9]))
        self.step("firing", 20)
        self.verdict("fire 0x04 again (firing)", bank.fire(21 * MS, 4, [0] * 4))
        self.verdict("fire 0x02 dur 2001", bank.fire(21 * MS, 2, [0, 2001, 0, 0]))
        self.verdict("fire 0x00", bank.fire(21 * MS, 0, [0] * 4))
        self.step("ch0 low, before settle", 24, 0b1110)
        self.step("ch0 ok again", 28)
        self.step("t=219", 219)
        self.step("t=220 ch0 done", 220)
        self.step("ch2 low while on", 300, 0b1011)
        self.step("next", 304, 0b1011)
        self.step("ok again", 320)
        self.verdict("arm", bank.arm(330 * MS))
        self.step("after arm", 332)
        self.verdict("fire 0x02", bank.fire(340 * MS, 2, [0] * 4))
        self.step("s", 341)
        self.step("force_disarm", 345, force=True)
        self.step("force_disarm2", 349, force=True)
        self.step("release", 360)
        bank.clear_fault(370 * MS)
        self.step("clear_fault", 372)
        self.verdict("arm", bank.arm(380 * MS))
        bank.disarm(385 * MS)
        self.step("disarm", 390)
        self.step("off-state low (ch1)", 400, 0b1101)
        return self.lines


def expected(policy: Policy, latch: bool) -> list[str]:
    """The trace's section; the latch that the reference sets when it refuses to arm under `isolated` is a defect."""
    head = f"== policy={policy.name.lower()} latch={int(latch)}"
    section = TRACE.split(head)[1].split("==")[0].strip().splitlines()
    if policy is Policy.ISOLATED:
        section = [line.replace("gfl=1", "gfl=0") for line in section]
    return [head, *section]


@pytest.mark.parametrize("latch", [True, False])
@pytest.mark.parametrize("policy", list(Policy))
def test_the_bank_does_what_the_trace_says(policy: Policy, latch: bool) -> None:
    assert Recorder(policy, latch).play() == expected(policy, latch)


def test_the_defect_is_in_four_kinds_of_lines_only() -> None:
    """What is replaced above is the refused arming and what follows it until the fault is cleared."""
    section = TRACE.split("== policy=isolated latch=1")[1].split("==")[0].strip().splitlines()
    mended = [line.split(" ")[0] for line in section if "gfl=1" in line]
    assert mended == ["after", "s", "force_disarm", "force_disarm2", "release"]


def test_only_selected_channels_can_fire() -> None:
    bank = Bank(Rules(), Policy.GLOBAL)
    assert bank.arm(0, 0b0101)
    assert not bank.fire(1, 0b0010, [0] * 4)
    assert not bank.fire(1, 0b0111, [0] * 4)
    assert bank.active == 0
    assert bank.fire(1, 0b0101, [0] * 4)
    assert bank.active == 0b0101


def test_arming_while_firing_is_refused_and_the_window_still_ends() -> None:
    bank = Bank(Rules(), Policy.GLOBAL)
    assert bank.arm(0)
    assert bank.fire(0, 1, [10, 0, 0, 0])
    assert not bank.arm(5 * MS)
    bank.update(10 * MS, GOOD)
    assert bank.active == 0
    assert bank.channels[0].end is End.COMPLETED


@pytest.mark.parametrize("policy", list(Policy))
def test_an_arming_that_a_fault_refuses_makes_no_channel_ready(policy: Policy) -> None:
    bank = Bank(Rules(), policy, enabled=0b0111)
    if policy is Policy.ISOLATED:
        assert bank.arm(0, 0b0001), "what was armed before does not stay so"
    bank.channels[1].update(10 * MS, False)
    assert not bank.arm(11 * MS)
    assert (bank.armed, bank.latched) == (False, False)
    states = [channel.state for channel in bank.channels]
    kept = ChannelState.ARMED_IDLE if policy is Policy.ISOLATED else ChannelState.DISARMED
    assert states == [kept, ChannelState.FAULT_LATCHED, ChannelState.DISARMED, ChannelState.DISARMED]
    assert not any(bank.fire(12 * MS, mask, [0] * 4) for mask in range(1, 16))
    assert bank.arm(13 * MS, 0b0100), "a sound channel can still be armed alone"
    assert not bank.fire(14 * MS, 0b0001, [0] * 4)
    assert bank.fire(14 * MS, 0b0100, [0] * 4)


def test_a_channel_that_does_not_exist_refuses_the_whole_command() -> None:
    bank = Bank(Rules(), Policy.GLOBAL, enabled=0b0011)
    assert bank.arm(0)
    assert not bank.fire(0, 0b0111, [0] * 4)
    assert bank.active == 0


def test_a_match_that_burns_open_can_be_good_order() -> None:
    bank = Bank(Rules(opened_is_fault=False), Policy.GLOBAL)
    bank.arm(0)
    bank.fire(0, 0b11, [100, 100, 0, 0])
    bank.update(4 * MS, 0b1110)
    assert bank.active == 0b11, "STATUS means nothing before it has settled"
    bank.update(6 * MS, 0b1110)
    assert (bank.active, bank.armed, bank.latched) == (0b10, True, False)
    assert bank.channels[0].end is End.OPENED


def test_continuity_is_measured_with_the_output_off_and_needs_equal_samples() -> None:
    bank = Bank(Rules(off_means_open=True), Policy.GLOBAL)
    channel = bank.channels[0]
    for at in range(10, 14):
        bank.update(at * MS, 0b1110)
    assert channel.continuity is Continuity.UNKNOWN
    bank.update(14 * MS, 0b1110)
    assert channel.continuity is Continuity.OPEN
    assert (bank.faulted, bank.latched) == (0, False)
    for at in range(15, 20):
        bank.update(at * MS, GOOD)
    assert channel.continuity is Continuity.PRESENT
    bank.arm(20 * MS)
    bank.fire(20 * MS, 1, [100, 0, 0, 0])
    for at in range(21, 40):
        bank.update(at * MS, GOOD)
    assert channel.continuity is Continuity.UNKNOWN, "what was there before the shot says nothing of what is left"
    bank.update(41 * MS, 0b1110)
    assert bank.latched, "low while on stays a fault"
