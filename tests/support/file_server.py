# SPDX-License-Identifier: Apache-2.0
"""A server of one file over HTTPS, part by part, which counts what it gives away."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PIECE = 1 << 20


class FileServer:
    """Serves `file` at /bundle.raucb on a port of loopback."""

    def __init__(self, file: Path, tls: ssl.SSLContext) -> None:
        self.file = file
        self.sent = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.files = self
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    files: FileServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away when it has seen enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if self.path != "/bundle.raucb":
            self.send_error(404)
            return
        files = self.server.files
        size = files.file.stat().st_size
        begin, end = 0, size
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(size, int(last) + 1) if last else size
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.end_headers()
        if not body:
            return
        with files.file.open("rb") as file:
            file.seek(begin)
            left = end - begin
            while left and (piece := file.read(min(PIECE, left))):
                self.wfile.write(piece)
                files.sent += len(piece)
                left -= len(piece)
