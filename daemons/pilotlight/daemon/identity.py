# SPDX-License-Identifier: Apache-2.0
"""Who is calling: user and groups of the sender, asked of the bus once a connection."""

from __future__ import annotations

import contextvars
import grp
import os
import pwd
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi.repository import Gio, GLib

from .connection import BUS_NAME, BUS_PATH, BUS_TIMEOUT_S
from .errors import NotPermitted
from .variant import unpack

OPERATOR_GROUP = "pilotlight-operator"
CACHE_LIMIT = 256


@dataclass(frozen=True)
class Caller:
    """The sender of a method call: numeric user, its name, its groups' names, its unique bus name."""

    uid: int
    user: str
    groups: frozenset[str]
    bus_name: str

    def check(self, group: str, action: str) -> None:
        """Raise NotPermitted unless the caller is root or in the group."""
        if self.uid != 0 and group not in self.groups:
            raise NotPermitted(
                f"{action}: user {self.user} is not in group {group}; nothing was done. "
                f"Have an administrator add the user to that group, then connect again."
            )


_current: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")


def caller() -> Caller:
    """The caller of the D-Bus method that is being served. Raises LookupError outside of one."""
    return _current.get()


def bind(who: Caller) -> contextvars.Context:
    """A context in which ``caller()`` answers ``who``."""
    context = contextvars.copy_context()
    context.run(_current.set, who)
    return context


def from_credentials(credentials: dict[str, Any], bus_name: str) -> Caller:
    """The caller for the bus's credentials.

    A bus that does not tell the groups of the process (older dbus-daemon) leaves them to the user database.
    """
    uid = int(credentials["UnixUserID"])
    try:
        entry = pwd.getpwuid(uid)
        user, primary = entry.pw_name, entry.pw_gid
    except KeyError:
        user, primary = str(uid), None
    gids = credentials.get("UnixGroupIDs")
    if gids is None:
        gids = os.getgrouplist(user, primary) if primary is not None else []
    return Caller(uid, user, frozenset(_group_names(gids)), bus_name)


def _group_names(gids: list[int]) -> list[str]:
    names = []
    for gid in gids:
        try:
            names.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            names.append(str(gid))
    return names


class CallerCache:
    """Callers by unique bus name, forgotten when the name goes away or CACHE_LIMIT newer ones came.

    Runs in the GLib thread only.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: OrderedDict[str, tuple[Caller, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def look_up(self, sender: str, then: Callable[[Caller | None], None]) -> None:
        """Call ``then`` with the caller, now or when the bus answered; with None when it cannot tell."""
        known = self._known.get(sender)
        if known is not None:
            self._known.move_to_end(sender)
            then(known[0])
            return

        def answered(connection: Any, outcome: Any) -> None:
            try:
                who = from_credentials(unpack(connection.call_finish(outcome))[0], sender)
            except (GLib.Error, KeyError):
                then(None)
                return
            self._remember(who)
            then(who)

        self._connection.call(
            BUS_NAME,
            BUS_PATH,
            BUS_NAME,
            "GetConnectionCredentials",
            GLib.Variant("(s)", (sender,)),
            GLib.VariantType("(a{sv})"),
            Gio.DBusCallFlags.NONE,
            int(BUS_TIMEOUT_S * 1000),
            None,
            answered,
        )

    def _remember(self, who: Caller) -> None:
        if who.bus_name in self._known:
            return
        subscription = self._connection.signal_subscribe(
            BUS_NAME,
            BUS_NAME,
            "NameOwnerChanged",
            BUS_PATH,
            who.bus_name,
            Gio.DBusSignalFlags.NONE,
            self._gone,
        )
        self._known[who.bus_name] = (who, subscription)
        if len(self._known) > CACHE_LIMIT:
            self._forget(next(iter(self._known)))

    def _gone(self, connection: Any, sender: str, path: str, interface: str, signal: str, parameters: Any) -> None:
        self._forget(parameters.unpack()[0])

    def _forget(self, bus_name: str) -> None:
        known = self._known.pop(bus_name, None)
        if known is not None:
            self._connection.signal_unsubscribe(known[1])
