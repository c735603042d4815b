# SPDX-License-Identifier: Apache-2.0
"""Puts the parts of updates together as they are on an appliance."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from pilotlight.daemon import SettingsError, StateFile
from pilotlight.daemon.settings import settings_path

from .bootfiles import BootFiles
from .ledger import Ledger, Records
from .manager import Around, Updates
from .policy import RebootPolicy, window
from .rauc import Rauc
from .restart import Restarts, leave_request, runtime_state
from .settings import UpdateSettings
from .spool import Spool


def make_updates(settings: UpdateSettings, versions: dict[str, str], boot_id: str, folder: Path) -> Updates:
    """``folder`` is the daemon's own on the data partition. Raises SettingsError for a window that is none."""
    try:
        if settings.reboot_window or settings.reboot is RebootPolicy.WINDOW:
            window(settings.reboot_window)
    except ValueError as error:
        raise SettingsError(f"{settings_path('orchestrator')}: update.reboot_window: {error}") from None
    request = Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "orchestrator/reboot"
    return Updates(
        settings,
        Rauc(),
        Spool(folder / "bundles", settings.bundle_mib << 20),
        BootFiles(),
        Ledger(StateFile(folder / "updates.json", Records), settings),
        Around(boot_id, versions["Image"] or versions["Pilotlight"]),
        Restarts(runtime_state, functools.partial(leave_request, request)),
    )
