# SPDX-License-Identifier: Apache-2.0
"""Pulse outputs for servos: the protocol, the kernel's pulse generators, and simulated outputs.

A generator is found by its device, since the number of its `pwmchip` changes with the kernel. Its files in /sys are
opened once; from then on a new pulse is one write, and nothing is opened, looked up, locked or waited for.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

CLASS: Final = Path("/sys/class/pwm")
CM5_DEVICE: Final = "98000.pwm"
"""End of the name of the generator of the CM5's pins 12, 13, 18 and 19: before it is what the kernel makes of its
place on the bus, which differs between kernels."""
CM5_FAN: Final = "9c000.pwm"
"""End of the name of the generator that turns the fan."""
START_LIMIT_NS: Final = 1_000_000_000
"""A channel that the kernel does not show, or that we may not write, after this time is a failure."""
MAX_CHANNELS: Final = 16


class PulseError(Exception):
    """Pulse outputs cannot be used. The message says which, what stays safe and what to do."""


@dataclass(frozen=True)
class PulseChannel:
    """One output: `chip` is the name of a generator's device or of its `pwmchip`; `first_us` is its first pulse."""

    chip: str
    channel: int
    first_us: int


class PulseOutputs(Protocol):
    """Some outputs with one frequency. Pulses are in microseconds, in the order of the channels."""

    @property
    def ready(self) -> bool:
        """True once all outputs give pulses."""

    def start(self, now_ns: int) -> None:
        """One step of starting; called each tick until `ready`. PulseError when it cannot be, OSError as `write`."""

    def write(self, pulses_us: Sequence[int]) -> None:
        """The width of the next pulses. Every output is tried; the first OSError is raised at the end."""

    def off(self) -> None:
        """No more pulses: the lines stay low. Every output is tried; the first OSError is raised at the end."""

    def close(self) -> None:
        """Give the outputs back as they are; closing twice is harmless."""


