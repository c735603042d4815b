# SPDX-License-Identifier: Apache-2.0
"""Kernel modules that we build, in the kernel they are built for."""

import pytest

from tests.support.appliance import run
from tests.system.conftest import Emulated

READ_BACK = """
import smbus2
bus = smbus2.SMBus(NUMBER)
bus.write_word_data(0x48, 3, 0x1234)
print(hex(bus.read_word_data(0x48, 3)), hex(bus.read_byte_data(0x48, 4)))
"""


@pytest.mark.parametrize("module", ["rpi-tryboot", "pwm-rp1", "spi-dw-mmio"])
def test_a_module_for_other_hardware_loads_and_unloads(appliance: Emulated, module: str) -> None:
    run(appliance, f"modprobe {module}")
    assert f"{module.replace('-', '_')} " in run(appliance, "cat /proc/modules")
    run(appliance, f"modprobe -r {module}")


def test_without_its_firmware_the_trial_boot_module_says_so_and_does_nothing(appliance: Emulated) -> None:
    run(appliance, "modprobe rpi-tryboot")
    assert "rpi_tryboot: no Raspberry Pi firmware here" in run(appliance, "dmesg")
    run(appliance, "modprobe -r rpi-tryboot")


def test_a_simulated_i2c_device_keeps_what_is_written(appliance: Emulated) -> None:
    run(appliance, "modprobe i2c-dev && modprobe i2c-stub chip_addr=0x48")
    names = run(appliance, "grep -l stub /sys/class/i2c-dev/*/name").split()
    number = names[0].split("i2c-")[-1].split("/")[0]
    script = READ_BACK.replace("NUMBER", number)
    assert run(appliance, f"python3 -c '{script}'").split() == ["0x1234", "0x0"]
    run(appliance, "modprobe -r i2c-stub")
