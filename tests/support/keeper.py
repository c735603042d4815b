# SPDX-License-Identifier: Apache-2.0
"""A keeper for unit tests: serves one connection after the other, as systemd starts it for each."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from pilotlight.orchestrator.keeper.__main__ import Keeper
from pilotlight.orchestrator.keeper.protocol import receive, socket_path


@contextmanager
def keeper_at(data: Path, boot: Path) -> Iterator[list[str]]:
    """Serve until the block ends; the list gets a word for each restart that is asked for."""
    called: list[str] = []
    keeper = Keeper(data, boot, lambda: called.append("restart"))
    socket_path().parent.mkdir(parents=True, exist_ok=True)
    ending = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path()))
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, keeper, ending), name="keeper", daemon=True)
        thread.start()
        try:
            yield called
        finally:
            ending.set()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.connect(str(socket_path()))
            thread.join(10)


def _serve(listener: socket.socket, keeper: Keeper, ending: threading.Event) -> None:
    while True:
        link, _ = listener.accept()
        with link:
            if ending.is_set():
                return
            request, descriptor = receive(link)
            link.sendall(msgspec.json.encode(keeper.answer(request, descriptor)) + b"\n")
            if descriptor is not None:
                os.close(descriptor)
