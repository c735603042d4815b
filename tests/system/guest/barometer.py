# SPDX-License-Identifier: Apache-2.0
"""Inside the machine: the driver of the barometer on an adapter of i2c-stub. Arguments: its device, readings as P:T.

Prints what happened as JSON.
"""

import json
import sys

import smbus2
from pilotlight.io import bmp390
from pilotlight.io.bmp390 import Bmp390
from pilotlight.io.buses import I2cRegisters
from pilotlight.io.sensors import SensorError

ADDRESS, NOBODY = 0x77, 0x76
CALIBRATION = bytes.fromhex("116d394af9800275fb23004962ab7603fa034006f8")
STEP_NS = 50_000_000
NEW = bmp390.COMMAND_READY | bmp390.NEW_PRESSURE | bmp390.NEW_TEMPERATURE
SET = {"power": 0x1B, "oversampling": 0x1C, "rate": 0x1D, "filter": 0x1F, "command": 0x7E}


def main(device: str, readings: list[str]) -> None:
    """Fill the registers, let the driver start, then measure; then with a wrong name, no calibration, no device."""
    bus = smbus2.SMBus(device)

    def fill(register: int, data: bytes) -> None:
        for place, value in enumerate(data, register):
            bus.write_byte_data(ADDRESS, place, value)

    fill(bmp390.REG_ID, bytes([bmp390.CHIP_ID]))
    fill(bmp390.REG_ERROR, bytes([0, NEW]))
    fill(bmp390.REG_CALIBRATION, CALIBRATION)
    now = 1_000_000_000
    sensor = Bmp390(I2cRegisters(device, ADDRESS))
    polls = 0
    while not sensor.ready and polls < 40:
        now += STEP_NS
        polls += 1
        assert sensor.poll(now) is None
    found = {"ready": sensor.ready, "polls": polls}
    found["set"] = {name: bus.read_byte_data(ADDRESS, place) for name, place in SET.items()}
    found["samples"] = []
    for reading in readings:
        pressure, temperature = (int(part).to_bytes(3, "little") for part in reading.split(":"))
        fill(0x04, pressure + temperature)
        now += STEP_NS
        sample = sensor.poll(now)
        found["samples"].append(None if sample is None else [sample.pressure_pa, sample.temperature_c])
    fill(bmp390.REG_ID, b"\x58")
    found["other"] = trouble(sensor)
    fill(bmp390.REG_ID, bytes([bmp390.CHIP_ID]))
    fill(bmp390.REG_CALIBRATION, bytes(len(CALIBRATION)))
    found["empty"] = trouble(sensor)
    found["nobody"] = trouble(Bmp390(I2cRegisters(device, NOBODY)))
    print(json.dumps(found))


def trouble(sensor: Bmp390) -> str:
    """What a start says that cannot succeed."""
    sensor.start()
    for number in range(1, 40):
        try:
            sensor.poll(number * STEP_NS)
        except SensorError as error:
            return str(error)
    return "none"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
