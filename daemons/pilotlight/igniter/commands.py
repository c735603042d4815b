# SPDX-License-Identifier: Apache-2.0
"""What the parent asks of the firing loop, and what the loop answers: fixed records, nothing to parse.

Every command has a number and gets a verdict. Those of a session also carry a sequence number, which must grow, and
the time they were made at, which must be recent, so that none is carried out twice or late.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

_COMMAND = struct.Struct("<BBHIIQQqQ4I")
SLOT = _COMMAND.size
"""Bytes of a command: the slot size of the ring."""


class Kind(enum.IntEnum):
    """What is asked for."""

    OPEN = 1
    """Begin a session: it holds the only lease while it keeps it alive."""
    KEEP = 2
    """Keep the lease alive."""
    CLOSE = 3
    """End the session, and with it everything that is armed."""
    PREPARE = 4
    """First step of arming: check, remember ``secret`` as the code, begin the countdown."""
    ARM = 5
    """Second step: ``secret`` repeats the code; ``token`` is what firing has to show from now on."""
    FIRE = 6
    """Switch on the channels of ``mask`` for ``durations_ms``, if ``secret`` is the token."""
    DISARM = 7
    """All off and safe. Needs no session: anybody who gets this far may make it safe."""
    CLEAR = 8
    """Forget the faults; only while safe."""
    FACTS = 9
    """What only the parent can know: the checks in ``checks`` fail at present."""
    BOX_ARM = 10
    """Arming in one step, as the ``_v1`` mailbox does it; ``checks`` are those that its settings force."""
    BOX_FIRE = 11
    """Firing after BOX_ARM, without a token."""
    BOX_CLEAR = 12
    """All off and safe, and the faults forgotten, while no session has the igniter."""
    LOOK = 13
    """Which arming checks fail for `mask`; changes nothing."""
    REPLY = 14
    """For the segment: `checks` is what became of the PLC program's request `sequence`, `session` its session or 0."""
    REFUSED = 15
    """For the count: the parent itself has refused somebody's command."""


UNCOUNTED = frozenset({Kind.KEEP, Kind.FACTS, Kind.LOOK, Kind.REPLY})
"""What counts neither as accepted nor as refused: signs of life, questions, and what the parent tells."""


DANGEROUS = frozenset({Kind.ARM, Kind.FIRE, Kind.BOX_ARM, Kind.BOX_FIRE})
"""What arms or fires: it is on record before it is done."""


class Verdict(enum.IntEnum):
    """The answer to a command."""

    ACCEPTED = 0
    NO_SESSION = 1
    BUSY = 2
    STALE = 3
    REPEATED = 4
    WRONG_STATE = 5
    CHECKS = 6
    WRONG_CODE = 7
    TOO_EARLY = 8
    WRONG_TOKEN = 9
    BAD_CHANNELS = 10
    BAD_WINDOW = 11
    REFUSED = 12
    UNDONE = 13
    """It was made safe in the tick of the command, before an output was switched on."""


TEXTS = {
    Verdict.ACCEPTED: "accepted",
    Verdict.NO_SESSION: "there is no such session, or its lease has ended; open a session and keep it alive",
    Verdict.BUSY: "another session holds the lease, or it is armed through the mailbox; wait until that has ended",
    Verdict.STALE: "the command is too old, or its time lies ahead; make it anew with the present CLOCK_MONOTONIC time",
    Verdict.REPEATED: "the command's sequence number is not above the last one of this session; number every command",
    Verdict.WRONG_STATE: "it is not the time for it: prepare, then arm, then fire; clear faults while safe",
    Verdict.CHECKS: "arming checks fail",
    Verdict.WRONG_CODE: "the code is not the one that preparing gave; everything is safe now, prepare again",
    Verdict.TOO_EARLY: "the countdown is not over; everything is safe now, prepare again and wait for its end",
    Verdict.WRONG_TOKEN: "the token is not the one that arming gave; everything is safe now, prepare again",
    Verdict.BAD_CHANNELS: "the channels are none, or one of them is not configured, not armed, or firing already",
    Verdict.BAD_WINDOW: "a window is longer than max_fire_ms allows",
    Verdict.REFUSED: "the channels refuse it; clear their faults first",
    Verdict.UNDONE: "everything was made safe before an output was switched on; see Cause in Status, then begin anew",
}
"""What each verdict means and what to do, for people."""


@dataclass(frozen=True)
class Command:
    """One command. `mask` has a bit for each channel; `stamp_ns` is CLOCK_MONOTONIC; windows of 0 are the default."""

    kind: Kind
    number: int = 0
    mask: int = 0
    checks: int = 0
    sequence: int = 0
    secret: int = 0
    session: int = 0
    stamp_ns: int = 0
    token: int = 0
    durations_ms: tuple[int, int, int, int] = (0, 0, 0, 0)


def numbers_of(mask: int) -> list[int]:
    """The channel numbers of a mask, 1 to 4."""
    return [number + 1 for number in range(4) if mask >> number & 1]


def encode(command: Command) -> bytes:
    """The bytes of a command. struct.error when a number does not fit."""
    return _COMMAND.pack(
        command.kind, command.mask, command.checks, command.number, command.sequence, command.secret,
        command.session, command.stamp_ns, command.token, *command.durations_ms,
    )  # fmt: skip


def decode(data: bytes) -> Command:
    """The command in `data`. ValueError when it is none."""
    if len(data) != _COMMAND.size:
        raise ValueError(f"a command has {_COMMAND.size} bytes, not {len(data)}")
    kind, mask, checks, number, sequence, secret, session, stamp, token, *windows = _COMMAND.unpack(data)
    durations = (windows[0], windows[1], windows[2], windows[3])
    return Command(Kind(kind), number, mask, checks, sequence, secret, session, stamp, token, durations)
