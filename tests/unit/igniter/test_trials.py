# SPDX-License-Identifier: Apache-2.0
"""The trials of the bench, a few of each and without load: they find outputs that go off, and lines of the kernel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pilotlight.igniter import pair

from tests.bench import igniter_rig
from tests.bench.bench_igniter import Counts, measure
from tests.bench.igniter_rig import KILL, OUTPUTS, KernelLines, Observer, Rig, lines


def test_after_every_trial_all_outputs_are_off_and_no_command_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(igniter_rig, "PRIORITY", 0)
    # The rig puts a loop of its own in its place.
    monkeypatch.setattr(pair, "_spawn", pair._spawn)
    seen = lines()
    observer = Observer(seen)
    rig = Rig(seen)
    try:
        rows = asyncio.run(measure(rig, observer, Counts(2, 1, 5), 0))
    finally:
        rig.close()
        observer.close()
    counted = [row for row in rows if row.name.endswith((", not off", ", lost"))]
    assert [row.value for row in counted] == [0] * 7
    assert {row.bar for row in counted} == {0}
    assert not seen.on()


def test_lines_of_the_kernel_are_those_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in range(8):
        (tmp_path / f"sim_gpio{line}").mkdir()
        (tmp_path / f"sim_gpio{line}/value").write_text("0\n")
    monkeypatch.setenv("PILOTLIGHT_GPIO_SIM", f"bank:{tmp_path}")
    seen = lines()
    assert isinstance(seen, KernelLines)
    assert (seen.chip, seen.on()) == ("bank", False)
    (tmp_path / f"sim_gpio{OUTPUTS[1]}/value").write_text("1\n")
    assert seen.on()
    seen.drive(KILL, False)
    assert (tmp_path / "sim_gpio0/pull").read_text() == "pull-down"
