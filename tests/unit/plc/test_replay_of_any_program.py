# SPDX-License-Identifier: Apache-2.0
"""Generated programs over the whole instruction set: each scan can be run again, stepped back, and explained."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pilotlight.plc import PLC, Program
from pilotlight.plc.runner.replay import Replay
from pilotlight.plc.runner.reverse import Stepper
from pilotlight.plc.runner.why import Explainer

from tests.unit.plc.generating import Maker

SCANS = 12
KINDS = {"rung", "patch", "start", "above"}


class Ready(Program):
    """A program that is in the IR already."""

    def __init__(self, maker: Maker) -> None:
        super().__init__()
        self._lowered = maker.program()


def scanned(seed: int) -> PLC:
    maker = Maker(random.Random(seed))
    plc = PLC(Ready(maker), checkpoint_interval=5)
    for _ in range(SCANS):
        values, dt_ns = maker.inputs()
        plc.points.period_ns = max(1, dt_ns)
        plc._patches.update(values)
        plc.step()
    return plc


any_seed = given(seed=st.integers(0, 1 << 64))
many = settings(
    max_examples=25, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@many
@any_seed
def test_every_scan_runs_again_exactly(seed: int) -> None:
    plc = scanned(seed)
    replay = Replay(plc)
    for scan_id in range(SCANS, 0, -1):
        replay.begin(scan_id)
        for _ in replay.walk():
            pass
        assert replay.exact, (seed, scan_id)


@many
@any_seed
def test_stepping_back_meets_the_same_images(seed: int) -> None:
    stepper = Stepper(scanned(seed))
    stepper.go_to(SCANS - 2)
    seen = [list(stepper.cells)]
    while stepper.scan_id < SCANS and len(seen) < 40:
        if stepper.forward() is not None:
            seen.append(list(stepper.cells))
    for cells in seen[-2::-1]:
        if not stepper.steps:
            continue
        assert stepper.back()
        assert repr(stepper.cells) == repr(cells), seed


@many
@any_seed
def test_every_change_has_a_cause(seed: int) -> None:
    plc = scanned(seed)
    for scan_id in range(1, SCANS + 1):
        before, after = plc.history.image(scan_id - 1), plc.history.image(scan_id)
        explainer = Explainer(plc)
        for slot, (was, now) in enumerate(zip(before, after, strict=True)):
            if was == now or plc.names.cells[slot].internal or (was != was and now != now):
                continue
            cause = explainer.explain(slot, scan_id, 3)
            assert cause.scan_id == scan_id
            assert repr(cause.value) == repr(plc.names.value(slot, now)), (seed, scan_id, cause.tag)
            cleared = cause.kind == "system" and cause.tag.startswith("fault.") and not cause.value
            assert cause.kind in KINDS or cleared, (seed, scan_id, cause)


def test_a_replay_that_goes_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plc = scanned(3)
    replay = Replay(plc)
    replay.begin(SCANS)
    monkeypatch.setattr(replay, "_dt_ns", 10**15)
    replay.after[0:3] = [2, 2, 2]
    for _ in replay.walk():
        pass
    assert not replay.exact
