# SPDX-License-Identifier: Apache-2.0
"""Set-points of the control loop out of tags of the PLC program: fresh, good and within bounds, or none at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pilotlight.runtime.settings import SetPointSettings
from pilotlight.runtime.states import State
from pilotlight.tags import Quality, Readers, Reading, SegmentError, now_ns

SEGMENT = "plc"
STATE_TAG = "Scan.State"


@dataclass(frozen=True)
class Wish:
    """Angles for the loop's own controller, rad. `problem` says why they are 0 although a program should give them."""

    roll: float = 0.0
    pitch: float = 0.0
    hold_ms: int = 0
    """How long they hold if nothing is heard: until the scan they came from is too old."""
    problem: str = ""


def refused(problem: str) -> Wish:
    """No set-points."""
    return Wish(problem=f"set-points of the PLC program are ignored, the loop turns to 0: {problem}")


def judge(state: int, age_ns: int, readings: dict[str, Reading], settings: SetPointSettings) -> Wish:
    """What the program asks for.

    `state` is that of the PLC, `age_ns` the time since its last scan; `readings` are by the full names of the tags. One
    axis that cannot be used spoils both: half a command is none.
    """
    if state != State.RUNNING:
        return refused("no program runs")
    left_ms = settings.max_age_ms - age_ns // 1_000_000
    if not 0 <= age_ns <= settings.max_age_ms * 1_000_000:
        return refused(f"the last scan was {age_ns / 1e6:.0f} ms ago, more than {settings.max_age_ms} ms")
    angles = {"": 0.0}
    for name, reading in readings.items():
        value = reading.value
        if reading.quality is not Quality.GOOD:
            return refused(f"the quality of {name} is {reading.quality.name}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return refused(f"{name} is no number")
        if abs(value) > settings.limit_rad:
            return refused(f"{name} is {value:g} rad, beyond {settings.limit_rad:g}")
        angles[name] = float(value)
    return Wish(angles[settings.roll], angles[settings.pitch], left_ms)


class SetPoints:
    """Looks at segment `plc` for what the settings name."""

    def __init__(self, settings: SetPointSettings) -> None:
        self._settings = settings
        self._readers = Readers()
        self._names = [name for name in dict.fromkeys((settings.roll, settings.pitch)) if name]

    @property
    def wanted(self) -> bool:
        """Whether the settings name a tag at all."""
        return bool(self._names)

    def look(self) -> Wish:
        """What the program asks for now."""
        try:
            return self._look()
        except KeyError as error:
            return refused(f"the program has no tag {error.args[0] if error.args else ''}")
        except SegmentError as error:
            self.close()
            return refused(str(error))

    def close(self) -> None:
        """Let go of the segment."""
        self._readers.close()

    def _look(self) -> Wish:
        reader = self._readers.present(SEGMENT)
        directory, snapshot = reader.directory, reader.snapshot()
        state = int(snapshot.value(directory.index(STATE_TAG)))
        # Without a program its tags are not there either.
        names = self._names if state == State.RUNNING else []
        places = {name: directory.index(name.removeprefix(f"{SEGMENT}.")) for name in names}
        readings = {name: snapshot.reading(place) for name, place in places.items()}
        return judge(state, now_ns() - snapshot.time_ns, readings, self._settings)
