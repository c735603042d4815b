# SPDX-License-Identifier: Apache-2.0
"""When a device on the I2C bus that fails again and again is left alone for a while and then started anew."""

from __future__ import annotations

from pilotlight.runtime.control.samples import MS


class DeviceRecovery:
    """Counts the failures of one device. Nothing here waits."""

    def __init__(self, threshold: int, backoff_ms: int) -> None:
        """`threshold` is how many failures in a row stop the polls, `backoff_ms` for how long at least."""
        self._threshold = threshold
        self._backoff_ns = max(1, backoff_ms) * MS
        self._errors = 0
        self._resume_ns = 0
        self._down = False
        self.stopped = False
        """The device is left alone until it is `due`."""
        self.recoveries = 0
        """How often the device delivered again after it had been stopped."""

    def due(self, now_ns: int) -> bool:
        """Whether the device, which is stopped, is to be started anew now."""
        return now_ns >= self._resume_ns

    def resume(self) -> None:
        """It is being started: from now on it is polled."""
        self.stopped = False

    def failed(self, now_ns: int) -> None:
        """A poll failed."""
        self._errors += 1
        if self._errors >= self._threshold:
            self._errors = 0
            self._down = self.stopped = True
            self._resume_ns = now_ns + self._backoff_ns

    def delivered(self) -> None:
        """A poll went well, and the device measures."""
        self._errors = 0
        if self._down:
            self._down = False
            self.recoveries += 1
