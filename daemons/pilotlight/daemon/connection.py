# SPDX-License-Identifier: Apache-2.0
"""Connections to the message bus, and the calls to the bus itself. Every call here has a finite timeout."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gi.repository import Gio, GLib
from pydbus import bus as pydbus_bus

from .errors import DaemonError, Timeout, Unavailable
from .variant import pack_all, split_signature, unpack

CONNECT_TIMEOUT_S = 10.0
BUS_TIMEOUT_S = 5.0
BUS_NAME, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"

_shared_lock = threading.Lock()
_shared: dict[str, Any] = {}


def bus_address() -> str:
    """Address of the bus: ``PILOTLIGHT_BUS``, else the system bus."""
    given = os.environ.get("PILOTLIGHT_BUS")
    return given or str(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))


@contextmanager
def time_limit(seconds: float) -> Iterator[Any]:
    """A Gio.Cancellable that is cancelled after a time: for GLib's blocking calls that know no timeout."""
    cancellable = Gio.Cancellable()
    alarm = threading.Timer(seconds, cancellable.cancel)
    alarm.daemon = True
    alarm.start()
    try:
        yield cancellable
    finally:
        alarm.cancel()


def connect() -> Any:
    """A new pydbus bus on its own connection; losing it does not end the process. Raises Unavailable."""
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    try:
        with time_limit(CONNECT_TIMEOUT_S) as cancellable:
            connection = Gio.DBusConnection.new_for_address_sync(bus_address(), flags, None, cancellable)
    except GLib.Error as error:
        raise Unavailable(
            f"no message bus: {error.message}; check that dbus is running, or the address in PILOTLIGHT_BUS"
        ) from None
    bus: pydbus_bus.Bus = connection.pydbus
    bus.autoclose = True
    return bus


def shared() -> Any:
    """The connection that the clients of this process share; a lost one is replaced."""
    address = bus_address()
    with _shared_lock:
        bus = _shared.get(address)
        if bus is None or bus.con.is_closed():
            bus = _shared[address] = connect()
        return bus.con


def ask_bus(connection: Any, method: str, signature: str, *args: Any) -> Any:
    """Call a method of the bus daemon itself and return its one result."""
    body = pack_all(split_signature(signature), args)
    try:
        reply = connection.call_sync(
            BUS_NAME,
            BUS_PATH,
            BUS_NAME,
            method,
            body,
            None,
            Gio.DBusCallFlags.NONE,
            int(BUS_TIMEOUT_S * 1000),
            None,
        )
    except GLib.Error as error:
        raise from_glib(error, f"the bus's {method}", BUS_TIMEOUT_S) from None
    values = unpack(reply)
    return values[0] if values else None


def from_glib(error: Any, what: str, timeout: float) -> DaemonError:
    """The DaemonError for a GLib.Error of a call: by its D-Bus name, else by GLib's own reason."""
    name = Gio.DBusError.get_remote_error(error) if Gio.DBusError.is_remote_error(error) else None
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT) or name in _NO_ANSWER:
        return Timeout(f"{what} did not answer within {timeout:g} s; whether it took effect is unknown")
    if name is not None:
        message = error.message.removeprefix(f"GDBus.Error:{name}: ")
        return DaemonError.from_bus(name, f"{what}: {message}" if name.startswith("org.freedesktop.") else message)
    return Unavailable(f"{what} cannot be reached: {error.message}")


_NO_ANSWER = frozenset(f"org.freedesktop.DBus.Error.{n}" for n in ("NoReply", "Timeout", "TimedOut"))
