# SPDX-License-Identifier: Apache-2.0
"""The real buses, spidev and smbus2 included, on a kernel that answers as told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pilotlight.io.buses import BusError, I2cRegisters, SpiRegisters, check_transfer

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    library = tmp_path_factory.mktemp("below") / "below.so"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", library, HERE / "below.c"], check=True, timeout=60)
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(HERE.parents[2] / "daemons")}
    done = subprocess.run(
        [sys.executable, HERE / "below.py", library], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_registers_are_read_and_written(seen: dict[str, Any]) -> None:
    assert seen["spi"] == bytes(range(0x20, 0x2E)).hex()
    assert seen["i2c"] == bytes(range(0x31, 0x31 + 21)).hex()
    assert seen["written"] == [0x44, 0x33]


def test_the_buses_are_set_up_and_a_broken_one_is_bounded_in_time(seen: dict[str, Any]) -> None:
    assert seen["set"] == {
        "transfer speed": 5_000_000, "mode": 3, "speed": 5_000_000, "0x701": 0, "0x702": 1, "0x703": 0x77,
    }  # fmt: skip


def test_a_child_does_not_get_the_devices(seen: dict[str, Any]) -> None:
    assert seen["inherited"] == []


def test_a_failed_transfer_keeps_its_number_and_is_not_repeated(seen: dict[str, Any]) -> None:
    assert seen["ETIMEDOUT"] == ["ETIMEDOUT"] * 3 and seen["EREMOTEIO"] == ["EREMOTEIO"] * 3
    assert seen["transfers"] == 6


def test_reading_leaves_nothing_for_the_garbage_collector(seen: dict[str, Any]) -> None:
    assert max(seen["growth"]) < 20, seen["growth"]


def test_a_bus_that_is_not_there_or_cannot_do_it(seen: dict[str, Any]) -> None:
    for path, text in zip(("/dev/spidev9.0", "/dev/i2c-9"), seen["absent"], strict=True):
        assert text.startswith(f"{path} cannot be used: No such file") and "switched on" in text
    assert "cannot write a byte or read a block" in seen["poor"]


def test_what_is_never_asked_of_a_bus() -> None:
    with pytest.raises(BusError, match="is no SPI device"):
        SpiRegisters("/dev/null", 1000, 0)
    with pytest.raises(BusError, match="not 1000 Hz in mode 4"):
        SpiRegisters("/dev/spidev0.0", 1000, 4)
    with pytest.raises(BusError, match="not 0 Hz"):
        SpiRegisters("/dev/spidev0.0", 0, 0)
    with pytest.raises(BusError, match="0x08 to 0x77, not 0x78"):
        I2cRegisters("/dev/i2c-1", 0x78)
    for count, register in ((0, 0), (33, 0), (1, 128), (1, -1)):
        with pytest.raises(ValueError, match="1 to 32 registers"):
            check_transfer(register, count)
