# SPDX-License-Identifier: Apache-2.0
"""Sessions: login, logout, and the check of a password that both ends of the accounts need."""

import asyncio
import time
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pilotlight.daemon import logger
from pilotlight.web.audit import audit, printable
from pilotlight.web.backend import Backend, CurrentSession, Parts
from pilotlight.web.guard import guarded_router
from pilotlight.web.passwords import LONGEST_PASSWORD
from pilotlight.web.users import User

log = logger("web")
router = guarded_router()


class Credentials(BaseModel):
    """What a person logs in with."""

    username: str | None = None
    password: str | None = None


def shape(user: User) -> dict[str, Any]:
    """A user as the Editor reads it."""
    return {"id": user.id, "username": user.username, "role": user.role.value}


def reply(status: int, message: str, **more: Any) -> JSONResponse:
    """A reply with a sentence in `msg`."""
    return JSONResponse({**more, "msg": message}, status_code=status)


@router.post("/api/login", summary="Exchange name and password for a token")
async def login(request: Request, body: Credentials, parts: Parts) -> JSONResponse:
    """A bearer token. Wrong: 401. Too often wrong: 429 with Retry-After."""
    if not body.username or not body.password:
        return reply(400, "Missing username or password")
    user = parts.users.by_name(body.username)
    refused = await check_password(request, parts, body.username, user, body.password)
    if refused is not None:
        return refused
    assert user is not None
    return JSONResponse({"access_token": parts.tokens.issue(user.id, user.generation)})


async def check_password(
    request: Request,
    parts: Backend,
    username: str,
    user: User | None,
    password: str,
    *,
    wrong: tuple[int, Any] | None = None,
) -> JSONResponse | None:
    """None when the password is right; the throttled refusal otherwise. Takes as long for a name that does
    not exist."""
    address = request.client.host if request.client else ""
    account = printable(username)
    wait = parts.throttle.admit(account, address, time.monotonic())
    if wait > 0:
        seconds = int(wait) + 1
        log.warning(
            f"Too many failed logins at {address}",
            event="web-throttled",
            address=address,
            subject=account,
        )
        return JSONResponse(
            {"msg": f"Too many failed logins; try again in {seconds} s."},
            429,
            headers={"Retry-After": str(seconds)},
        )
    right = await parts.hasher.verify(user.password_hash if user else None, password[: LONGEST_PASSWORD + 1])
    log.info(
        f"Password of {account!r} at {address}: {'right' if right else 'wrong'}",
        event="web-login",
        address=address,
        subject=account,
        verdict="right" if right else "wrong",
    )
    if not right:
        status, content = wrong or (401, "Wrong username or password")
        return JSONResponse(content, status)
    parts.throttle.success(account, address)
    return None


@router.post("/api/logout", summary="End this session")
async def logout(request: Request, parts: Parts, session: CurrentSession) -> JSONResponse:
    """The token is refused from now on, over restarts too."""
    claims = session.claims
    await asyncio.to_thread(parts.users.revoke, claims.user_id, claims.token_id, claims.expires)
    audit(request, session, "logout", "done")
    return reply(200, "User logged out successfully")


@router.get("/api/whoami", summary="The user of this session")
async def whoami(session: CurrentSession) -> JSONResponse:
    """Id, name and role."""
    return JSONResponse(shape(session.user))
