# SPDX-License-Identifier: Apache-2.0

"""Errors with a D-Bus name: raised in a method, they are raised again by name in the caller."""

from __future__ import annotations

from typing import ClassVar

PREFIX = "io.pilotlight.Error."


class DaemonError(Exception):
    """A refusal or failure that somebody has to read.

    The message says what happened, what stays safe, and what to do. A subclass sets ``dbus_name``; defining
    it is enough for clients in the same process to raise that subclass.
    """

    dbus_name: str = PREFIX + "Failed"
    _by_name: ClassVar[dict[str, type[DaemonError]]] = {}

    def __init_subclass__(cls) -> None:
        if "dbus_name" in cls.__dict__:
            DaemonError._by_name[cls.dbus_name] = cls

    @staticmethod
    def from_bus(name: str, message: str) -> DaemonError:
        """The error for a D-Bus error name; an unknown name keeps its name on a plain ``DaemonError``."""
        kind = DaemonError._by_name.get(_SAME_AS.get(name, name), DaemonError)
        error = kind(message)
        error.dbus_name = name
        return error


class InvalidArgument(DaemonError):
    """An argument has the wrong type or is outside its range."""

    dbus_name = PREFIX + "InvalidArgument"


class NotPermitted(DaemonError):
    """The caller may not do this."""

    dbus_name = PREFIX + "NotPermitted"


class Busy(DaemonError):
    """Something else is under way; try again later."""

    dbus_name = PREFIX + "Busy"


class NotFound(DaemonError):
    """The thing named does not exist."""

    dbus_name = PREFIX + "NotFound"


class WrongState(DaemonError):
    """Not possible in the present state."""

    dbus_name = PREFIX + "WrongState"


class Unavailable(DaemonError):
    """The daemon or device that has to answer is not there."""

    dbus_name = PREFIX + "Unavailable"


class Timeout(DaemonError):
    """No answer within the time allowed; whether the request took effect is unknown."""

    dbus_name = PREFIX + "Timeout"


class SettingsError(DaemonError):
    """A settings file cannot be used. The message names file, line and key."""

    dbus_name = PREFIX + "Settings"


_BUS = "org.freedesktop.DBus.Error."
_SAME_AS = {
    _BUS + "ServiceUnknown": Unavailable.dbus_name,
    _BUS + "NameHasNoOwner": Unavailable.dbus_name,
    _BUS + "Disconnected": Unavailable.dbus_name,
    _BUS + "NoServer": Unavailable.dbus_name,
    _BUS + "Spawn.ServiceNotFound": Unavailable.dbus_name,
    _BUS + "FileNotFound": Unavailable.dbus_name,
    _BUS + "NoReply": Timeout.dbus_name,
    _BUS + "Timeout": Timeout.dbus_name,
    _BUS + "TimedOut": Timeout.dbus_name,
    _BUS + "AccessDenied": NotPermitted.dbus_name,
    _BUS + "InvalidArgs": InvalidArgument.dbus_name,
    _BUS + "LimitsExceeded": Busy.dbus_name,
}
