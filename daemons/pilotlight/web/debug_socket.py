# SPDX-License-Identifier: Apache-2.0
"""The Editor's debugger: Socket.IO namespace /api/debug, websocket only. Frames go to runtime unread, but
for the function code: forcing a variable needs the role `user`."""

from typing import Any
from urllib.parse import parse_qs

import socketio
from socketio.exceptions import ConnectionRefusedError as Refused

from pilotlight.daemon import logger
from pilotlight.web import dialect
from pilotlight.web.backend import Backend, Session
from pilotlight.web.roles import Access, permits
from pilotlight.web.runtime_link import RuntimeDown, RuntimeRefused
from pilotlight.web.tokens import TokenError

log = logger("web")
NAMESPACE = "/api/debug"
PATH = "/socket.io"
MOST_CLIENTS = 16
LONGEST_COMMAND = 16 * 1024
"""Characters: a frame of 4096 bytes in hex with blanks, with room to spare."""
AUTHENTICATED = "pilotlight.authenticated"
"""Set in the scope of a websocket once it has shown a good token."""
_SET = 0x42


def debug_server(backend: Backend) -> Any:
    """The ASGI application that serves `PATH`."""
    server = socketio.AsyncServer(
        async_mode="asgi",
        # A token in the message authorises, never a cookie: any origin may try.
        cors_allowed_origins="*",
        transports=["websocket"],
        allow_upgrades=False,
        ping_interval=25,
        ping_timeout=60,
        max_http_buffer_size=LONGEST_COMMAND,
        always_connect=False,
    )
    server.register_namespace(_Debug(backend))
    return socketio.ASGIApp(server, socketio_path=PATH)


class _Debug(socketio.AsyncNamespace):  # type: ignore[misc]
    def __init__(self, backend: Backend) -> None:
        super().__init__(NAMESPACE)
        self._backend = backend
        self._sessions: dict[str, Session] = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        token = auth.get("token") if isinstance(auth, dict) else None
        if token is None:
            token = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if len(self._sessions) >= MOST_CLIENTS:
            raise Refused(f"{MOST_CLIENTS} debuggers are connected already; close one and try again.")
        try:
            session = self._backend.session(token if isinstance(token, str) else "")
        except TokenError as error:
            raise Refused(f"Unauthorized: {error}") from None
        self._sessions[sid] = session
        environ["asgi.scope"][AUTHENTICATED] = True
        log.info(f"{session.user.username} opened a debugger", event="web-debugger", user=session.user.username)
        await self.emit("connected", {"status": "ok"}, to=sid)

    async def on_disconnect(self, sid: str, reason: Any = None) -> None:
        self._sessions.pop(sid, None)

    async def on_debug_command(self, sid: str, content: Any = None) -> None:
        await self.emit("debug_response", await self._answer(sid, content), to=sid)

    async def on_reauth(self, sid: str, content: Any = None) -> None:
        token = content.get("token") if isinstance(content, dict) else None
        try:
            session = self._backend.session(token if isinstance(token, str) else "")
        except TokenError as error:
            await self.emit("reauth_result", {"success": False, "error": str(error)}, to=sid)
            return
        self._sessions[sid] = session
        await self.emit("reauth_result", {"success": True}, to=sid)

    async def _answer(self, sid: str, content: Any) -> dict[str, Any]:
        session = self._sessions.get(sid)
        if session is None:
            return _failure("Unauthorized")
        try:
            user = self._backend.check(session.claims)
        except TokenError as error:
            return _failure("token_expired" if "expired" in str(error) else "Unauthorized")
        command = content.get("command") if isinstance(content, dict) else None
        if not command:
            return _failure("Empty command")
        frame = dialect.parse_frame(command)
        if not frame:
            return _failure("ERROR_PARSING: the command is not hex")
        if frame[0] == _SET:
            if not permits(user.role, Access.USER, claimed=True):
                return _failure("Your role may only look")
            log.info(
                f"{user.username}: debugger sets {dialect.format_frame(frame[:24])}",
                event="web-debugger-set",
                user=user.username,
                command="debug-set",
            )
        try:
            answer = await self._backend.runtime.debug(frame)
        except RuntimeDown:
            return _failure(dialect.NO_RESPONSE)
        except RuntimeRefused as error:
            return _failure(str(error))
        if not answer:
            return _failure("ERROR_PROCESSING: runtime does not know this function")
        return {"success": True, "data": dialect.format_frame(answer)}


def _failure(error: str) -> dict[str, Any]:
    return {"success": False, "error": error}
