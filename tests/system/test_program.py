# SPDX-License-Identifier: Apache-2.0
"""An Editor's program on kernel lines of the booted image: from upload to following output, and its faults."""

from pathlib import Path

from tests.support import scenarios
from tests.support.editor import Editor
from tests.system.conftest import Emulated


def test_output_follows_input_and_every_door_shows_it(appliance: Emulated, editor: Editor) -> None:
    scenarios.output_follows_input(appliance, editor)


def test_output_follows_within_two_scans(appliance: Emulated, editor: Editor) -> None:
    scenarios.load_and_run(appliance, editor, "follow")
    assert scenarios.scans_between_input_and_output(appliance) <= 2


def test_example_is_changed_while_it_runs(appliance: Emulated, editor: Editor, tmp_path: Path) -> None:
    scenarios.example_is_changed_while_it_runs(appliance, editor, tmp_path)


def test_null_program_stops_safe(appliance: Emulated, editor: Editor) -> None:
    scenarios.faulting_program_stops_safe(appliance, editor, "null", "SIGSEGV|SIGFPE")


def test_endless_program_stops_safe(appliance: Emulated, editor: Editor) -> None:
    scenarios.faulting_program_stops_safe(appliance, editor, "loop", "(?i)deadline|hang|did not finish")


def test_failed_build_changes_nothing(appliance: Emulated, editor: Editor) -> None:
    scenarios.program_that_does_not_build_changes_nothing(appliance, editor)
