# SPDX-License-Identifier: Apache-2.0
"""Downloads a bundle into a file, going on where it broke off, and holds it against size and sum."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from .delays import Delays
from .messages import Artifact
from .server import Server, ServerError

TRIES = 20
"""Failures in a row, without one more byte in between."""
REFUSALS = 5
"""The same, of a kind that is not expected to go away."""
PIECE = 1 << 20


class FetchFailed(Exception):
    """The bundle cannot be had; the text says why, and that nothing was installed."""


class Stopped(Exception):
    """The download was to end; what is there already stays."""


Pause = Callable[[float], None]
"""Waits; raises Stopped when that is not wanted any more. Called with 0 between pieces."""


def fetch(server: Server, artifact: Artifact, file: int, pause: Pause, chance: Callable[[], float]) -> None:
    """Complete the file of a descriptor. Raises FetchFailed, Stopped, OSError, BadAnswer."""
    delays, refusals = Delays(), 0
    while (done := os.fstat(file).st_size) < artifact.size:
        try:
            server.download(artifact.url, done, artifact.size, lambda at, piece: _take(file, at, piece, pause))
        except ServerError as error:
            if os.fstat(file).st_size > done:
                delays.success()
                refusals = 0
            refusals += error.permanent
            wait = delays.after_failure(chance(), error.wait_s)
            if delays.failures >= TRIES or refusals >= REFUSALS:
                raise FetchFailed(
                    f"{artifact.name} cannot be downloaded, {delays.failures} tries: {error}; nothing was installed"
                ) from None
            pause(wait)
    os.fsync(file)
    _check(artifact, file, pause)


def _take(file: int, at: int, piece: bytes, pause: Pause) -> None:
    if at == 0:
        os.ftruncate(file, 0)
    rest = memoryview(piece)
    while rest:
        written = os.pwrite(file, rest, at)
        rest, at = rest[written:], at + written
    pause(0)


def _check(artifact: Artifact, file: int, pause: Pause) -> None:
    size, digest, at = os.fstat(file).st_size, hashlib.sha256(), 0
    while piece := os.pread(file, PIECE, at):
        digest.update(piece)
        at += len(piece)
        pause(0)
    if size != artifact.size or digest.hexdigest() != artifact.sha256:
        os.ftruncate(file, 0)
        raise FetchFailed(
            f"{artifact.name} is not what the server announced: {size} of {artifact.size} bytes, sha256 "
            f"{digest.hexdigest()[:16]}… instead of {artifact.sha256[:16]}…; it was thrown away, nothing was installed"
        )
