# SPDX-License-Identifier: Apache-2.0
"""Faults of hardware, injected in front of any bus, sensor or output, real or simulated.

Which operations fail is drawn from a seed: a run is repeated exactly by giving the same seed and the same calls.
"""

from __future__ import annotations

import enum
import errno
import math
import random
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from pilotlight.io.buses import Registers
from pilotlight.io.pulse import PulseOutputs
from pilotlight.io.sensors import AirSample, MotionSample, SensorError


class Fault(enum.Enum):
    """What can go wrong. Not every kind of device can have every fault; the classes say what they make of each."""

    NAK = "nak"
    """Refused: the device does not acknowledge."""
    STUCK = "stuck"
    """Nothing changes any more, though everything seems to work."""
    NAN = "nan"
    """A value that is not a number."""
    DROP = "drop"
    """No answer."""
    SLOW = "slow"
    """An answer that comes late."""


class Faults:
    """Which faults strike how often. One object can serve several devices, which then fail by one dice."""

    def __init__(self, seed: int = 0) -> None:
        self._dice = random.Random(seed)
        self._shares: dict[Fault, float] = {}
        self.counts: dict[Fault, int] = dict.fromkeys(Fault, 0)
        """How often each fault has struck."""

    def set(self, fault: Fault, share: float) -> None:
        """From now on a `share` (0 to 1) of the operations has this fault; 0 ends it."""
        if not 0 <= share <= 1:
            raise ValueError(f"the share of a fault is 0 to 1, not {share}")
        self._shares[fault] = share

    def clear(self) -> None:
        """End all faults."""
        self._shares.clear()

    def strikes(self, fault: Fault) -> bool:
        """Whether the present operation has this fault. Draws only for faults that are set."""
        share = self._shares.get(fault, 0.0)
        if share == 0 or self._dice.random() >= share:
            return False
        self.counts[fault] += 1
        return True


class FaultyRegisters:
    """A device on a bus. NAK: EREMOTEIO; DROP: ETIMEDOUT; STUCK: reads repeat, writes are lost; SLOW: `delay` first.

    NAN does not strike: no register holds one.
    """

    def __init__(self, inner: Registers, faults: Faults, delay: Callable[[], None]) -> None:
        self._inner = inner
        self._faults = faults
        self._delay = delay
        self._last: dict[tuple[int, int], bytes] = {}

    def read(self, register: int, count: int) -> bytes:
        """As the device reads, or the fault."""
        self._strike()
        key = (register, count)
        if key in self._last and self._faults.strikes(Fault.STUCK):
            return self._last[key]
        self._last[key] = self._inner.read(register, count)
        return self._last[key]

    def write(self, register: int, value: int) -> None:
        """As the device takes it, or the fault."""
        self._strike()
        if not self._faults.strikes(Fault.STUCK):
            self._inner.write(register, value)

    def close(self) -> None:
        """Close the device."""
        self._inner.close()

    def _strike(self) -> None:
        if self._faults.strikes(Fault.SLOW):
            self._delay()
        if self._faults.strikes(Fault.NAK):
            raise OSError(errno.EREMOTEIO, "not acknowledged (injected)")
        if self._faults.strikes(Fault.DROP):
            raise OSError(errno.ETIMEDOUT, "no answer (injected)")


Sample = TypeVar("Sample", MotionSample, AirSample)


class Sensor(Protocol[Sample]):
    """What both sensors can do; see `MotionSensor`."""

    @property
    def ready(self) -> bool: ...

    def start(self) -> None: ...

    def poll(self, now_ns: int) -> Sample | None: ...

    def stop(self) -> None: ...


class FaultySensor(Generic[Sample]):
    """A sensor. NAK: SensorError; DROP: the sample is lost; SLOW: it comes at a later poll, unless overtaken;
    STUCK: the values of the last one with a new time; NAN: all values."""

    name: str
    nothing: Sample
    """All values not a number."""

    def __init__(self, inner: Sensor[Sample], faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self._last: Sample | None = None
        self._late: Sample | None = None

    @property
    def ready(self) -> bool:
        """As the sensor says."""
        return self._inner.ready

    def start(self) -> None:
        """Start the sensor; a sample that is late is lost."""
        self._late = None
        self._inner.start()

    def poll(self, now_ns: int) -> Sample | None:
        """The sensor's next sample, or the fault."""
        if self._faults.strikes(Fault.NAK):
            raise SensorError(f"{self.name}: not acknowledged (injected)")
        late, self._late = self._late, None
        sample = self._inner.poll(now_ns)
        if sample is None or self._faults.strikes(Fault.DROP):
            return late
        if self._last is not None and self._faults.strikes(Fault.STUCK):
            sample = self._last._replace(t_ns=sample.t_ns)
        self._last = sample
        if self._faults.strikes(Fault.NAN):
            sample = self.nothing._replace(t_ns=sample.t_ns)
        if self._faults.strikes(Fault.SLOW):
            self._late = sample
            return late
        return sample

    def stop(self) -> None:
        """Switch the sensor off."""
        self._inner.stop()


class FaultyMotion(FaultySensor[MotionSample]):
    """A motion sensor."""

    name = "motion sensor"
    nothing = MotionSample(0, (math.nan,) * 3, (math.nan,) * 3, math.nan)


class FaultyAir(FaultySensor[AirSample]):
    """A barometer."""

    name = "barometer"
    nothing = AirSample(0, math.nan, math.nan)


class FaultyPulses:
    """Pulse outputs. NAK: EIO; DROP: ETIMEDOUT; STUCK: new pulses are lost; SLOW: `delay` first.

    Switching off and closing never fail.
    """

    def __init__(self, inner: PulseOutputs, faults: Faults, delay: Callable[[], None]) -> None:
        self._inner = inner
        self._faults = faults
        self._delay = delay

    @property
    def ready(self) -> bool:
        """As the outputs say."""
        return self._inner.ready

    def start(self, now_ns: int) -> None:
        """Start the outputs."""
        self._inner.start(now_ns)

    def write(self, pulses_us: Sequence[int]) -> None:
        """As the outputs take them, or the fault."""
        if self._faults.strikes(Fault.SLOW):
            self._delay()
        if self._faults.strikes(Fault.NAK):
            raise OSError(errno.EIO, "refused (injected)")
        if self._faults.strikes(Fault.DROP):
            raise OSError(errno.ETIMEDOUT, "no answer (injected)")
        if not self._faults.strikes(Fault.STUCK):
            self._inner.write(pulses_us)

    def off(self) -> None:
        """Switch the outputs off."""
        self._inner.off()

    def close(self) -> None:
        """Close the outputs."""
        self._inner.close()
