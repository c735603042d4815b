# SPDX-License-Identifier: Apache-2.0
"""The drivers of the control loop on the kernel's own simulated devices: i2c-stub and gpio-sim."""

import json
import shlex
from typing import Any

import pytest

from tests.support.appliance import run
from tests.system.conftest import CHIP, Emulated

SWITCH = 5
"""A line of the chip that the runtime leaves alone."""
READINGS = {
    "6500000:8300000": (111474.6588, 20.356809),
    "7000000:8000000": (102698.2441, 15.062945),
    "5500000:8600000": (125000.0, 25.646196),
    "6400000:7600000": (109656.3015, 7.997497),
}
"""Raw pressure and temperature, and what the maker's own program makes of them."""
KILL_SWITCH = 4
"""The reason of a failsafe."""


def told(appliance: Emulated, script: str, *words: str) -> dict[str, Any]:
    """What a script says in the machine."""
    said = run(appliance, shlex.join(["python3", appliance.guest(script), *words]), 180)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def test_the_barometer_starts_and_measures_on_the_kernels_bus(appliance: Emulated) -> None:
    run(appliance, "modprobe i2c-dev && modprobe i2c-stub chip_addr=0x77")
    try:
        names = run(appliance, "grep -l stub /sys/class/i2c-dev/*/name").split()
        device = f"/dev/i2c-{names[0].split('i2c-')[-1].split('/')[0]}"
        found = told(appliance, "barometer.py", device, *READINGS)
    finally:
        run(appliance, "modprobe -r i2c-stub")
    assert found["ready"] and found["polls"] <= 12
    assert found["set"] == {"power": 0x33, "oversampling": 0x0B, "rate": 0x03, "filter": 0x04, "command": 0xB6}
    for (pressure, temperature), sample in zip(READINGS.values(), found["samples"], strict=True):
        assert sample == pytest.approx([pressure, temperature], abs=1e-4)
    assert found["other"] == "barometer: it calls itself 0x58, a BMP390 is 0x60"
    assert found["empty"] == "barometer: every byte of the calibration is 0x00"
    assert found["nobody"].startswith("barometer: ")


def test_the_kill_switch_is_a_line_of_the_kernel(appliance: Emulated) -> None:
    found = told(appliance, "killswitch.py", CHIP, str(SWITCH), f"{appliance.chip.folder}/sim_gpio{SWITCH}/pull")
    edges, trip = found["edges"], found["trip"]
    assert edges["quiet"] and edges["rising"]
    assert edges["levels"] == [True, False] * 3
    # Of more edges than the kernel keeps the oldest are gone, which is counted; the level is right all the same.
    # How many there were is the kernel's affair: it may take several fast ones for one.
    assert edges["kept"] == 16
    assert 0 < edges["lost"] <= 64
    assert edges["level"] is False
    assert trip == {"Servo.Reason": KILL_SWITCH, "Controller.Armed": False, "Status.killswitch_active": True}
