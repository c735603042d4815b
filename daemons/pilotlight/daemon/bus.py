# SPDX-License-Identifier: Apache-2.0
"""A daemon's connection to the bus: objects exported, names owned, loss noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GLib
from pydbus.registration import ObjectRegistration

from .connection import ask_bus, connect, time_limit
from .dispatch import CallSoon, Endpoint
from .errors import DaemonError, Unavailable
from .glib import ensure_running
from .identity import CallerCache
from .service import Service
from .variant import pack

CLOSE_TIMEOUT_S = 2.0
_DO_NOT_QUEUE = 4
_PRIMARY_OWNER, _ALREADY_OWNER = 1, 4


class Bus:
    """Exports services; their methods run where ``call_soon`` (``loop.call_soon_threadsafe``) brings them."""

    def __init__(self, bus: Any, call_soon: CallSoon) -> None:
        self._bus = bus
        self._call_soon = call_soon
        self._callers = CallerCache(bus.con)
        self._exported: list[tuple[Service, Endpoint, Any]] = []

    @classmethod
    def connect(cls, call_soon: CallSoon, lost: Callable[[], None] | None = None) -> Bus:
        """Connect; ``lost`` is called through ``call_soon`` when the bus goes away or talks nonsense.

        Raises Unavailable.
        """
        ensure_running()
        bus = connect()

        def closed(connection: Any, vanished: bool, error: Any) -> None:
            if lost is not None and (vanished or error is not None):
                call_soon(lost)

        bus.con.connect("closed", closed)
        return cls(bus, call_soon)

    def export(self, service: Service) -> None:
        """Put the object at ``/io/pilotlight/X1`` and own the name ``io.pilotlight.X1``.

        Raises Unavailable when another process has the name or the policy refuses it, TypeError when a
        property's value is not of its declared type.
        """
        described = service.description
        for name, declared in described.properties.items():
            try:
                pack(declared.signature, getattr(service, name))
            except (AttributeError, TypeError, ValueError, OverflowError) as error:
                raise TypeError(f"{described.name}.{name} ({declared.signature}): {error}") from None
        path = "/" + described.name.replace(".", "/")
        endpoint = Endpoint(service, self._callers, self._call_soon)
        registration = ObjectRegistration(self._bus, path, [described.info], endpoint)
        service.attach(lambda interface, signal, body: endpoint.SignalEmitted(interface, signal, body))
        self._exported.append((service, endpoint, registration))
        self._own(described.name)

    def cancel(self) -> None:
        """End the async methods that still run; their callers get Unavailable. In the asyncio thread."""
        for _service, endpoint, _registration in self._exported:
            endpoint.cancel()

    def close(self) -> None:
        """Withdraw everything, let answers on their way go out, and disconnect. Raises Unavailable."""
        for service, _endpoint, registration in reversed(self._exported):
            service.attach(None)
            registration.unregister()
        self._exported.clear()
        if not self._bus.con.is_closed():
            try:
                with time_limit(CLOSE_TIMEOUT_S) as cancellable:
                    self._bus.con.flush_sync(cancellable)
                    self._bus.con.close_sync(cancellable)
            except GLib.Error as error:
                raise Unavailable(f"the bus went away while closing: {error.message}") from None

    def _own(self, name: str) -> None:
        try:
            verdict = ask_bus(self._bus.con, "RequestName", "su", name, _DO_NOT_QUEUE)
        except DaemonError as error:
            raise Unavailable(f"the name {name} was refused: {error}; see the bus policy") from None
        if verdict not in (_PRIMARY_OWNER, _ALREADY_OWNER):
            raise Unavailable(f"another process owns {name}; stop it, then start this one again")
