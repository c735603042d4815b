# SPDX-License-Identifier: Apache-2.0
"""The mailboxes as the tools read them: each kind by its name, attached when it is there, and again when made anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from pilotlight.tags import messages
from pilotlight.tags.mailbox import USUAL_PLACES, ClientMailbox, MailboxError, MailboxMissing, Places
from pilotlight.tags.messages import Fault, Format, fault_of

from ..messagetags import (
    CONTROLLER_TAGS,
    ESTIMATOR_TAGS,
    SENSOR_TAGS,
    controller_values,
    estimator_values,
    sensor_values,
)

LOOK_AGAIN_S = 0.5
"""So often it is looked whether the owner made a mailbox anew."""

Value = bool | int | float


class Kind(NamedTuple):
    """One kind of message: its form, the names of its fields and how its bytes become their values."""

    form: Format
    fields: tuple[str, ...]
    values: Callable[[bytes], tuple[Value, ...]]


def _igniter_command(data: bytes) -> tuple[Value, ...]:
    message = messages.IgniterCommand.unpack(data, check_crc=False)
    return (*message[:4], *message.durations_ms)


def _igniter_status(data: bytes) -> tuple[Value, ...]:
    message = messages.IgniterStatus.unpack(data, check_crc=False)
    return (*message[:5], *message.states, *message.faults, *message.remaining_ms)


def _numbered(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{channel}" for name in names for channel in range(messages.CHANNELS))


KINDS: Final = {
    "sensor": Kind(
        messages.SENSOR_SNAPSHOT,
        ("seq", "t_ns", "imu_valid", "baro_valid", "ax_mps2", "ay_mps2", "az_mps2", "gx_rads", "gy_rads", "gz_rads",
         "pressure_pa", "temp_c"),
        lambda data: sensor_values(messages.SensorSnapshot.unpack(data, check_crc=False)),
    ),
    "estimator": Kind(
        messages.ESTIMATOR_STATE,
        ("seq", "t_ns", "valid", "qw", "qx", "qy", "qz", "vn_mps", "ve_mps", "vd_mps", "pn_m", "pe_m", "pd_m"),
        lambda data: estimator_values(messages.EstimatorState.unpack(data, check_crc=False)),
    ),
    "controller": Kind(
        messages.CONTROLLER_COMMAND,
        ("seq", "t_ns", "armed", "s0_norm", "s1_norm", "s2_norm", "s3_norm"),
        lambda data: controller_values(messages.ControllerCommand.unpack(data, check_crc=False)),
    ),
    "igniter-command": Kind(
        messages.IGNITER_COMMAND,
        ("seq", "t_ns", "action", "fire_mask", *_numbered("duration_ms")),
        _igniter_command,
    ),
    "igniter-status": Kind(
        messages.IGNITER_STATUS,
        ("seq", "t_ns", "armed", "fault_latched", "active_mask", *_numbered("state", "fault", "remaining_ms")),
        _igniter_status,
    ),
}  # fmt: skip
TAGS: Final = {"sensor": SENSOR_TAGS, "estimator": ESTIMATOR_TAGS, "controller": CONTROLLER_TAGS}
"""The tags of segment `control` with the fields of a kind, in the same order."""


class Message(NamedTuple):
    """A message as its fields' values; `crc_ok` tells whether they are what the writer wrote."""

    values: tuple[Value, ...]
    crc_ok: bool


class Box:
    """One mailbox to read from, whether its owner runs already or not. `trouble` says why nothing comes."""

    def __init__(self, kind: Kind, name: str = "", places: Places | None = None) -> None:
        self.kind = kind
        self.name = name or kind.form.name
        self.trouble = ""
        self._places = places or USUAL_PLACES
        self._box: ClientMailbox | None = None
        self._look_s = 0.0

    def take(self, now_s: float | None = None) -> Message | None:
        """The message that was not taken before; None when there is none, or its header is not that of the kind."""
        now = time.monotonic() if now_s is None else now_s
        if now >= self._look_s:
            self._look_s = now + LOOK_AGAIN_S
            self._attach()
        data = None if self._box is None else self._box.take()
        if data is None:
            return None
        fault = fault_of(self.kind.form, data)
        return None if fault is Fault.SCHEMA else Message(self.kind.values(data), fault is Fault.NONE)

    def _attach(self) -> None:
        if self._box is not None and self._box.current():
            return
        self.close()
        try:
            self._box = ClientMailbox.attach(self.name, self.kind.form, places=self._places)
            self.trouble = ""
        except MailboxMissing:
            self.trouble = f"{self.name}: not there; waiting for the process that makes it"
        except MailboxError as error:
            self.trouble = str(error)

    def close(self) -> None:
        """Let go of the mailbox."""
        if self._box is not None:
            self._box.close()
            self._box = None
