# SPDX-License-Identifier: Apache-2.0
"""A hawkBit server of our own: the device interface (DDI) for one device, with one action, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TENANT, DEVICE = "DEFAULT", "device-1"
ROOT = f"/{TENANT}/controller/v1/{DEVICE}"
FILE = "pilotlight-test-99.0.0.raucb"


class FakeHawkbit:
    """Tests set what there is to do and what goes wrong; what the device told is in ``told``.

    ``host`` is what the device calls this machine.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "localhost") -> None:
        self.authorization = "TargetToken secret"
        self.sleep = "00:00:10"
        self.action = ""
        self.cancels = False
        self.wants_config = False
        self.content = b""
        self.announced: dict[str, Any] = {}
        """Replaces parts of what is announced of the file."""
        self.handling = {"download": "forced", "update": "forced"}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.config: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[tuple[str, str]] = []
        """Pairs of a part of the path and a fault, used up in order by the requests that fit.

        A fault is a status, garbage, huge, hang, drop, elsewhere, redirect:URL, or cut:N (end after N bytes).
        """
        self.ranges = True
        self.closed: set[str] = set()
        self.changed = threading.Condition()
        self.release = threading.Event()
        """Ends whatever hangs."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def assign(self, action: str, content: bytes) -> None:
        """Give the device something to do."""
        with self.changed:
            self.action, self.content, self.cancels = action, content, False

    def words(self) -> list[str]:
        """Execution and result of every feedback on deployments, in order."""
        return [
            f"{body['status']['execution']} {body['status']['result']['finished']}"
            for path, body in self.told
            if "deploymentBase" in path
        ]

    def details(self) -> str:
        """All that was told in words."""
        return " | ".join(text for _, body in self.told for text in body["status"]["details"])

    def wait_for(self, execution: str, patience_s: float = 15.0, details: str = "") -> None:
        """Wait until the device has told of an execution, and has used some words."""

        def told() -> bool:
            return any(w.startswith(execution) for w in self.words()) and details in self.details()

        with self.changed:
            heard = self.changed.wait_for(told, patience_s)
        assert heard, (execution, details, self.words(), self.details())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeHawkbit

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        with self._served() as fake:
            if fake is None:
                return
            path = self.path.partition("?")[0]
            if path == ROOT:
                self._json(self._base(fake))
            elif fake.action and path == f"{ROOT}/deploymentBase/{fake.action}":
                self._json(self._deployment(fake))
            elif fake.action and path == f"{ROOT}/cancelAction/{fake.action}":
                self._json({"id": fake.action, "cancelAction": {"stopId": fake.action}})
            elif path == f"/files/{FILE}":
                self._file(fake)
            else:
                self.send_error(404)

    def do_PUT(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def _take(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        with self._served() as fake:
            if fake is None:
                return
            if self.path == f"{ROOT}/configData" and self.command == "PUT":
                fake.config, fake.wants_config = body["data"], False
                self._json({})
                return
            parts = self.path.removeprefix(f"{ROOT}/").split("/")
            if self.command != "POST" or len(parts) != 3 or parts[2] != "feedback":
                self.send_error(404)
                return
            kind, action, _ = parts
            if action in fake.closed:
                self.send_error(410)
                return
            with fake.changed:
                fake.told.append((self.path, body))
                execution = body["status"]["execution"]
                if execution == "closed":
                    fake.closed.add(action)
                    fake.action = "" if fake.action == action else fake.action
                    fake.wants_config = kind == "deploymentBase"
                if execution == "rejected" and kind == "cancelAction":
                    fake.cancels = False
                fake.changed.notify_all()
            self._json({})

    @contextmanager
    def _served(self) -> Iterator[FakeHawkbit | None]:
        """The server, unless a fault or the wrong token was the answer."""
        fake = self.server.fake
        fake.requests.append((self.command, self.path, dict(self.headers.items())))
        if self.headers.get("Authorization") != fake.authorization and not self.path.startswith("/files/"):
            self.send_error(401)
            yield None
            return
        for index, (part, fault) in enumerate(fake.faults):
            if part in self.path:
                if fault.startswith("cut"):
                    break
                del fake.faults[index]
                self._fault(fake, fault)
                yield None
                return
        yield fake

    def _fault(self, fake: FakeHawkbit, fault: str) -> None:
        if fault == "hang":
            fake.release.wait(30)
            self.close_connection = True
        elif fault == "garbage":
            self._body(b"\xff\x00<html>not json")
        elif fault == "huge":
            self._body(b"[" * (3 << 20))
        elif fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "elsewhere":
            self.send_response(206)
            self.send_header("Content-Range", "bytes 7-9/10")
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"xyz")
        elif fault.startswith("redirect:"):
            self.send_response(302)
            self.send_header("Location", fault.removeprefix("redirect:"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_response(int(fault))
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _base(self, fake: FakeHawkbit) -> dict[str, Any]:
        links = {}
        if fake.action:
            kind = "cancelAction" if fake.cancels else "deploymentBase"
            links[kind] = {"href": f"{fake.url}{ROOT}/{kind}/{fake.action}" + ("" if fake.cancels else "?c=-1")}
        if fake.wants_config:
            links["configData"] = {"href": f"{fake.url}{ROOT}/configData"}
        return {"config": {"polling": {"sleep": fake.sleep}}, "_links": links}

    def _deployment(self, fake: FakeHawkbit) -> dict[str, Any]:
        file = {
            "filename": FILE,
            "hashes": {"sha1": "0", "md5": "0", "sha256": hashlib.sha256(fake.content).hexdigest()},
            "size": len(fake.content),
            "_links": {"download": {"href": f"{fake.url}/files/{FILE}"}},
            **fake.announced,
        }
        readme = {"filename": "README", "size": 1, "hashes": {}, "_links": {}}
        chunk = {"part": "os", "version": "99.0.0", "name": "pilotlight", "artifacts": [readme, file]}
        return {"id": fake.action, "deployment": {**fake.handling, "chunks": [chunk]}}

    def _file(self, fake: FakeHawkbit) -> None:
        begin = 0
        asked = self.headers.get("Range", "")
        if asked and fake.ranges:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        data = fake.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(fake.content) - 1}/{len(fake.content)}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for index, (part, fault) in enumerate(fake.faults):
            if part in self.path and fault.startswith("cut:"):
                del fake.faults[index]
                self.wfile.write(data[: int(fault.removeprefix("cut:"))])
                self.wfile.flush()
                self.close_connection = True
                return
        self.wfile.write(data)

    def _json(self, content: Any) -> None:
        self._body(json.dumps(content).encode())

    def _body(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/hal+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
