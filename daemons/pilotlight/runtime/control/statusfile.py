# SPDX-License-Identifier: Apache-2.0
"""The status file of the control loop, written by its parent out of what the loop publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pilotlight.runtime.control.looptags import status_of
from pilotlight.runtime.control.tools.status import StatusError, write_status
from pilotlight.tags import SegmentError, SegmentReader, Value, now_ns

ARMED: Final = 2
"""What tag `Mode` of segment `igniter` is while the igniter is armed."""
CHANNELS: Final = 4


class StatusFile:
    """Replaces the file as a whole, each time. `say` gets a failure, once until it is over."""

    def __init__(self, path: Path, say: Callable[[str, str], None]) -> None:
        self._path = path
        self._say = say
        self._trouble = ""

    def write(self, reader: SegmentReader, degraded: bool) -> None:
        """Write what the loop published last; `degraded` says that it is even if the loop does not know."""
        try:
            values = {**status_of(_values(reader)), **igniter_status()}
            values["degraded_mode_active"] = degraded or values["degraded_mode_active"]
            write_status(self._path, values)
            self._trouble = ""
        except (OSError, SegmentError, StatusError, ValueError) as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                self._say("WARNING", f"the status file {self._path} is not written, the loop goes on: {error}")


def igniter_status() -> dict[str, bool | int]:
    """What the status file says of the igniter, a daemon of its own; nothing while that does not write its segment."""
    try:
        reader = SegmentReader.open("igniter")
    except SegmentError:
        return {}
    try:
        beat = reader.beat()
        return {} if now_ns() > beat.deadline_ns else {**igniter_keys(_values(reader)), "igniter_ticks": beat.count}
    except SegmentError:
        return {}
    finally:
        reader.close()


def igniter_keys(values: Mapping[str, Value]) -> dict[str, bool | int]:
    """The keys of the status file out of the tags of segment `igniter`."""
    on = (values[f"Channel{number}.Commanded"] is True for number in range(1, CHANNELS + 1))
    return {
        "igniter_command_accept_count": int(values["CommandsAccepted"]),
        "igniter_command_reject_count": int(values["CommandsRefused"]),
        "igniter_armed": values["Mode"] == ARMED,
        "igniter_global_fault_latched": values["FaultLatched"] is True,
        "igniter_active_mask": sum(1 << bit for bit, is_on in enumerate(on) if is_on),
    }


def _values(reader: SegmentReader) -> dict[str, Value]:
    snapshot = reader.snapshot()
    return {tag.name: value for tag, value in zip(snapshot.directory, snapshot.values(), strict=True)}
