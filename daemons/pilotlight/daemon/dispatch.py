# SPDX-License-Identifier: Apache-2.0
"""From a D-Bus call to a Python method and back to an answer, for one exported object.

Calls arrive in the GLib thread, run in the asyncio thread, and are answered from wherever they end.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from gi.repository import Gio
from pydbus import generic

from .errors import Busy, DaemonError, InvalidArgument, NotPermitted, Unavailable
from .identity import Caller, CallerCache, bind
from .log import logger
from .service import Service, command_group, is_deferred, is_urgent
from .variant import pack, pack_all, unpack

CALLS_LIMIT = 128
_PROPERTIES = "org.freedesktop.DBus.Properties"

log = logger("daemon")

CallSoon = Callable[..., Any]


class Answer:
    """The one answer to an invocation; implements ``Reply``."""

    def __init__(self, invocation: Any, name: str, outputs: tuple[str, ...], done: Callable[[], None]) -> None:
        self.name = name
        self._invocation = invocation
        self._outputs = outputs
        self._done = done
        self._lock = threading.Lock()
        self.descriptors: list[int] = []

    def send(self, value: Any = None) -> bool:
        """Answer with the result; a descriptor in it is handed over and closed here."""
        values = () if not self._outputs else (value,) if len(self._outputs) == 1 else tuple(value)
        passed = Gio.UnixFDList.new()
        try:
            filled = [passed.append(v) if s == "h" else v for s, v in zip(self._outputs, values, strict=True)]
            body = pack_all(self._outputs, filled)
            given = [v for s, v in zip(self._outputs, values, strict=True) if s == "h"]
        except Exception as error:  # noqa: BLE001 - whatever a method returned must not leave its caller without answer
            return self.fail(error)

        def respond(invocation: Any) -> None:
            if not given:
                invocation.return_value(body)
                return
            invocation.return_value_with_unix_fd_list(body, passed)
            for descriptor in given:
                os.close(descriptor)

        return self._answer(respond)

    def fail(self, error: BaseException) -> bool:
        """Answer with an error; one that is not a DaemonError is a fault of ours and goes to the journal."""
        if isinstance(error, DaemonError):
            name, message = error.dbus_name, str(error) or error.dbus_name
        else:
            log.error(
                f"{self.name} failed: {type(error).__name__}: {error}",
                event="method-failed",
                method=self.name,
                exc=error,
            )
            name = DaemonError.dbus_name
            message = (
                f"{self.name} failed on an internal error ({type(error).__name__}). The daemon goes on; its journal "
                "has the details."
            )
        return self._answer(lambda invocation: invocation.return_dbus_error(name, message))

    def _answer(self, respond: Callable[[Any], None]) -> bool:
        with self._lock:
            invocation, self._invocation = self._invocation, None
        if invocation is None:
            return False
        for descriptor in self.descriptors:
            os.close(descriptor)
        self._done()
        respond(invocation)
        return True

    def __del__(self) -> None:
        if self._invocation is not None:
            self.fail(DaemonError(f"{self.name} was dropped without an answer; whether it took effect is unknown"))


class Endpoint:
    """What pydbus registers for a service: receives its calls, sends its signals."""

    SignalEmitted = generic.signal()

    def __init__(self, service: Service, callers: CallerCache, call_soon: CallSoon) -> None:
        self._service = service
        self._callers = callers
        self._call_soon = call_soon
        self._open = 0
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def call_method(
        self, connection: Any, sender: str, path: str, interface: str, method: str, body: Any, invocation: Any
    ) -> None:
        """Entry from GLib."""
        described = self._service.description
        if interface == _PROPERTIES:
            outputs: tuple[str, ...] = ("v",) if method == "Get" else ("a{sv}",)
        else:
            outputs = described.methods[method].outputs
        with self._lock:
            self._open += 1
            crowded = self._open > CALLS_LIMIT and not is_urgent(getattr(self._service, method, None))
        answer = Answer(invocation, f"{described.name}.{method}", outputs, self._closed)
        if crowded:
            answer.fail(Busy(f"{described.name} has {CALLS_LIMIT} calls to answer; nothing was done, try again"))
            return
        if interface == _PROPERTIES:
            self._schedule(answer, contextvars.copy_context(), self._property, answer, method, body.unpack())
            return
        try:
            arguments = _arguments(body, invocation, answer)
        except (IndexError, UnicodeDecodeError) as error:
            answer.fail(InvalidArgument(f"{method}: the message cannot be read: {error}; nothing was done"))
            return

        def known(who: Caller | None) -> None:
            if who is None:
                answer.fail(NotPermitted(f"the bus does not say who {sender} is; nothing was done"))
            else:
                self._schedule(answer, bind(who), self._method, answer, method, arguments, who)

        self._callers.look_up(sender, known)

    def cancel(self) -> None:
        """End the async methods that still run; in the asyncio thread."""
        for task in self._tasks:
            task.cancel()

    def _closed(self) -> None:
        with self._lock:
            self._open -= 1

    def _schedule(self, answer: Answer, context: contextvars.Context, function: CallSoon, *args: Any) -> None:
        try:
            self._call_soon(function, *args, context=context)
        except RuntimeError:
            answer.fail(Unavailable(f"{self._service.interface} is stopping; nothing was done"))

    def _check(self, who: Caller, group: str, name: str) -> None:
        try:
            who.check(group, name)
        except NotPermitted:
            self._service.denied(name, group, who)
            raise

    def _property(self, answer: Answer, method: str, arguments: tuple[str, ...]) -> None:
        try:
            answer.send(self._read(method, *arguments))
        except Exception as error:  # noqa: BLE001 - becomes the answer
            answer.fail(error)

    def _read(self, method: str, interface: str, name: str = "") -> Any:
        known = self._service.description.properties
        if interface != self._service.interface or method not in ("Get", "GetAll"):
            raise InvalidArgument(f"properties are read-only and belong to {self._service.interface}")
        if method == "GetAll":
            return {n: pack(p.signature, getattr(self._service, n)) for n, p in known.items()}
        if name not in known:
            raise InvalidArgument(f"{interface} has no property {name}; it has {', '.join(known)}")
        return pack(known[name].signature, getattr(self._service, name))

    def _method(self, answer: Answer, name: str, arguments: tuple[Any, ...], who: Caller) -> None:
        try:
            function = getattr(self._service, name)
            group = command_group(function)
            if group is not None:
                self._check(who, group, name)
            if is_deferred(function):
                function(answer, *arguments)
                return
            result = function(*arguments)
            if isinstance(result, Coroutine):
                task = asyncio.get_running_loop().create_task(_finish(answer, result))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            answer.send(result)
        except Exception as error:  # noqa: BLE001 - becomes the answer
            answer.fail(error)


async def _finish(answer: Answer, result: Coroutine[Any, Any, Any]) -> None:
    try:
        answer.send(await result)
    except asyncio.CancelledError:
        answer.fail(Unavailable(f"{answer.name} was cut short: the daemon stops"))
        raise
    except Exception as error:  # noqa: BLE001 - becomes the answer
        answer.fail(error)


def _arguments(body: Any, invocation: Any, answer: Answer) -> tuple[Any, ...]:
    values = unpack(body)
    types = [body.get_child_value(i).get_type_string() for i in range(body.n_children())]
    if "h" not in types:
        return tuple(values)
    # Taken out of the message, because GLib before 2.84 leaks the messages of calls, and their descriptors with them.
    passed = invocation.get_message().get_unix_fd_list()
    answer.descriptors = list(passed.steal_fds()) if passed is not None else []
    arguments = [answer.descriptors[value] if kind == "h" else value for kind, value in zip(types, values, strict=True)]
    return tuple(arguments)
