# SPDX-License-Identifier: Apache-2.0
"""The registers of one device on a serial bus: the protocol that sensor drivers speak, and the two real buses.

Both go through the usual packages, which make one system call a transfer, never sleep and never repeat on their own:
`spidev` for SPI, `smbus2` for I2C. Block reads are SMBus calls rather than I2C messages, since the same call works on
every adapter, the kernel's i2c-stub included. Raw ioctls are left for what the packages do not offer: the limit of
time and the count of repetitions of an I2C adapter.

The thread that calls waits until the kernel has finished the transfer: 25 µs for 15 bytes at 5 MHz on SPI, 250 µs for
7 bytes at 400 kHz on I2C. On an I2C bus that is held down it waits up to `I2C_LIMIT_MS`, after what the adapter's
driver takes to see that the bus is not free: 20 ms in the one of the CM5.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any, Final, Protocol

MAX_BLOCK: Final = 32
"""Most registers of one transfer: the limit of SMBus, kept on SPI too."""
I2C_LIMIT_MS: Final = 10
"""The kernel gives an I2C transfer up after this time. It counts in steps of 10 ms; without this it waits 1 s."""

_I2C_RETRIES: Final = 0x0701
_I2C_TIMEOUT: Final = 0x0702
_SMBUS_NEEDS: Final = 0x0010_0000 | 0x0400_0000  # write a byte, read a block: the adapter's I2C_FUNCS
_SPI_DEVICE: Final = re.compile(r"/dev/spidev(\d+)\.(\d+)")
_SPI_READ: Final = 0x80


class BusError(Exception):
    """A bus cannot be opened or used as asked. The message says which, what stays safe and what to do."""


class Registers(Protocol):
    """The registers of one device. A refused or unanswered transfer is an OSError with the kernel's number."""

    def read(self, register: int, count: int) -> bytes:
        """`count` registers (1 to 32) from `register` (0 to 127) on, in one transfer."""

    def write(self, register: int, value: int) -> None:
        """Set one register to `value`, 0 to 255."""

    def close(self) -> None:
        """Close the device; closing twice is harmless."""


class SpiRegisters:
    """A device on SPI that takes the register's number first, with bit 7 set to read: spidev does all that is needed.

    spidev keeps the interpreter's lock during a transfer; a control loop has one thread and loses nothing by it.
    """

    def __init__(self, path: str, speed_hz: int, mode: int) -> None:
        """Open `path` at `speed_hz` (above 0) in SPI mode 0 to 3; BusError when that cannot be."""
        match = _SPI_DEVICE.fullmatch(str(Path(path).resolve()))
        if match is None:
            raise BusError(f"{path} is no SPI device: name it /dev/spidev<bus>.<select>, for instance /dev/spidev0.0")
        if speed_hz <= 0 or mode not in (0, 1, 2, 3):
            raise BusError(f"{path}: the speed is above 0 Hz and the mode 0 to 3, not {speed_hz} Hz in mode {mode}")
        import spidev

        self._device: Any = spidev.SpiDev()
        try:
            # By number: the version on the appliance has no open_path.
            self._device.open(int(match[1]), int(match[2]))
            os.set_inheritable(self._device.fileno(), False)
            self._device.max_speed_hz = speed_hz
            self._device.mode = mode
            self._device.bits_per_word = 8
        except OSError as error:
            self._device.close()
            raise _refused(path, error, "SPI") from error
        self._open = True

    def read(self, register: int, count: int) -> bytes:
        """One transfer of `count` + 1 bytes."""
        check_transfer(register, count)
        # A fresh list each time: spidev puts the answer into the list it is given.
        answer: list[int] = self._device.xfer2([_SPI_READ | register] + [0] * count)
        return bytes(answer[1:])

    def write(self, register: int, value: int) -> None:
        """One transfer of two bytes."""
        check_transfer(register, 1)
        self._device.xfer2([register, value])

    def close(self) -> None:
        """Close the device."""
        if self._open:
            self._device.close()
            self._open = False


class I2cRegisters:
    """A device on I2C. smbus2 does the transfers; two raw ioctls bound the time that a broken bus can take."""

    def __init__(self, path: str, address: int) -> None:
        """Open the bus `path` for the device at `address` (0x08 to 0x77); BusError when that cannot be."""
        if not 0x08 <= address <= 0x77:
            raise BusError(f"{path}: the address of a device is 0x08 to 0x77, not {address:#04x}")
        import smbus2

        self._address = address
        self._bus = smbus2.SMBus()
        self._open = False
        try:
            self._bus.open(path)
            self._open = True
            fd = self._bus.fd
            if fd is None:
                raise OSError("the bus has no descriptor")
            fcntl.ioctl(fd, _I2C_TIMEOUT, I2C_LIMIT_MS // 10)
            fcntl.ioctl(fd, _I2C_RETRIES, 0)
        except OSError as error:
            self.close()
            raise _refused(path, error, "I2C") from error
        if int(self._bus.funcs) & _SMBUS_NEEDS != _SMBUS_NEEDS:
            self.close()
            raise BusError(f"the adapter of {path} cannot write a byte or read a block; no device of it is used")

    def read(self, register: int, count: int) -> bytes:
        """One combined transfer: the register's number, then `count` bytes."""
        check_transfer(register, count)
        return bytes(self._bus.read_i2c_block_data(self._address, register, count))

    def write(self, register: int, value: int) -> None:
        """One transfer of two bytes."""
        check_transfer(register, 1)
        self._bus.write_byte_data(self._address, register, value)

    def close(self) -> None:
        """Close the bus."""
        if self._open:
            self._bus.close()
            self._open = False


def check_transfer(register: int, count: int) -> None:
    """ValueError unless `count` registers from `register` on make a transfer: a mistake of the caller."""
    if not (0 <= register <= 0x7F and 1 <= count <= MAX_BLOCK):
        raise ValueError(f"a transfer is 1 to {MAX_BLOCK} registers from 0 to 127, not {count} from {register}")


def _refused(path: str, error: OSError, kind: str) -> BusError:
    return BusError(
        f"{path} cannot be used: {error.strerror or error}; no device of it is used. Check that the board has {kind} "
        "switched on and that the user of this process may open the device"
    )
