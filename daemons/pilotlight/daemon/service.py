# SPDX-License-Identifier: Apache-2.0
"""One D-Bus object: a class whose interface is the XML file beside its module."""

from __future__ import annotations

import inspect
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, overload

from .. import __version__
from .identity import OPERATOR_GROUP, Caller
from .interface import Emits, Interface, parse
from .variant import Typed, pack, pack_all

F = TypeVar("F", bound=Callable[..., Any])

_GROUP = "_pilotlight_group"
_DEFERRED = "_pilotlight_deferred"
_URGENT = "_pilotlight_urgent"


class Reply(Protocol):
    """The answer to a deferred call, given once, from any thread; dropped without one it is a failure."""

    def send(self, value: Any = None) -> bool:
        """Answer with the result (a tuple for several). False when the call was answered before."""

    def fail(self, error: Exception) -> bool:
        """Answer with an error. False when the call was answered before."""


@overload
def command(function: F) -> F: ...
@overload
def command(*, group: str) -> Callable[[F], F]: ...
def command(function: F | None = None, *, group: str = OPERATOR_GROUP) -> F | Callable[[F], F]:
    """Mark a command: only root and members of the group may call it, others get NotPermitted."""

    def mark(method: F) -> F:
        setattr(method, _GROUP, group)
        return method

    return mark(function) if function is not None else mark


def deferred(function: F) -> F:
    """Mark a method that answers later: its first argument is ``reply: Reply`` and it returns nothing."""
    setattr(function, _DEFERRED, True)
    return function


def urgent(function: F) -> F:
    """Mark a method that is served however many calls wait for an answer: one that makes safe."""
    setattr(function, _URGENT, True)
    return function


def command_group(method: Callable[..., Any]) -> str | None:
    """The group that may call a method; None for a read."""
    group: str | None = getattr(method, _GROUP, None)
    return group


def is_deferred(method: Callable[..., Any]) -> bool:
    """Whether the method answers through a Reply."""
    return bool(getattr(method, _DEFERRED, False))


def is_urgent(method: object) -> bool:
    """Whether a method, None for one that there is not, is served however many calls wait."""
    return bool(getattr(method, _URGENT, False))


class Service:
    """Base of every D-Bus object.

    A subclass names its ``interface``; methods and properties of the interface file are Python methods and
    attributes of the same name. They run in the asyncio thread, so a daemon's state needs no locks; a method
    may be ``async``. Arguments arrive as plain Python values, ``ay`` as bytes, ``h`` as a descriptor that is
    closed when the call is answered (``os.dup`` to keep it); a descriptor in a result is closed once sent.
    ``caller()`` tells who calls. Properties are read-only: a change is a command, which can answer with a
    verdict.
    """

    interface: ClassVar[str]

    def __init__(self) -> None:
        """Read the interface file. Raises TypeError for whatever of it the class does not implement."""
        self.description = load_interface(type(self))
        self.started_ns = time.time_ns()
        self._emit: Callable[[str, str, Any], None] | None = None
        _check(type(self), self.description)

    @property
    def Version(self) -> str:
        """Version of the software."""
        return __version__

    def Status(self) -> dict[str, Any]:
        """The answer every daemon gives in the same way, and the daemon's own keys from ``details``."""
        problems = self.problems()
        return {
            "Daemon": self.daemon_name,
            "Version": __version__,
            "Healthy": not problems,
            "Problems": Typed("as", problems),
            "Started": Typed("t", self.started_ns),
            **self.details(),
        }

    @property
    def daemon_name(self) -> str:
        """``io.pilotlight.NetMon1`` → ``netmon``."""
        return re.sub(r"\d+$", "", self.interface.rpartition(".")[2]).lower()

    def problems(self) -> list[str]:
        """What is wrong at present, a sentence each; empty when healthy."""
        return []

    def details(self) -> dict[str, Any]:
        """The daemon's own keys of ``Status``."""
        return {}

    def denied(self, method: str, group: str, who: Caller) -> None:
        """Called when ``who`` is not in the group that a command is for, who gets NotPermitted: for an audit."""

    def changed(self, *names: str) -> None:
        """Announce changed properties as the interface file asks: with the value, as invalidated, or not at
        all.

        To be called in the asyncio thread; nothing is sent before the object is exported.
        """
        values: dict[str, Any] = {}
        invalidated: list[str] = []
        for name in names:
            announced = self.description.properties[name]
            if announced.emits is Emits.CONSTANT:
                raise ValueError(f"{self.interface}.{name} is declared constant and cannot change")
            if announced.emits is Emits.VALUE:
                values[name] = pack(announced.signature, getattr(self, name))
            elif announced.emits is Emits.INVALIDATION:
                invalidated.append(name)
        if self._emit is not None and (values or invalidated):
            body = pack_all(("s", "a{sv}", "as"), (self.interface, values, invalidated))
            self._emit("org.freedesktop.DBus.Properties", "PropertiesChanged", body)

    def emit(self, signal: str, *args: Any) -> None:
        """Send a signal of the interface file; nothing is sent before the object is exported."""
        body = pack_all(self.description.signals[signal], args)
        if self._emit is not None:
            self._emit(self.interface, signal, body)

    def attach(self, emit: Callable[[str, str, Any], None] | None) -> None:
        """Used by the bus: how signals of this object go out; None detaches it."""
        self._emit = emit


def load_interface(kind: type[Service]) -> Interface:
    """The interface of a service class from its file. Raises TypeError when that cannot be read."""
    path = interface_file(kind)
    try:
        return parse(path.read_text(encoding="utf-8"), kind.interface)
    except (OSError, ValueError) as error:
        raise TypeError(f"{kind.__name__}: {path}: {error}") from None


def interface_file(kind: type[Service]) -> Path:
    """Where the interface file of a service class is."""
    module = sys.modules[kind.__module__].__file__
    assert module is not None
    return Path(module).with_name(f"{kind.interface}.xml")


def _check(kind: type[Service], description: Interface) -> None:
    wrong = [
        *(f"no method {name}" for name in description.methods if not callable(getattr(kind, name, None))),
        *(f"no property {name}" for name in description.properties if not _has_attribute(kind, name)),
        *(f"property {name} is writable; use a command" for name, p in description.properties.items() if p.writable),
        *(
            f"command {name} is not in the interface file"
            for name, member in inspect.getmembers(kind, callable)
            if command_group(member) is not None and name not in description.methods
        ),
    ]
    for name, method in description.methods.items():
        function = getattr(kind, name, None)
        if callable(function):
            arguments = len(inspect.signature(function).parameters) - 1 - is_deferred(function)
            if arguments != len(method.inputs):
                wrong.append(f"{name} takes {arguments} arguments, the interface file says {len(method.inputs)}")
    if wrong:
        raise TypeError(f"{kind.__name__} does not implement {kind.interface}: " + "; ".join(wrong))


def _has_attribute(kind: type[Service], name: str) -> bool:
    return hasattr(kind, name) or any(name in inspect.get_annotations(base) for base in kind.__mro__)
