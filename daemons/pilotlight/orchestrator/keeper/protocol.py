# SPDX-License-Identifier: Apache-2.0
"""How the orchestrator asks the keeper: one JSON line and at most one descriptor there, one JSON line back."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Literal

import msgspec

from pilotlight.daemon import DaemonError, Unavailable

LINE_LIMIT = 64 << 10
TIMEOUT_S = 900.0
Verb = Literal["backup", "inspect", "restore", "factory-reset"]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted, and for whom; ``restart`` is for a restore."""

    verb: Verb
    user: str
    passphrase: str = ""
    restart: bool = False


class Answer(msgspec.Struct, frozen=True):
    """``error`` is the D-Bus name of what went wrong, empty when nothing did."""

    error: str = ""
    message: str = ""
    details: dict[str, Any] = {}


def socket_path() -> Path:
    """Where the keeper is reached, below PILOTLIGHT_RUN."""
    return Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "keeper.socket"


def ask(request: Request, descriptor: int | None = None) -> dict[str, Any]:
    """Have a request carried out; blocks. Raises the DaemonError that the keeper answers, or Unavailable."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(TIMEOUT_S)
            link.connect(str(socket_path()))
            line = msgspec.json.encode(request) + b"\n"
            socket.send_fds(link, [line], [descriptor] if descriptor is not None else [])
            data = _line(link)
    except OSError as error:
        raise Unavailable(
            f"the keeper does not answer ({error}); at the console as root: `pilotlight backup`"
        ) from None
    try:
        answer = msgspec.json.decode(data, type=Answer)
    except msgspec.MsgspecError:
        raise Unavailable("the keeper ended without an answer; its journal says more") from None
    if answer.error:
        raise DaemonError.from_bus(answer.error, answer.message)
    return answer.details


def receive(link: socket.socket) -> tuple[Request, int | None]:
    """The keeper's side. Raises ValueError for what is no request, OSError when the other side is gone."""
    data, descriptors, _, _ = socket.recv_fds(link, LINE_LIMIT, 1)
    if not data.endswith(b"\n"):
        data += _line(link)
    try:
        return msgspec.json.decode(data, type=Request), descriptors[0] if descriptors else None
    except msgspec.MsgspecError as error:
        raise ValueError(f"no request: {error}") from None


def _line(link: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < LINE_LIMIT and (piece := link.recv(LINE_LIMIT)):
        data += piece
    return data
