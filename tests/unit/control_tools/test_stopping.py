# SPDX-License-Identifier: Apache-2.0
"""The first signal asks a tool to end, the second does what it did before."""

from __future__ import annotations

import signal

import pytest
from pilotlight.runtime.control.tools.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_is_as_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Stop() as stop:
        assert not stop()
        signal.raise_signal(number)
        assert stop() and stop.wanted
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before
