# SPDX-License-Identifier: Apache-2.0
"""What every daemon is made of: D-Bus objects and clients, start-up and watchdog, settings, state files, log.

Names are loaded at first use, so that a tool which only reads settings does not pay for GLib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bus import Bus as Bus
    from .client import Client as Client
    from .client import Fd as Fd
    from .errors import Busy as Busy
    from .errors import DaemonError as DaemonError
    from .errors import InvalidArgument as InvalidArgument
    from .errors import NotFound as NotFound
    from .errors import NotPermitted as NotPermitted
    from .errors import SettingsError as SettingsError
    from .errors import Timeout as Timeout
    from .errors import Unavailable as Unavailable
    from .errors import WrongState as WrongState
    from .identity import Caller as Caller
    from .identity import caller as caller
    from .log import Logger as Logger
    from .log import logger as logger
    from .process import Context as Context
    from .process import run as run
    from .service import Reply as Reply
    from .service import Service as Service
    from .service import command as command
    from .service import deferred as deferred
    from .service import urgent as urgent
    from .settings import Settings as Settings
    from .settings import load_settings as load_settings
    from .settings import settings_path as settings_path
    from .state import StateFile as StateFile
    from .state import state_directory as state_directory
    from .state import sync_directory as sync_directory
    from .state import write_atomic as write_atomic
    from .variant import Typed as Typed

_HOME = {
    "bus": ("Bus",),
    "client": ("Client", "Fd"),
    "errors": (
        "Busy",
        "DaemonError",
        "InvalidArgument",
        "NotFound",
        "NotPermitted",
        "SettingsError",
        "Timeout",
        "Unavailable",
        "WrongState",
    ),
    "identity": ("Caller", "caller"),
    "log": ("Logger", "logger"),
    "process": ("Context", "run"),
    "service": ("Reply", "Service", "command", "deferred", "urgent"),
    "settings": ("Settings", "load_settings", "settings_path"),
    "state": ("StateFile", "state_directory", "sync_directory", "write_atomic"),
    "variant": ("Typed",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    try:
        module = importlib.import_module("." + _MODULE_OF[name], __name__)
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value: object = getattr(module, name)
    globals()[name] = value
    return value
