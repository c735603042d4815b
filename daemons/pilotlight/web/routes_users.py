# SPDX-License-Identifier: Apache-2.0
"""Users and sessions: claim, login, logout and the management of accounts."""

import asyncio
import time
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pilotlight.daemon import logger
from pilotlight.web.backend import Backend, CurrentSession, MaybeSession, Parts, Session
from pilotlight.web.guard import guarded_router
from pilotlight.web.passwords import LONGEST_PASSWORD
from pilotlight.web.roles import Role
from pilotlight.web.users import AlreadyClaimed, LastAdmin, NameTaken, TooManyUsers, UnknownUser, User

log = logger("web")
router = guarded_router()

NOT_FOUND = "User not found"
LAST_ADMIN = "The last administrator cannot be removed or demoted; make another administrator first"


class NewUser(BaseModel):
    """A user to create; `role` is ignored for the first user, who becomes administrator."""

    username: str | None = None
    password: str | None = None
    role: str | None = None


class Credentials(BaseModel):
    """What a person logs in with."""

    username: str | None = None
    password: str | None = None


class PasswordChange(BaseModel):
    """The old password proves that it is the owner who changes it."""

    old_password: str | None = None
    new_password: str | None = None


class UserChange(BaseModel):
    """What to change; `current_password` is needed for one's own password, `role` is for administrators."""

    username: str | None = None
    password: str | None = None
    current_password: str | None = None
    role: str | None = None


def shape(user: User) -> dict[str, Any]:
    """A user as the Editor reads it."""
    return {"id": user.id, "username": user.username, "role": user.role.value}


