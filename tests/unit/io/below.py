# SPDX-License-Identifier: Apache-2.0
"""Run in a process of its own by test_buses: the packages on a kernel that simulated devices stand in for.

Prints what happened as JSON. Arguments: the library that catches the system calls.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import struct
import sys
from typing import Any

from pilotlight.io.buses import BusError, I2cRegisters, SpiRegisters

SPI_MESSAGE, SPI_READ_MODE, SPI_READ_BITS, SPI_READ_SPEED = 0x40206B00, 0x80016B01, 0x80016B03, 0x80046B04
SPI_WRITE_MODE, SPI_WRITE_MODE32, SPI_WRITE_SPEED = 0x40016B01, 0x40046B05, 0x40046B04
SPI_READ_MODE32 = 0x80046B05
I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE, I2C_FUNCS, I2C_SMBUS = 0x0701, 0x0702, 0x0703, 0x0705, 0x0720
BYTE_DATA, BLOCK_DATA = 2, 8


class Kernel:
    """Two devices with 128 registers each, and what was asked of the buses."""

    def __init__(self) -> None:
        self.spi = bytearray(range(128))
        self.i2c = bytearray(range(128))
        self.set: dict[str, int] = {}
        self.mode = self.speed = 0
        self.functions = 0x0EFF0009
        self.fails = 0
        self.transfers = 0

    def __call__(self, fd: int, request: int, argument: int) -> int:
        if request == SPI_MESSAGE:
            return self._fail() or self._spi(argument)
        if request == I2C_SMBUS:
            return self._fail() or self._i2c(argument)
        if request in (SPI_WRITE_MODE, SPI_WRITE_MODE32):
            self.mode = ctypes.string_at(argument, 1)[0]
        elif request in (SPI_READ_MODE, SPI_READ_MODE32):
            ctypes.memmove(argument, bytes([self.mode]), 1)
        elif request == SPI_READ_BITS:
            ctypes.memmove(argument, b"\x08", 1)
        elif request == SPI_READ_SPEED:
            ctypes.memmove(argument, struct.pack("I", 500_000), 4)
        elif request == SPI_WRITE_SPEED:
            self.speed = struct.unpack("I", ctypes.string_at(argument, 4))[0]
        elif request == I2C_FUNCS:
            ctypes.memmove(argument, struct.pack("L", self.functions), 8)
        elif request in (I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE):
            self.set[hex(request)] = argument or 0
        return 0

    def _fail(self) -> int:
        self.transfers += 1
        return -self.fails

    def _spi(self, argument: int) -> int:
        sent, received, length, speed = struct.unpack("QQII", ctypes.string_at(argument, 24))
        data = ctypes.string_at(sent, length)
        register = data[0] & 0x7F
        if data[0] & 0x80:
            ctypes.memmove(received + 1, bytes(self.spi[register : register + length - 1]), length - 1)
        else:
            self.spi[register : register + length - 1] = data[1:]
        self.set["transfer speed"] = speed
        return int(length)

    def _i2c(self, argument: int) -> int:
        reading, register, kind, data = struct.unpack("BBxxIQ", ctypes.string_at(argument, 16))
        if kind == BLOCK_DATA and reading:
            length = ctypes.string_at(data, 1)[0]
            ctypes.memmove(data + 1, bytes(self.i2c[register : register + length]), length)
        elif kind == BYTE_DATA and not reading:
            self.i2c[register] = ctypes.string_at(data, 1)[0]
        else:
            return -errno.EOPNOTSUPP
        return 0


def said(action: Any, *arguments: Any) -> str:
    """What an action that is refused says."""
    try:
        action(*arguments)
    except (OSError, BusError) as error:
        number = error.errno if isinstance(error, OSError) else None
        return errno.errorcode[number] if number else str(error)
    return "nothing"


def growth(device: Any) -> int:
    """Objects that 3000 reads leave behind while no garbage is collected."""
    for _ in range(100):
        device.read(3, 14)
    gc.collect()
    gc.disable()
    before = len(gc.get_objects())
    for _ in range(3000):
        device.read(3, 14)
    after = len(gc.get_objects())
    gc.enable()
    return after - before


def main(library: str) -> dict[str, object]:
    kernel = Kernel()
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(kernel)
    ctypes.CDLL(library).below_answer(callback)
    spi = SpiRegisters("/dev/spidev0.0", 5_000_000, 3)
    i2c = I2cRegisters("/dev/i2c-1", 0x77)
    results: dict[str, object] = {"spi": spi.read(0x20, 14).hex(), "i2c": i2c.read(0x31, 21).hex()}
    spi.write(0x12, 0x44)
    i2c.write(0x1B, 0x33)
    results["written"] = [kernel.spi[0x12], kernel.i2c[0x1B]]
    results["set"] = {**kernel.set, "mode": kernel.mode, "speed": kernel.speed}
    results["inherited"] = [number for number in range(256) if inherited(number)]
    results["growth"] = [growth(spi), growth(i2c)]
    kernel.transfers = 0
    for number in (errno.ETIMEDOUT, errno.EREMOTEIO):
        kernel.fails = number
        results[errno.errorcode[number]] = [said(spi.read, 0, 1), said(i2c.read, 0, 1), said(i2c.write, 0, 1)]
    results["transfers"] = kernel.transfers
    kernel.fails = 0
    for device in (spi, i2c, spi, i2c):
        device.close()
    results["absent"] = [said(SpiRegisters, "/dev/spidev9.0", 1, 0), said(I2cRegisters, "/dev/i2c-9", 0x77)]
    kernel.functions = 1
    results["poor"] = said(I2cRegisters, "/dev/i2c-1", 0x77)
    return results


def inherited(fd: int) -> bool:
    """Whether a child would get this descriptor, beyond the three usual ones."""
    try:
        return fd > 2 and os.get_inheritable(fd)
    except OSError:
        return False


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
