# SPDX-License-Identifier: Apache-2.0
"""The simulated chip: the same protocol as a real one, over a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.io import inherit
from pilotlight.io.config import IoSettings, LineSettings, SimulatedSettings, pin_map
from pilotlight.io.drivers import Lines, hold, line_counts, simulated_path
from pilotlight.io.lines import Bank, Direction, LineError
from pilotlight.io.simulated import SimulatedChip

from tests.support.daemons import PACKAGES


def held(**lines: LineSettings) -> tuple[Lines, SimulatedChip]:
    simulated_path("sim0").parent.mkdir(parents=True, exist_ok=True)
    settings = IoSettings(lines, SimulatedSettings("sim0", 16))
    return hold(pin_map(settings, line_counts(settings)), settings), SimulatedChip.existing(simulated_path("sim0"))


def test_inputs_are_driven_from_outside_and_outputs_are_seen() -> None:
    lines, chip = held(
        a=LineSettings("sim0", 3, "%IX0.0"),
        b=LineSettings("sim0", 1, "%IX0.1", active_low=True),
        c=LineSettings("sim0", 5, "%IX0.2", bias="pull-up"),
        x=LineSettings("sim0", 8, "%QX0.0"),
        y=LineSettings("sim0", 9, "%QX0.1", active_low=True, safe=True),
    )
    # Bits are in the order of the line numbers: b, a, c and x, y.
    assert [line.name for line in lines.pin_map.inputs] == ["b", "a", "c"]
    assert lines.inputs.read() == 0b101, "an active-low line is TRUE at 0 V, a pulled-up one is high"
    chip.drive(1, True)
    chip.drive(3, True)
    chip.drive(5, False)
    assert lines.inputs.read() == 0b010
    assert chip.level(8) == (False, Direction.OUTPUT) and chip.level(9) == (False, Direction.OUTPUT)
    lines.outputs.write(0b01)
    assert chip.level(8)[0] is True and chip.level(9)[0] is True
    lines.drive_safe()
    assert chip.level(8)[0] is False and chip.level(9)[0] is False
    with pytest.raises(LineError, match="output of the controller"):
        chip.drive(8, True)
    with pytest.raises(PermissionError):
        lines.inputs.write(1)
    lines.close()
    assert chip.level(8) == (False, None)


def test_what_a_person_drove_survives_a_restart_of_the_controller() -> None:
    lines, chip = held(a=LineSettings("sim0", 0, "%IX0.0", bias="pull-up"))
    chip.drive(0, False)
    lines.close()
    lines, chip = held(a=LineSettings("sim0", 0, "%IX0.0", bias="pull-up"))
    assert lines.inputs.read() == 0


def test_a_child_process_takes_the_lines_over() -> None:
    lines, chip = held(a=LineSettings("sim0", 0, "%IX0.0"), x=LineSettings("sim0", 8, "%QX0.0"))
    chip.drive(0, True)
    script = (
        "import sys; from pilotlight.io.inherit import bank\n"
        "i, o = bank(sys.argv[1:2]), bank(sys.argv[2:3]); o.write(i.read())"
    )
    subprocess.run(
        [sys.executable, "-c", script, *lines.inputs.handles, *lines.outputs.handles],
        pass_fds=lines.inputs.descriptors() + lines.outputs.descriptors(),
        env={**os.environ, "PYTHONPATH": PACKAGES},
        check=True,
        timeout=20,
    )
    assert chip.level(8)[0] is True


def test_a_file_of_another_size_is_made_anew_and_a_foreign_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "sim1.lines"
    SimulatedChip.create(path, 4).drive(2, True)
    assert SimulatedChip.create(path, 4).level(2)[0] is True
    assert SimulatedChip.create(path, 8).level(2)[0] is False
    with pytest.raises(LineError, match="lines 0 to 7, not 8"):
        SimulatedChip.existing(path).level(8)
    (tmp_path / "foreign.lines").write_bytes(b"something else")
    with pytest.raises(LineError, match="is not the file"):
        SimulatedChip.existing(tmp_path / "foreign.lines")
    with pytest.raises(LineError, match="cannot be opened"):
        SimulatedChip.existing(tmp_path / "none.lines")


class Row:
    """Lines in memory, for the bank."""

    handle = ""

    def __init__(self, count: int, fails: bool = False) -> None:
        self.count, self.bits, self.fails = count, 0, fails

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def read(self) -> int:
        return self.bits

    def write(self, bits: int) -> None:
        if self.fails:
            raise OSError("gone")
        self.bits = bits

    def close(self) -> None:
        self.bits = 0


@given(st.lists(st.integers(1, 64), min_size=1, max_size=6), st.data())
def test_a_bank_joins_requests_to_one_row_of_bits(counts: list[int], data: st.DataObject) -> None:
    rows = [Row(count) for count in counts]
    bank = Bank(rows)
    bits = data.draw(st.integers(0, (1 << bank.count) - 1))
    bank.write(bits)
    assert bank.read() == bits
    assert all(row.bits < 1 << row.count for row in rows)


def test_a_chip_that_fails_does_not_keep_the_others_from_being_written() -> None:
    rows = [Row(2, fails=True), Row(2)]
    with pytest.raises(OSError, match="gone"):
        Bank(rows).write(0b1111)
    assert rows[1].bits == 0b11


@pytest.mark.parametrize("handle", ["", "other:1", "gpio:1", "gpio:x:1", "gpio:1:0", "gpio:1:65", "simulated:1"])
def test_a_handle_that_is_none(handle: str) -> None:
    with pytest.raises(ValueError):
        inherit.take_over(handle)
