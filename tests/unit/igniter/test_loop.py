# SPDX-License-Identifier: Apache-2.0
"""The firing loop in this process, on a simulated chip: its last acts, and what passes between it and the others."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from pilotlight.igniter import commands, guard, job, loop, reports
from pilotlight.igniter.arming import Cause, Inputs
from pilotlight.igniter.channel import End
from pilotlight.igniter.checks import FORCEABLE, Check
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.machine import Machine
from pilotlight.igniter.outputs import simulated_path
from pilotlight.igniter.page import Page
from pilotlight.igniter.records import Shot
from pilotlight.igniter.reports import Message, Report
from pilotlight.io import jobs
from pilotlight.io.edges import Edge
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import SegmentReader, now_ns

from tests.unit.igniter.bench import Bench

TICKS_MAX = 1000
STALL_NS = 10_000_000_000
"""More than any machine takes for a tick."""


class Lively(Page):
    """A page in which parent and guard live always."""

    parent_ns = property(lambda self: now_ns())
    guard_ns = property(lambda self: now_ns())


def test_an_exception_while_firing_switches_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[tuple[bool, bool]] = []

    def outputs(self: Machine) -> int:
        ticks.append(bench.levels())
        if len(ticks) == 3:
            raise ArithmeticError("broken")
        return 0b0101

    monkeypatch.setattr(Machine, "outputs", outputs)
    monkeypatch.setattr(Machine, "reconsider", lambda *_: 0b0101)
    with pytest.raises(ArithmeticError):
        loop.Loop(bench.job).run()
    assert ticks == [(False, True), (True, False), (True, False)], "both were on; channel 3 is active low"
    assert bench.levels() == (False, True)
    assert bench.page.outputs == 0


def test_a_sign_of_life_that_comes_within_a_tick_is_no_silence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failing: list[Check] = []

    def outputs(self: Machine) -> int:
        failing.append(self.failing(1) & Check.WATCHDOGS)
        if len(failing) == 5:
            raise ArithmeticError
        return 0

    monkeypatch.setattr(loop, "Page", Lively)
    monkeypatch.setattr(Machine, "outputs", outputs)
    with pytest.raises(ArithmeticError):
        loop.Loop(bench.job).run()
    assert failing == [Check(0)] * 5


def test_who_hears_a_verdict_finds_the_outputs_and_the_segment_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[reports.Report, bool, object]] = []
    reader = SegmentReader.open("igniter")

    class Listening(reports.Teller):
        def tell(self, kind: reports.Report, number: int = 0, value: int = 0, text: bytes = b"") -> None:
            found.append((kind, bench.levels()[0], reader.read("Channel1.Commanded")[0].value))
            super().tell(kind, number, value, text)

    def outputs(self: Machine) -> int:
        if len(found) > 1:
            raise ArithmeticError
        return 0b0001

    monkeypatch.setattr(loop, "Teller", Listening)
    monkeypatch.setattr(Machine, "outputs", outputs)
    monkeypatch.setattr(Machine, "reconsider", lambda *_: 0b0001)
    bench.ring.push(commands.encode(Command(Kind.LOOK, mask=1)))
    with pytest.raises(ArithmeticError):
        loop.Loop(bench.job).run()
    reader.close()
    assert found == [(reports.Report.READY, False, False), (reports.Report.VERDICT, True, True)]


def push_fire(bench: Bench) -> None:
    """Everything up to a shot of channels 1 and 3, for one tick."""
    chip = SimulatedChip.existing(simulated_path("igniter0"))
    for line in (0, 4, 5):
        chip.drive(line, True)
    chip.close()
    common = {"session": 5, "secret": 6, "stamp_ns": now_ns(), "checks": int(FORCEABLE), "mask": 0b0101, "token": 6}
    kinds = (Kind.FACTS, Kind.OPEN, Kind.PREPARE, Kind.ARM, Kind.FIRE)
    for number, kind in enumerate(kinds, 1):
        given = common if kind is not Kind.FACTS else {}
        bench.ring.push(commands.encode(Command(kind, number, sequence=number, **given)))


def verdicts(told: list[Message]) -> list[Verdict]:
    return [Verdict(message.value) for message in told if message.kind is Report.VERDICT]


def run_until(bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: Report, **job_of_it: int) -> list[Message]:
    """Run a loop until the end of the tick in which it tells of this kind; all that it told."""
    told: list[Message] = []
    ticks: list[int] = []

    class Telling(reports.Teller):
        def tell(self, kind: Report, number: int = 0, value: int = 0, text: bytes = b"") -> None:
            told.append(reports.decode(reports.encode(kind, number, value, text)))

    def wait(self: loop.Loop, until_ns: int) -> bool:
        if kind in [message.kind for message in told]:
            raise ArithmeticError
        ticks.append(until_ns)
        assert len(ticks) < TICKS_MAX, "it does not tell"
        return False

    monkeypatch.setattr(loop, "Teller", Telling)
    monkeypatch.setattr(loop, "Page", Lively)
    monkeypatch.setattr(loop.Loop, "_wait", wait)
    with pytest.raises(ArithmeticError):
        loop.Loop(replace(bench.job, countdown_ns=0, stall_ns=STALL_NS, **job_of_it)).run()
    return told


def test_a_shot_that_is_made_safe_in_its_tick_is_undone_and_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_fire(bench)
    bench.ring.push(commands.encode(Command(Kind.DISARM, 6)))
    told = run_until(bench, monkeypatch, Report.SHOT, first_shot=41)
    assert verdicts(told) == [*[Verdict.ACCEPTED] * 4, Verdict.UNDONE, Verdict.ACCEPTED]
    shots = [Shot.decode(message.text) for message in told if message.kind is Report.SHOT]
    assert [(shot.number, shot.channel, shot.end, shot.on_ns) for shot in shots] == [
        (41, 1, End.ABORTED, 0), (42, 3, End.ABORTED, 0),
    ]  # fmt: skip
    assert bench.page.kept() == [], "the parent has no record to make"


@pytest.mark.parametrize("stalls", [False, True])
def test_just_before_it_switches_on_the_loop_looks_at_switch_and_clock_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stalls: bool
) -> None:
    guarded: list[int] = []
    on: list[int] = []
    reconsider, outputs = Machine.reconsider, Machine.outputs

    def late(self: Machine) -> int:
        wanted = outputs(self)
        if wanted and not stalls:
            chip = SimulatedChip.existing(simulated_path("igniter0"))
            chip.drive(0, False)
            chip.close()
        return wanted

    def looked(self: Machine, now: int, closed: bool | None) -> int:
        guarded.append(bench.page.outputs)
        on.append(reconsider(self, now + (STALL_NS if stalls else 0), closed))
        return on[-1]

    monkeypatch.setattr(Machine, "outputs", late)
    monkeypatch.setattr(Machine, "reconsider", looked)
    push_fire(bench)
    told = run_until(bench, monkeypatch, Report.SHOT)
    assert guarded == [0b0101], "the guard is told before"
    assert on == [0]
    assert verdicts(told)[-1] is Verdict.UNDONE
    assert {Shot.decode(message.text).on_ns for message in told if message.kind is Report.SHOT} == {0}
    with closing(SegmentReader.open("igniter")) as reader:
        assert reader.read("Cause")[0].value == (Cause.LATE if stalls else Cause.KILL_SWITCH)


def test_the_parent_finds_the_shots_of_a_loop_that_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    push_fire(bench)
    told = run_until(bench, monkeypatch, Report.MODE, first_shot=41)
    assert verdicts(told) == [Verdict.ACCEPTED] * 5
    kept = bench.page.kept()
    assert [(shot.number, shot.channel, shot.window_ms, shot.end) for shot in kept] == [
        (41, 1, 200, End.RUNNING), (42, 3, 200, End.RUNNING),
    ]  # fmt: skip
    assert all(0 < shot.commanded_ns < shot.on_ns < now_ns() for shot in kept)
    assert bench.page.last_shot == 42
    assert bench.levels() == (False, True)


def test_the_counts_of_commands_are_in_the_segment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[Machine] = []

    def outputs(self: Machine) -> int:
        ticks.append(self)
        if len(ticks) == 2:
            raise ArithmeticError
        return 0

    monkeypatch.setattr(Machine, "outputs", outputs)
    for kind in (Kind.DISARM, Kind.FIRE, Kind.DISARM, Kind.REFUSED, Kind.DISARM):
        bench.ring.push(commands.encode(Command(kind)))
    with pytest.raises(ArithmeticError):
        loop.Loop(bench.job).run()
    with closing(SegmentReader.open("igniter")) as reader:
        assert [reading.value for reading in reader.read("CommandsAccepted", "CommandsRefused")] == [3, 2]


def test_an_opening_that_was_over_before_the_kernel_looked_counts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [[], [Edge(1, True), Edge(2, True)], []]
    line = SimpleNamespace(edges=lambda: waiting.pop(0), level=lambda: True, lost=0, fileno=lambda: bench.alive)
    closed: list[bool | None] = []

    def tick(self: Machine, inputs: Inputs) -> None:
        closed.append(inputs.kill_closed)
        if len(closed) == 3:
            raise ArithmeticError

    monkeypatch.setattr(loop.inherit, "edge_input", lambda handle: line)
    monkeypatch.setattr(loop.Loop, "_wait", lambda self, until_ns: False)
    monkeypatch.setattr(Machine, "tick", tick)
    with pytest.raises(ArithmeticError):
        loop.Loop(bench.job).run()
    assert closed == [True, False, True]


def test_the_end_of_the_parent_ends_the_loop_with_outputs_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def outputs(self: Machine) -> int:
        os.close(bench.parent)
        return 0b0001

    monkeypatch.setattr(Machine, "outputs", outputs)
    monkeypatch.setattr(Machine, "reconsider", lambda *_: 0b0001)
    with pytest.raises(loop.ParentEnded):
        loop.Loop(bench.job).run()
    assert bench.levels() == (False, True)


@pytest.mark.parametrize(("refused", "expected"), [([], True), (["real-time priority 61 is refused"], False)])
def test_the_guard_says_whether_it_has_real_time_priority(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, refused: list[str], expected: bool
) -> None:
    monkeypatch.setattr(guard, "become_real_time", lambda priority: refused)
    sleeper = subprocess.Popen(["sleep", "60"])
    os.close(bench.parent)
    guard.main(jobs.encode(replace(bench.job, priority=60, watched=os.pidfd_open(sleeper.pid))))
    sleeper.wait(10)
    assert bench.page.guard_real_time is expected
    found: list[bool] = []

    def tick(self: Machine, inputs: Inputs) -> None:
        found.append(inputs.real_time)
        raise ArithmeticError

    monkeypatch.setattr(Machine, "tick", tick)
    monkeypatch.setattr(loop.Loop, "_wait", lambda self, until_ns: False)
    with pytest.raises(ArithmeticError):
        loop.Loop(replace(bench.job, priority=60)).run()
    assert found == [expected]


def test_lines_that_cannot_be_read_make_the_machine_safe_and_not_the_loop_fail(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[int | None, bool | None]] = []

    def broken() -> int:
        raise OSError(errno.EIO, "Input/output error")

    def tick(self: Machine, inputs: Inputs) -> None:
        found.append((inputs.outputs, inputs.kill_closed))
        if len(found) == 2:
            raise ArithmeticError

    monkeypatch.setattr(Machine, "tick", tick)
    made = loop.Loop(bench.job)
    monkeypatch.setattr(made, "_outputs", SimpleNamespace(read=broken, write=lambda bits: None))
    switch = SimpleNamespace(edges=broken, level=broken, lost=0, fileno=lambda: bench.alive)
    monkeypatch.setattr(made, "_kill_switch", switch)
    with pytest.raises(ArithmeticError):
        made.run()
    assert found == [(None, None), (None, None)]


def test_commands_jobs_and_reports_come_back_as_they_went(bench: Bench) -> None:
    wanted = Command(Kind.FIRE, 7, 5, 3, 9, 1 << 62, 1 << 61, 123, 1 << 60, (1, 2, 3, 0xFFFFFFFF))
    assert commands.decode(commands.encode(wanted)) == wanted
    assert jobs.decode(job.Job, jobs.encode(bench.job)) == bench.job
    told = reports.decode(reports.encode(reports.Report.NOTICE, 1, -2, b"late"))
    assert (told.kind, told.number, told.value, told.text.rstrip(b"\0")) == (reports.Report.NOTICE, 1, -2, b"late")
    for decode, data in ((commands.decode, b""), (reports.decode, b""), (partial(jobs.decode, job.Job), ["page=1"])):
        with pytest.raises(ValueError, match=r"bytes|does not say"):
            decode(data)


def test_children_import_nothing_slow() -> None:
    slow = {"asyncio", "gi", "pydbus", "yaml", "msgspec", "logging", "http", "json"}
    script = f"import sys, pilotlight.igniter.loop, pilotlight.igniter.guard; print(*({slow} & sys.modules.keys()))"
    environment = {"PYTHONPATH": str(Path(loop.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
