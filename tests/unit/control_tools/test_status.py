# SPDX-License-Identifier: Apache-2.0
"""The status file: order, forms, and a replacement that nobody sees half of."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.runtime.control.tools.status import (
    BOOLEANS,
    DERIVED,
    KEYS,
    StatusError,
    parse_status,
    read_status,
    status_text,
    write_status,
)

from tests.unit.control_tools.samples import STATUS_SAMPLE, values_of


def test_the_sample_is_reproduced_to_the_byte() -> None:
    assert status_text(values_of(STATUS_SAMPLE)) == STATUS_SAMPLE


def test_there_are_78_keys_none_twice() -> None:
    assert len(KEYS) == len(set(KEYS)) == 78
    assert len(BOOLEANS) == 6
    assert set(KEYS) >= DERIVED | BOOLEANS


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"control_ticks": -1}, "control_ticks=-1"),
        ({"control_ticks": True}, "control_ticks=True"),
        ({"sim_mode": 1}, "sim_mode=1"),
        ({"imu_watchdog_state": 4}, "imu_watchdog_state=4"),
        ({"contrl_ticks": 1}, "contrl_ticks"),
        ({"imu_watchdog_state_name": 1}, "imu_watchdog_state_name"),
    ],
)
def test_values_that_are_not_a_status_are_refused(change: dict[str, int], part: str) -> None:
    with pytest.raises(StatusError, match=part):
        status_text(values_of(STATUS_SAMPLE) | change)


def test_a_missing_key_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "status.txt"
    write_status(path, values_of(STATUS_SAMPLE))
    less = values_of(STATUS_SAMPLE)
    del less["i2c_ticks"]
    with pytest.raises(StatusError, match="i2c_ticks"):
        write_status(path, less)
    assert path.read_text() == STATUS_SAMPLE


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "status.txt"
    write_status(path, values_of(STATUS_SAMPLE))
    with path.open() as before:
        write_status(path, values_of(STATUS_SAMPLE) | {"control_ticks": 6000})
        assert before.read() == STATUS_SAMPLE
    assert read_status(path)["control_ticks"] == "6000"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.txt"]


def test_links_are_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = tmp_path / "status.txt"
    path.symlink_to(victim)
    (tmp_path / ".status.txt.new").symlink_to(victim)
    write_status(path, values_of(STATUS_SAMPLE))
    assert victim.read_text() == "mine"
    assert not path.is_symlink()


def test_a_directory_in_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "status.txt"
    path.mkdir()
    with pytest.raises(OSError, match=r"status\.txt"):
        write_status(path, values_of(STATUS_SAMPLE))
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.txt"]


def test_parsing_passes_over_what_is_no_value() -> None:
    assert parse_status("a=1\n\nnonsense\n b = x=y \n") == {"a": "1", "b": "x=y"}