def find_chip(name: str, folder: Path = CLASS) -> Path:
    """The folder of the generator whose device, or whose own name, is `name`; PulseError when there is none or two."""
    present = {path: (path / "device").resolve().name for path in sorted(folder.glob("pwmchip*"))}
    found = [path for path, device in present.items() if name in (path.name, device)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{path.name} ({device})" for path, device in present.items()) or "none"
    raise PulseError(
        f"there is {'no' if not found else 'more than one'} pulse generator {name}; this machine has {listed}. "
        "No servo is driven. Check that the board has PWM switched on"
    )


def servo_chip(number: int, folder: Path = CLASS) -> str:
    """What `chip = number` in the settings of a servo means here: a name for `find_chip`.

    On a CM5 it is the generator of the servo pins whatever the number says: the other one turns the fan, and their
    numbers differ from kernel to kernel. Elsewhere it is the number of the `pwmchip`.
    """
    present = {path.name: (path / "device").resolve().name for path in sorted(folder.glob("pwmchip*"))}
    for name, device in present.items():
        if device.endswith(CM5_DEVICE):
            return name
    if any(device.endswith(CM5_FAN) for device in present.values()):
        return CM5_DEVICE
    return f"pwmchip{number}"


def drive_safe(channels: Sequence[PulseChannel], folder: Path = CLASS) -> list[str]:
    """Give every output that is set up its `first_us`, whoever holds it: for when that process died or hangs.

    Every output is tried. Returns what went wrong, a sentence for each output that is not safe.
    """
    problems = []
    for channel in channels:
        try:
            place = find_chip(channel.chip, folder) / f"pwm{channel.channel}"
            if place.exists():
                _set(place / "duty_cycle", channel.first_us * 1000)
        except (OSError, PulseError) as error:
            problems.append(f"servo on channel {channel.channel} of {channel.chip} keeps its pulse: {error}")
    return problems


def _set(path: Path, value: int | str) -> None:
    """Write one value to a file of the kernel, which is never made anew."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, f"{value}\n".encode(), 0)
    finally:
        os.close(fd)


class KernelPulses:
    """Channels of the kernel's generators. Of each the pulse and the switch are held open, which also locks it."""

    def __init__(self, channels: Sequence[PulseChannel], frequency_hz: int, folder: Path = CLASS) -> None:
        """Outputs that are not touched before `start`; PulseError when a generator or channel does not exist."""
        if not 1 <= len(channels) <= MAX_CHANNELS or not 1 <= frequency_hz <= 1000:
            raise PulseError(f"1 to {MAX_CHANNELS} outputs at 1 to 1000 Hz are possible: no servo is driven")
        self._period_ns = 1_000_000_000 // frequency_hz
        self._chips = [find_chip(channel.chip, folder) for channel in channels]
        self._channels = tuple(channels)
        for chip, channel in zip(self._chips, channels, strict=True):
            count = int((chip / "npwm").read_text())
            if not 0 <= channel.channel < count:
                raise PulseError(
                    f"{chip.name} has channels 0 to {count - 1}, not {channel.channel}: no servo is driven"
                )
            self._check(channel.first_us)
        places = [chip / f"pwm{channel.channel}" for chip, channel in zip(self._chips, channels, strict=True)]
        if len(set(places)) < len(places):
            raise PulseError("two servos share a channel: no servo is driven")
        self._places = places
        self._duties: list[int] = []
        self._switches: list[int] = []
        self._began_ns = 0

    @property
    def ready(self) -> bool:
        """True once all outputs give pulses."""
        return len(self._switches) == len(self._places)

    def descriptors(self) -> tuple[int, ...]:
        """The descriptors of the pulses, then of the switches: all that is needed once it is `ready`."""
        return (*self._duties, *self._switches)

    def start(self, now_ns: int) -> None:
        """Start the next output, if its files are there and ours; the first pulse is its `first_us`."""
        if self.ready:
            return
        self._began_ns = self._began_ns or now_ns
        number = len(self._switches)
        place, channel = self._places[number], self._channels[number]
        try:
            if not place.exists():
                _set(self._chips[number] / "export", channel.channel)
            self._begin(place, channel.first_us)
        except BlockingIOError as error:
            raise PulseError(f"{place.name} of {place.parent.name} is held by another process: end it first") from error
        except (FileNotFoundError, PermissionError) as error:
            # The kernel makes the files at once, but their owner is set by udev some time later.
            if now_ns - self._began_ns > START_LIMIT_NS:
                raise PulseError(
                    f"{error.filename} cannot be used: {error.strerror}; this servo is not driven. Check that the "
                    "rules for pulse generators are installed and that this user is in their group"
                ) from error

    def write(self, pulses_us: Sequence[int]) -> None:
        """One write an output; ValueError when a pulse does not fit its period."""
        if len(pulses_us) != len(self._places) or not self.ready:
            raise ValueError(f"{len(self._places)} outputs are started and take as many pulses, not {len(pulses_us)}")
        for pulse in pulses_us:
            self._check(pulse)
        failure: OSError | None = None
        for duty, pulse in zip(self._duties, pulses_us, strict=True):
            try:
                os.pwrite(duty, f"{pulse * 1000}\n".encode(), 0)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def off(self) -> None:
        """Switch off every output that was started, and give it back."""
        failure: OSError | None = None
        for switch in self._switches:
            try:
                os.pwrite(switch, b"0\n", 0)
            except OSError as error:
                failure = failure or error
        self.close()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close the descriptors; what the outputs do stays. `start` takes them up again."""
        for fd in self.descriptors():
            os.close(fd)
        self._duties.clear()
        self._switches.clear()
        self._began_ns = 0

    def _begin(self, place: Path, first_us: int) -> None:
        """Set one channel up and switch it on. In this order no value is ever refused."""
        opened: list[int] = []
        try:
            for name in ("duty_cycle", "enable"):
                opened.append(os.open(place / name, os.O_WRONLY | os.O_CLOEXEC))
            duty, switch = opened
            fcntl.flock(duty, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(switch, b"0\n", 0)
            os.pwrite(duty, b"0\n", 0)
            _set(place / "period", self._period_ns)
            _set(place / "polarity", "normal")
            os.pwrite(duty, f"{first_us * 1000}\n".encode(), 0)
            os.pwrite(switch, b"1\n", 0)
        except OSError:
            for fd in opened:
                os.close(fd)
            raise
        self._duties.append(duty)
        self._switches.append(switch)

    def _check(self, pulse_us: int) -> None:
        if not 0 <= pulse_us * 1000 <= self._period_ns:
            raise ValueError(f"a pulse of {pulse_us} µs does not fit a period of {self._period_ns // 1000} µs")


class SimulatedPulses:
    """Outputs that only remember their pulses."""

    def __init__(self, first_us: Sequence[int]) -> None:
        self._first = tuple(first_us)
        self.pulses_us: tuple[int, ...] = ()
        """The last pulses; empty while there are none."""

    @property
    def ready(self) -> bool:
        """True once started and not switched off."""
        return bool(self.pulses_us)

    def start(self, now_ns: int) -> None:
        """Give the first pulses."""
        self.pulses_us = self.pulses_us or self._first

    def write(self, pulses_us: Sequence[int]) -> None:
        """Remember the pulses."""
        if len(pulses_us) != len(self._first) or not self.ready:
            raise ValueError(f"{len(self._first)} outputs are started and take as many pulses, not {len(pulses_us)}")
        self.pulses_us = tuple(pulses_us)

    def off(self) -> None:
        """Forget the pulses."""
        self.pulses_us = ()

    def close(self) -> None:
        """Nothing is held."""
