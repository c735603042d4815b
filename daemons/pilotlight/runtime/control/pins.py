# SPDX-License-Identifier: Apache-2.0
"""The pin map of a control configuration: which line of the header serves what, and where two uses meet.

Lines are those of the RP1, GPIO0 to GPIO27 on the header. The functions of pins are in the chip's own table: PWM0
channels 0 and 1 are on GPIO12 and GPIO13, channels 2 and 3 on GPIO14 or 18 and GPIO15 or 19.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pilotlight.io.undriven import RP1, rests_high
from pilotlight.runtime.control.problems import Problem, error, warning
from pilotlight.runtime.control.settings import ControlSettings

HEADER: Final = RP1
HEADER_NAMES: Final = {HEADER, "/dev/gpiochip0", "/dev/gpiochip4", "gpiochip0", "gpiochip4"}
HEADER_LINES: Final = 54
LAST_HEADER_PIN: Final = 27
PWM_PINS: Final = {0: (12,), 1: (13,), 2: (14, 18), 3: (15, 19)}
SPI0_PINS: Final = {7: "SPI0 CE1", 8: "SPI0 CE0", 9: "SPI0 MISO", 10: "SPI0 MOSI", 11: "SPI0 SCLK"}
I2C1_PINS: Final = {2: "I2C1 SDA", 3: "I2C1 SCL"}


@dataclass(frozen=True)
class Use:
    """A line that something uses; `active` when it does with these settings, else only once it is enabled.

    `others` are lines that could serve instead, as the board is wired.
    """

    chip: str
    line: int
    purpose: str
    section: str
    key: str
    active: bool
    others: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        if self.chip != HEADER:
            return f"{self.chip} line {self.line}"
        return " or ".join(f"GPIO{line}" for line in (self.line, *self.others))


def chip_name(chip: str) -> str:
    """One name for the chip of the header, whatever it is called; other chips keep theirs."""
    return HEADER if chip in HEADER_NAMES else chip


def uses(settings: ControlSettings) -> list[Use]:
    """All lines the configuration speaks of."""
    return [*_switch(settings), *_igniter(settings), *_servos(settings), *_buses(settings)]


def _switch(settings: ControlSettings) -> Iterator[Use]:
    switch = settings.killswitch
    yield Use(chip_name(switch.chip), switch.gpio, "kill switch", "killswitch", "gpio", switch.enabled)


def _igniter(settings: ControlSettings) -> Iterator[Use]:
    if not settings.igniter.enabled:
        return
    active = settings.igniter.use_hardware and not settings.runtime.sim_mode
    for number, channel in enumerate(settings.igniters):
        name = f"igniter{number}"
        yield Use(chip_name(channel.input_chip), channel.input_line, f"{name} output", name, "input_line", active)
        yield Use(chip_name(channel.status_chip), channel.status_line, f"{name} status", name, "status_line", active)


def _servos(settings: ControlSettings) -> Iterator[Use]:
    if not settings.actuator.use_hardware:
        return
    for number, servo in enumerate(settings.servos):
        pins = PWM_PINS.get(servo.channel)
        if pins is not None:
            purpose = f"servo{number}, PWM0 channel {servo.channel}"
            active = not settings.runtime.sim_mode
            yield Use(HEADER, pins[0], purpose, f"servo{number}", "channel", active, pins[1:])


def _buses(settings: ControlSettings) -> Iterator[Use]:
    active = not settings.runtime.sim_mode
    if settings.imu.spi_device.startswith("/dev/spidev0."):
        for line, purpose in SPI0_PINS.items():
            yield Use(HEADER, line, purpose, "imu", "spi_device", active)
    if settings.baro.i2c_bus == "/dev/i2c-1":
        for line, purpose in I2C1_PINS.items():
            yield Use(HEADER, line, purpose, "baro", "i2c_bus", active)


def examine(settings: ControlSettings) -> Iterator[Problem]:
    """What is wrong with the lines: used twice, not there, or unsafe for their use."""
    found = uses(settings)
    yield from _twice(found)
    yield from _channels(settings)
    for use in found:
        if use.chip == HEADER and use.line >= HEADER_LINES:
            yield error(use.section, use.key, f"{use.place} is no line of {HEADER}, which has 0 to {HEADER_LINES - 1}")
        elif use.chip == HEADER and use.line > LAST_HEADER_PIN:
            yield warning(use.section, use.key, f"{use.place} ({use.purpose}) is not on the header")
        elif use.purpose.endswith("output") and rests_high(use.chip, use.line):
            text = f"a reset pulls {use.place} up, so {use.section} could fire before any program runs"
            yield warning(use.section, use.key, f"{text}; use a line from 9 on, with a pull-down at the driver")


def _twice(found: list[Use]) -> Iterator[Problem]:
    for at, use in enumerate(found):
        for other in found[:at]:
            if not _meet(use, other):
                continue
            text = f"{use.place} is used twice: {other.purpose} ({other.section}.{other.key}) and {use.purpose}"
            sure = use.active and other.active and not use.others and not other.others
            inside = use.section.startswith("igniter") and other.section.startswith("igniter")
            if sure or inside:
                yield error(use.section, use.key, text)
            else:
                yield warning(use.section, use.key, f"{text}{_while(use, other)}")


def _meet(use: Use, other: Use) -> bool:
    if use.chip != other.chip or use.section == other.section == "imu":
        return False
    return not {use.line, *use.others}.isdisjoint({other.line, *other.others})


def _while(use: Use, other: Use) -> str:
    if use.active and other.active:
        return ", unless the board uses the other pin of that channel"
    return ", which is an error as soon as both are on"


def _channels(settings: ControlSettings) -> Iterator[Problem]:
    """Servos that share a PWM channel would move as one."""
    if not settings.actuator.use_hardware:
        return
    first: dict[tuple[int, int], int] = {}
    for number, servo in enumerate(settings.servos):
        other = first.setdefault((servo.chip, servo.channel), number)
        if other != number:
            yield error(f"servo{number}", "channel", f"servo{other} has channel {servo.channel} of this PWM chip too")


def table(settings: ControlSettings) -> str:
    """The pin map as text: place, use, and whether it is in use with these settings; sorted by line."""
    found = sorted(uses(settings), key=lambda use: (use.chip != HEADER, use.chip, use.line))
    width = max(len(use.place) for use in found)
    return "\n".join(f"{use.place:<{width}}  {'' if use.active else '(off) '}{use.purpose}" for use in found)