def _reply(status: int, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({**more, "msg": message}, status_code=status)


def audit(request: Request, session: Session | None, command: str, verdict: str, **fields: Any) -> None:
    """The record of a command: who, from where, what, with which outcome. No secrets."""
    address = request.client.host if request.client else ""
    user = session.user.username if session else ""
    log.info(
        f"{user or 'someone'} at {address}: {command}: {verdict}",
        event="web-command",
        user=user,
        address=address,
        command=command,
        verdict=verdict,
        **fields,
    )


def name_problem(username: str) -> str:
    """Why a user cannot have this name; empty when it can."""
    if not 1 <= len(username) <= 64 or not username.isprintable() or username != username.strip():
        return "A username has 1 to 64 printable characters and no blank at its ends"
    return ""


def printable(username: str) -> str:
    """A name somebody claims to have, fit for a log."""
    return "".join(character if character.isprintable() else "?" for character in username[:64])


def password_problem(password: str, shortest: int) -> str:
    """Why a password is not taken; empty when it is."""
    if len(password) < shortest:
        return f"A password has at least {shortest} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"A password has at most {LONGEST_PASSWORD} characters"
    return ""


def role_of(text: str) -> Role | None:
    """The role of this name."""
    return next((role for role in Role if role.value == text), None)


@router.get("/api/get-users-info", summary="Is the device claimed? With a token: its users")
async def users_info(parts: Parts, session: MaybeSession) -> JSONResponse:
    """404 while the device has no user. Without a token only that there are users; administrators see all,
    others themselves."""
    if not parts.users.claimed:
        return _reply(404, "No users found")
    if session is None:
        return _reply(200, "Users found")
    seen = parts.users.all() if session.user.role is Role.ADMIN else [session.user]
    return JSONResponse([shape(user) for user in seen])


@router.post("/api/create-user", summary="Claim the device, or add a user", status_code=201)
async def create_user(request: Request, body: NewUser, parts: Parts, session: MaybeSession) -> JSONResponse:
    """The first user claims the device and becomes its administrator; after that only an administrator adds
    users."""
    if not body.username or not body.password:
        return _reply(400, "Missing username or password")
    problem = name_problem(body.username) or password_problem(body.password, parts.settings.password_minimum)
    role = role_of(body.role or Role.USER.value)
    if role is None:
        problem = problem or "The role is admin, user or viewer"
    if problem or role is None:
        return _reply(400, problem)
    claiming = not parts.users.claimed
    hashed = await parts.hasher.hash(body.password)
    try:
        if claiming:
            user = await asyncio.to_thread(parts.users.claim, body.username, hashed)
        else:
            user = await asyncio.to_thread(parts.users.add, body.username, hashed, role)
    except AlreadyClaimed:
        audit(request, session, "claim", "refused: claimed by another user meanwhile")
        return _reply(401, "User already created!")
    except NameTaken:
        return _reply(409, "Username already exists")
    except TooManyUsers:
        return _reply(409, "The device holds as many users as it can; delete one first")
    audit(
        request,
        session,
        "claim" if claiming else "create-user",
        "done",
        subject=user.username,
        role=user.role.value,
    )
    return _reply(201, "User created", id=user.id, role=user.role.value)


@router.post("/api/login", summary="Exchange name and password for a token")
async def login(request: Request, body: Credentials, parts: Parts) -> JSONResponse:
    """A bearer token. Wrong: 401. Too often wrong: 429 with Retry-After."""
    if not body.username or not body.password:
        return _reply(400, "Missing username or password")
    user = parts.users.by_name(body.username)
    refused = await _check_password(request, parts, body.username, user, body.password)
    if refused is not None:
        return refused
    assert user is not None
    return JSONResponse({"access_token": parts.tokens.issue(user.id, user.generation)})


async def _check_password(
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
    return _reply(200, "User logged out successfully")


@router.get("/api/whoami", summary="The user of this session")
async def whoami(session: CurrentSession) -> JSONResponse:
    """Id, name and role."""
    return JSONResponse(shape(session.user))


@router.get("/api/get-user-info/{user_id}", summary="One user")
async def user_info(user_id: int, parts: Parts, session: CurrentSession) -> JSONResponse:
    """Oneself, or for an administrator anyone."""
    user = _visible(parts, session, user_id)
    return JSONResponse(shape(user)) if user else _reply(404, NOT_FOUND)


def _visible(parts: Backend, session: Session, user_id: int) -> User | None:
    if session.user.role is not Role.ADMIN and session.user.id != user_id:
        return None
    return parts.users.by_id(user_id)


@router.put("/api/password-change/{user_id}", summary="Change a password")
async def password_change(
    request: Request, user_id: int, body: PasswordChange, parts: Parts, session: CurrentSession
) -> JSONResponse:
    """Needs the old password; ends all sessions of the user."""
    user = _visible(parts, session, user_id)
    if user is None:
        return _reply(404, NOT_FOUND)
    if not body.old_password or not body.new_password:
        return _reply(400, "Both old and new passwords are required")
    problem = password_problem(body.new_password, parts.settings.password_minimum)
    if problem:
        return _reply(400, problem)
    wrong = (403, {"msg": "Old password is incorrect"})
    refused = await _check_password(request, parts, user.username, user, body.old_password, wrong=wrong)
    if refused is not None:
        return refused
    hashed = await parts.hasher.hash(body.new_password)
    try:
        await asyncio.to_thread(parts.users.change, user_id, password_hash=hashed)
    except UnknownUser:
        return _reply(404, NOT_FOUND)
    audit(request, session, "password-change", "done", subject=user.username)
    return _reply(200, f"Password for user {user.username} updated successfully")


@router.put("/api/update-user/{user_id}", summary="Change name, password or role")
async def update_user(
    request: Request, user_id: int, body: UserChange, parts: Parts, session: CurrentSession
) -> JSONResponse:
    """Users change themselves (the password with `current_password`), administrators anyone. A new password
    or role ends all sessions of that user."""
    own = session.user.id == user_id
    user = _visible(parts, session, user_id)
    if user is None:
        return _reply(404, NOT_FOUND)
    role = role_of(body.role) if body.role is not None else None
    problem = "The role is admin, user or viewer" if body.role is not None and role is None else ""
    if body.username is not None:
        problem = problem or name_problem(body.username)
    if body.password is not None:
        problem = problem or password_problem(body.password, parts.settings.password_minimum)
    if problem or body.username is body.password is role is None:
        return _reply(400, problem or "Nothing to change: give username, password or role")
    if role is not None and role is not user.role and session.user.role is not Role.ADMIN:
        return _reply(403, "Admin privileges required")
    hashed = None
    if body.password is not None:
        if own:
            if not body.current_password:
                return _reply(400, "The current password is required")
            wrong = (403, {"msg": "Current password is incorrect"})
            refused = await _check_password(request, parts, user.username, user, body.current_password, wrong=wrong)
            if refused is not None:
                return refused
        hashed = await parts.hasher.hash(body.password)
    try:
        changed = await asyncio.to_thread(
            parts.users.change, user_id, username=body.username, password_hash=hashed, role=role
        )
    except UnknownUser:
        return _reply(404, NOT_FOUND)
    except NameTaken:
        return _reply(409, "Username already exists")
    except LastAdmin:
        return _reply(409, LAST_ADMIN)
    audit(request, session, "update-user", "done", subject=changed.username, role=changed.role.value)
    return _reply(200, "User updated successfully", user=shape(changed))


@router.delete("/api/delete-user/{user_id}", summary="Delete a user")
async def delete_user(request: Request, user_id: int, parts: Parts, session: CurrentSession) -> JSONResponse:
    """Administrators only, and not themselves; ends all sessions of the user."""
    if session.user.id == user_id:
        return _reply(403, "You cannot delete yourself")
    try:
        user = await asyncio.to_thread(parts.users.delete, user_id)
    except UnknownUser:
        return _reply(404, NOT_FOUND)
    except LastAdmin:
        return _reply(409, LAST_ADMIN)
    audit(request, session, "delete-user", "done", subject=user.username)
    return _reply(200, f"User {user.username} deleted successfully")
