# SPDX-License-Identifier: Apache-2.0
"""``netmon.yaml``: how long the network has to be quiet before a change is looked at."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pilotlight.daemon.settings import Settings


class NetMonSettings(Settings, frozen=True):
    """The whole file. Milliseconds; a network that is never quiet is looked at every ``debounce_max_ms``."""

    debounce_ms: Annotated[int, Meta(ge=0, le=10_000)] = 200
    debounce_max_ms: Annotated[int, Meta(ge=100, le=60_000)] = 2000
