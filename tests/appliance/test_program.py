# SPDX-License-Identifier: Apache-2.0
"""Programs on the appliance: from an upload to the lines, faults, bad uploads."""

from pathlib import Path

import pytest

from tests.appliance.conftest import Contained
from tests.programs.make import bad_zips
from tests.support import scenarios
from tests.support.appliance import DAEMONS, bus_property
from tests.support.editor import Editor

BACK_S = 10.0 + 3.0 + 15.0  # the watchdog's time, loading program `slow`, and a start on a busy machine


def test_output_follows_input(appliance: Contained, editor: Editor) -> None:
    scenarios.output_follows_input(appliance, editor)


def test_output_follows_within_two_scans(appliance: Contained, editor: Editor) -> None:
    scenarios.load_and_run(appliance, editor, "follow")
    assert scenarios.scans_between_input_and_output(appliance) <= 2


def test_example_is_changed_while_it_runs(appliance: Contained, editor: Editor, tmp_path: Path) -> None:
    scenarios.example_is_changed_while_it_runs(appliance, editor, tmp_path)


def test_null_program_stops_safe(appliance: Contained, editor: Editor) -> None:
    scenarios.faulting_program_stops_safe(appliance, editor, "null", "SIGSEGV|SIGFPE")


def test_endless_program_stops_safe(appliance: Contained, editor: Editor) -> None:
    scenarios.faulting_program_stops_safe(appliance, editor, "loop", "(?i)deadline|hang|did not finish")


def test_failed_build_changes_nothing(appliance: Contained, editor: Editor) -> None:
    scenarios.program_that_does_not_build_changes_nothing(appliance, editor)


def test_bad_uploads_name_their_reason_and_change_nothing(appliance: Contained, editor: Editor) -> None:
    scenarios.load_and_run(appliance, editor, "follow")
    before = scenarios.programs(appliance), bus_property(appliance, "runtime", "Identity")
    bad = bad_zips()
    assert len(bad) >= 40
    wrong = {}
    for name, (archive, reason) in bad.items():
        status = editor.build(archive)
        log = "".join(str(line) for line in status["logs"])  # type: ignore[attr-defined]
        if status["status"] != "FAILED" or reason not in log:
            wrong[name] = (status["status"], reason, log)
    assert wrong == {}
    assert editor.state() == "RUNNING"
    assert (scenarios.programs(appliance), bus_property(appliance, "runtime", "Identity")) == before


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
@pytest.mark.parametrize("daemon", [name for name in DAEMONS if name != "runtime"])
def test_killed_daemon_comes_back(appliance: Contained, daemon: str, signal: str) -> None:
    scenarios.killed_daemon_comes_back(appliance, daemon, signal, BACK_S)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_outputs_are_safe_while_runtime_is_away(appliance: Contained, editor: Editor, signal: str) -> None:
    scenarios.outputs_are_safe_while_runtime_is_away(appliance, editor, signal, BACK_S)


def test_restart_during_a_start_keeps_the_program_running(appliance: Contained, editor: Editor) -> None:
    scenarios.restart_during_a_start_keeps_the_program_running(appliance, editor, BACK_S)
