# SPDX-License-Identifier: Apache-2.0
"""Calling another daemon: finite timeouts, errors by name, descriptors both ways, blocking or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gio, GLib

from .connection import from_glib, shared
from .errors import InvalidArgument
from .glib import ensure_running, in_glib_thread
from .interface import parse
from .variant import pack_all, split_signature, unpack

_INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
_PROPERTIES = "org.freedesktop.DBus.Properties"
TIMEOUT_MAX_S = 3600
_FLAGS = Gio.DBusCallFlags.NONE


class Fd(int):
    """A file descriptor to hand over for an ``h`` argument; the caller keeps and closes its own."""


class Client:
    """One interface of one object on the bus.

    ``timeout`` is in seconds, for each call. Name and path follow from the interface when they are not given
    (``io.pilotlight.X1`` → ``/io/pilotlight/X1``). Errors arrive as DaemonError subclasses with the sender's
    ``dbus_name``: Unavailable when nobody answers to the name, Timeout when the answer did not come in time.
    """

    def __init__(
        self, interface: str, timeout: float = 5.0, *, name: str | None = None, path: str | None = None
    ) -> None:
        self.interface = interface
        self.timeout = _checked(timeout)
        self._name = name or interface
        self._path = path or "/" + interface.replace(".", "/")
        self._signatures: dict[str, tuple[str, ...]] = {}

    def call(self, method: str, *args: Any, signature: str | None = None, timeout: float | None = None) -> Any:
        """Call a method and wait for its answer: None, the one result, or a tuple of results.

        Argument types come from the service's introspection, once, or from ``signature``. Descriptors in the
        answer belong to the caller. In a daemon's asyncio thread use ``acall``.
        """
        if in_glib_thread():
            raise RuntimeError("a blocking call in the GLib thread would stop all deliveries; use acall")
        return self._send(self.interface, method, self._types(method, signature), args, timeout)

    async def acall(self, method: str, *args: Any, signature: str | None = None, timeout: float | None = None) -> Any:
        """``call`` for asyncio: the loop goes on meanwhile; cancelling the task cancels the call."""
        if signature is None and method not in self._signatures:
            self._learn(await self._asend(_INTROSPECTABLE, "Introspect", (), (), timeout))
        return await self._asend(self.interface, method, self._types(method, signature), args, timeout)

    def get(self, name: str) -> Any:
        """Value of a property."""
        return self._send(_PROPERTIES, "Get", ("s", "s"), (self.interface, name), None)

    def get_all(self) -> dict[str, Any]:
        """All properties."""
        return dict(self._send(_PROPERTIES, "GetAll", ("s",), (self.interface,), None))

    async def aget(self, name: str) -> Any:
        """``get`` for asyncio."""
        return await self._asend(_PROPERTIES, "Get", ("s", "s"), (self.interface, name), None)

    async def aget_all(self) -> dict[str, Any]:
        """``get_all`` for asyncio."""
        return dict(await self._asend(_PROPERTIES, "GetAll", ("s",), (self.interface,), None))

    def subscribe(self, signal: str, each: Callable[..., None]) -> Callable[[], None]:
        """Call ``each`` with the arguments of every such signal, in the asyncio thread; call the result to end it.

        A signal that is sent while the sender restarts or the bus is away is not delivered: ask as well.
        """
        return self._listen(self.interface, signal, None, lambda body: each(*body))

    def subscribe_properties(self, each: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """``subscribe`` for changed properties of this interface: name and value, None for a value that is not told."""
        return self._listen(
            _PROPERTIES,
            "PropertiesChanged",
            self.interface,
            lambda body: each(dict.fromkeys(body[2]) | body[1]),
        )

    def _listen(
        self, interface: str, signal: str, about: str | None, each: Callable[[tuple[Any, ...]], None]
    ) -> Callable[[], None]:
        ensure_running()
        loop = asyncio.get_running_loop()
        connection = shared()
        ended = False

        def deliver(body: tuple[Any, ...]) -> None:
            if not ended:
                each(body)

        def arrived(con: Any, sender: str, path: str, interface: str, signal: str, body: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, tuple(unpack(body)))

        number = connection.signal_subscribe(
            self._name, interface, signal, self._path, about, Gio.DBusSignalFlags.NONE, arrived
        )

        def end() -> None:
            nonlocal ended
            ended = True
            connection.signal_unsubscribe(number)

        return end

    def _types(self, method: str, signature: str | None) -> tuple[str, ...]:
        if signature is not None:
            return tuple(split_signature(signature))
        if method not in self._signatures:
            self._learn(self._send(_INTROSPECTABLE, "Introspect", (), (), None))
        try:
            return self._signatures[method]
        except KeyError:
            raise InvalidArgument(f"{self.interface} has no method {method}; nothing was called") from None

    def _learn(self, xml: str) -> None:
        try:
            interface = parse(xml, self.interface)
        except ValueError as error:
            raise InvalidArgument(f"{self._name} {self._path}: {error}; nothing was called") from None
        self._signatures = {name: method.inputs for name, method in interface.methods.items()}

    def _message(
        self, interface: str, method: str, types: Sequence[str], args: Sequence[Any], timeout: float | None
    ) -> tuple[Any, ...]:
        descriptors = Gio.UnixFDList.new()
        values = [descriptors.append(a) if isinstance(a, Fd) else a for a in args]
        try:
            body = pack_all(types, values)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidArgument(f"{method}: {error}; nothing was called") from None
        limit = self.timeout if timeout is None else _checked(timeout)
        return (
            self._name,
            self._path,
            interface,
            method,
            body,
            None,
            _FLAGS,
            int(limit * 1000),
            descriptors,
            None,
        )

    def _send(
        self, interface: str, method: str, types: Sequence[str], args: Sequence[Any], timeout: float | None
    ) -> Any:
        message = self._message(interface, method, types, args, timeout)
        try:
            reply, descriptors = shared().call_with_unix_fd_list_sync(*message)
        except GLib.Error as error:
            raise from_glib(error, f"{interface}.{method}", message[7] / 1000) from None
        return _results(reply, descriptors)

    async def _asend(
        self, interface: str, method: str, types: Sequence[str], args: Sequence[Any], timeout: float | None
    ) -> Any:
        message = self._message(interface, method, types, args, timeout)
        ensure_running()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        cancellable = Gio.Cancellable()

        def deliver(result: Any, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        def finished(connection: Any, outcome: Any) -> None:
            try:
                result, error = _results(*connection.call_with_unix_fd_list_finish(outcome)), None
            except GLib.Error as failure:
                result, error = None, from_glib(failure, f"{interface}.{method}", message[7] / 1000)
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, result, error)

        shared().call_with_unix_fd_list(*message[:-1], cancellable, finished)
        try:
            return await answer
        finally:
            cancellable.cancel()


def _checked(timeout: float) -> float:
    if not 0 < timeout <= TIMEOUT_MAX_S:
        raise ValueError(f"a timeout is above 0 and at most {TIMEOUT_MAX_S} s")
    return timeout


def _results(reply: Any, descriptors: Any) -> Any:
    values = unpack(reply)
    types = split_signature(reply.get_type_string()[1:-1])
    results = [descriptors.get(v) if t == "h" else v for t, v in zip(types, values, strict=True)]
    return results[0] if len(results) == 1 else tuple(results) or None
