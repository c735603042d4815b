# SPDX-License-Identifier: Apache-2.0
"""The kernel's texts and what of them is a problem."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.orchestrator.core import (
    CpuTime,
    Health,
    Space,
    Unit,
    build_time,
    cpu_percent,
    cpu_time,
    hottest,
    memory,
    os_release,
    problems,
    slot,
    units,
)
from pilotlight.orchestrator.settings import OrchestratorSettings

_STAT = "cpu  100 5 45 800 50 0 0 0 7 0\ncpu0 100 5 45 800 50 0 0 0 7 0\nintr 1\n"
_WELL = Health(10.0, 0.5, 4, Space(1000 << 20, 500 << 20), Space(100 << 20, 50 << 20), 40.0, 60.0)


def test_busy_time_is_all_but_idle_and_waiting_for_disks() -> None:
    assert cpu_time(_STAT) == CpuTime(busy=150, total=1000)
    assert cpu_percent(CpuTime(150, 1000), CpuTime(200, 1100)) == 50.0
    assert cpu_percent(CpuTime(150, 1000), CpuTime(150, 1000)) == 0.0


@pytest.mark.parametrize("text", ["", "intr 1\n", "cpu 1 2\n"])
def test_a_stat_without_figures_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="cpu line"):
        cpu_time(text)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_share_is_a_percentage_even_when_the_kernel_counts_backwards(a: int, b: int, c: int, d: int) -> None:
    assert 0 <= cpu_percent(CpuTime(a, b), CpuTime(c, d)) <= 100


def test_memory() -> None:
    assert memory("MemTotal:  4096 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n") == Space(4096 << 10, 1024 << 10)
    assert memory("MemTotal:  4096 kB\nMemAvailable: 1024 kB\n").used_percent == 75.0
    with pytest.raises(ValueError, match="missing"):
        memory("MemTotal:  4096 kB\n")
    assert Space(0, 0).used_percent == 0.0


def test_the_hottest_zone_counts() -> None:
    assert hottest(["41000\n", "52500\n", "junk", "-3000"]) == 52.5
    assert hottest([]) is None


def test_the_slot_is_on_the_command_line() -> None:
    assert slot("console=ttyAMA0 pilotlight.slot=b quiet\n") == "b"
    assert slot("quiet xpilotlight.slot=b") == ""


def test_os_release() -> None:
    text = '# c\nPRETTY_NAME="Pilotlight 1 (trixie)"\nIMAGE_VERSION=1.2\nBROKEN=\'\nEMPTY=\n\nno equals\n'
    assert os_release(text) == {"PRETTY_NAME": "Pilotlight 1 (trixie)", "IMAGE_VERSION": "1.2", "EMPTY": ""}


def test_units_are_sorted_by_name() -> None:
    listed = [("b.service", "B", "loaded", "failed", "failed", "", "/b", 0, "", "/"), ("a.service", "A", "l", "a", "s")]
    assert [unit.name for unit in units(listed)] == ["a.service", "b.service"]
    assert units(listed)[1] == Unit("b.service", "B", "loaded", "failed", "failed")


@pytest.mark.parametrize(
    ("stamp", "time"), [(b"\x67\xce\x2b\x80", 1741564800), (b"", None), (b"\0\0\0\0\0", None), (b"2025-03-10", None)]
)
def test_a_build_time_is_a_word_of_seconds(stamp: bytes, time: int | None) -> None:
    assert build_time(stamp) == time


def test_a_boot_loader_of_the_day_that_chooses_command_lines_is_new_enough() -> None:
    assert problems(replace(_WELL, bootloader=1741564800), [], OrchestratorSettings()) == []
    (problem,) = problems(replace(_WELL, bootloader=1741564799), [], OrchestratorSettings())
    assert problem.startswith("the module's boot loader is of 2025-03-09, too old")
    assert "bring it to 2025-03-10 or newer" in problem


def test_a_system_that_is_well_has_no_problems() -> None:
    assert problems(_WELL, [], OrchestratorSettings()) == []
    assert problems(replace(_WELL, data=None, temperature=None), None, OrchestratorSettings()) == []


@pytest.mark.parametrize(
    ("health", "found", "words"),
    [
        (replace(_WELL, memory=Space(1000 << 20, 40 << 20)), [], "memory is short: 40 MiB of 1000 MiB"),
        (replace(_WELL, data=Space(100 << 20, 4 << 20)), [], "/data is nearly full: 4 MiB of 100 MiB"),
        (replace(_WELL, temperature=91.25), [], "it is hot: 91.2 °C, more than 85 °C"),
        (
            _WELL,
            [Unit("pilotlight-web.service", "", "loaded", "failed", "failed")],
            "journalctl -u pilotlight-web.service",
        ),
    ],
)
def test_each_problem_is_a_sentence(health: Health, found: list[Unit], words: str) -> None:
    (problem,) = problems(health, found, OrchestratorSettings())
    assert words in problem
