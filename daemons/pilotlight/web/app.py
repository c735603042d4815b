# SPDX-License-Identifier: Apache-2.0
"""Puts the application together: routes, answers to errors, the shell around it, the debugger beside it."""

import asyncio
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from pilotlight import __version__
from pilotlight.web import (
    dialect,
    pages,
    routes_backup,
    routes_device,
    routes_plc,
    routes_session,
    routes_tags,
    routes_update,
    routes_users,
)
from pilotlight.web.backend import Backend, Forbidden, Unauthorised
from pilotlight.web.debug_socket import AUTHENTICATED, debug_server
from pilotlight.web.debug_socket import PATH as DEBUG_PATH
from pilotlight.web.passwords import Overloaded
from pilotlight.web.shell import Shell
from pilotlight.web.update_link import UpdateRefused
from pilotlight.web.users import StoreUnreadable

_DESCRIPTION = (
    "Programs, state and live values of this controller. Log in with POST /api/login and send the token as "
    "`Authorization: Bearer …`. The paths and shapes are those the OpenPLC Editor uses."
)

AUTHENTICATE_S = 10.0
"""A websocket must show a good token within this time."""


def http_app(backend: Backend) -> FastAPI:
    """All HTTP routes; each is in the table of roles."""
    app = FastAPI(
        title="Pilotlight",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.backend = backend
    for router in (
        pages.router,
        routes_users.router,
        routes_session.router,
        routes_plc.router,
        routes_tags.router,
        routes_update.router,
        routes_backup.router,
        routes_device.router,
        routes_device.catch_all,
    ):
        app.include_router(router)
    handlers: dict[type[Exception], Any] = {
        Unauthorised: _unauthorised,
        Forbidden: lambda request, error: _sentence(403, str(error)),
        UpdateRefused: lambda request, error: _sentence(error.status, str(error)),
        RequestValidationError: _invalid,
        HTTPException: _http,
        Overloaded: lambda request, error: _sentence(503, "Too many logins at once; try again in a second.", retry="1"),
        StoreUnreadable: lambda request, error: _sentence(503, str(error)),
        sqlite3.Error: _database,
        Exception: lambda request, error: _sentence(
            500, "The web daemon could not handle this request; its log says more. The program keeps running."
        ),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return app


def _sentence(status: int, sentence: str, *, retry: str = "") -> JSONResponse:
    return JSONResponse({"msg": sentence}, status, headers={"Retry-After": retry} if retry else None)


def _unauthorised(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"msg": str(error)}, 401, headers={"WWW-Authenticate": "Bearer"})


def _http(request: Request, error: HTTPException) -> JSONResponse:
    sentence = "There is no such page." if error.status_code == 404 else error.detail
    return JSONResponse({"msg": sentence}, error.status_code, headers=error.headers)


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Names the place and what is wrong; never repeats what was sent, which may be a password."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))[:100]
    return _sentence(400, f"{place or 'The request'}: {first['msg']}")


def _database(request: Request, error: sqlite3.Error) -> JSONResponse:
    return _sentence(
        503,
        f"The user database cannot be written ({error}); nothing was changed. Is the data partition full?",
    )


class Front:
    """Sends websockets of the debugger to it and everything else to the HTTP routes."""

    def __init__(self, backend: Backend) -> None:
        self._http: ASGIApp = Shell(http_app(backend), dialect.header_version(backend.settings.compat))
        self._debug: ASGIApp = debug_server(backend)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or one websocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["path"].rstrip("/") == DEBUG_PATH:
            await self._debugger(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _debugger(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A websocket of the debugger; whoever does not show a good token in time is cut off."""
        serving = asyncio.ensure_future(self._debug(scope, receive, send))
        await asyncio.wait((serving,), timeout=AUTHENTICATE_S)
        if not serving.done() and not scope.get(AUTHENTICATED):
            serving.cancel()
            await asyncio.wait((serving,))
            await send({"type": "websocket.close", "code": 1008})
            return
        await serving
