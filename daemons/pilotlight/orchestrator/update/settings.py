# SPDX-License-Identifier: Apache-2.0
"""``update:`` in ``orchestrator.yaml``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pilotlight.daemon.settings import Settings

from .policy import RebootPolicy


class UpdateSettings(Settings, frozen=True):
    """What applies until it is chosen otherwise over D-Bus (``reboot``, ``reboot_window``), and the limits."""

    reboot: RebootPolicy = RebootPolicy.STOPPED
    """When to restart into an installed update by oneself."""
    reboot_window: Annotated[str, Meta(max_length=64)] = ""
    """For ``reboot: window``: such as ``Sat,Sun 02:00-04:00``, local time."""
    bundle_mib: Annotated[int, Meta(ge=1, le=16384)] = 1024
    """Largest bundle that is taken as a file, in MiB."""
    insecure_urls: bool = False
    """Also take bundles from http:// addresses. Their signature is checked all the same."""
    tls_ca: Annotated[str, Meta(max_length=256)] = ""
    """File with the certificates that https servers of bundles are checked with; empty: the system's."""
