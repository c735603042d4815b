# SPDX-License-Identifier: Apache-2.0
"""Users: claiming the device and the management of accounts."""

import asyncio

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from pilotlight.web.audit import audit
from pilotlight.web.backend import Backend, CurrentSession, MaybeSession, Parts, Session
from pilotlight.web.guard import guarded_router
from pilotlight.web.passwords import LONGEST_PASSWORD
from pilotlight.web.roles import Role
from pilotlight.web.routes_session import check_password, reply, shape
from pilotlight.web.users import AlreadyClaimed, LastAdmin, NameTaken, TooManyUsers, UnknownUser, User

router = guarded_router()

NOT_FOUND = "User not found"
LAST_ADMIN = "The last administrator cannot be removed or demoted; make another administrator first"


class NewUser(BaseModel):
    """A user to create; `role` is ignored for the first user, who becomes administrator."""

    username: str | None = None
    password: str | None = None
    role: str | None = None


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


def name_problem(username: str) -> str:
    """Why a user cannot have this name; empty when it can."""
    if not 1 <= len(username) <= 64 or not username.isprintable() or username != username.strip():
        return "A username has 1 to 64 printable characters and no blank at its ends"
    return ""


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


@router.get("/api/claimed", summary="Is the device claimed?")
async def claimed(parts: Parts) -> dict[str, bool]:
    """Whether it has a user. For the page: a 404, as the Editor wants it, is an error to a browser."""
    return {"claimed": parts.users.claimed}


@router.get("/api/get-users-info", summary="Is the device claimed? With a token: its users")
async def users_info(parts: Parts, session: MaybeSession) -> JSONResponse:
    """404 while the device has no user. Without a token only that there are users; administrators see all,
    others themselves."""
    if not parts.users.claimed:
        return reply(404, "No users found")
    if session is None:
        return reply(200, "Users found")
    seen = parts.users.all() if session.user.role is Role.ADMIN else [session.user]
    return JSONResponse([shape(user) for user in seen])


@router.post("/api/create-user", summary="Claim the device, or add a user", status_code=201)
async def create_user(request: Request, body: NewUser, parts: Parts, session: MaybeSession) -> JSONResponse:
    """The first user claims the device and becomes its administrator; after that only an administrator adds
    users."""
    if not body.username or not body.password:
        return reply(400, "Missing username or password")
    problem = name_problem(body.username) or password_problem(body.password, parts.settings.password_minimum)
    role = role_of(body.role or Role.USER.value)
    if role is None:
        problem = problem or "The role is admin, user or viewer"
    if problem or role is None:
        return reply(400, problem)
    claiming = not parts.users.claimed
    hashed = await parts.hasher.hash(body.password)
    try:
        if claiming:
            user = await asyncio.to_thread(parts.users.claim, body.username, hashed)
        else:
            user = await asyncio.to_thread(parts.users.add, body.username, hashed, role)
    except AlreadyClaimed:
        audit(request, session, "claim", "refused: claimed by another user meanwhile")
        return reply(401, "User already created!")
    except NameTaken:
        return reply(409, "Username already exists")
    except TooManyUsers:
        return reply(409, "The device holds as many users as it can; delete one first")
    parts.users_changed()
    audit(
        request,
        session,
        "claim" if claiming else "create-user",
        "done",
        subject=user.username,
        role=user.role.value,
    )
    return reply(201, "User created", id=user.id, role=user.role.value)


@router.get("/api/get-user-info/{user_id}", summary="One user")
async def user_info(user_id: int, parts: Parts, session: CurrentSession) -> JSONResponse:
    """Oneself, or for an administrator anyone."""
    user = _visible(parts, session, user_id)
    return JSONResponse(shape(user)) if user else reply(404, NOT_FOUND)


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
        return reply(404, NOT_FOUND)
    if not body.old_password or not body.new_password:
        return reply(400, "Both old and new passwords are required")
    problem = password_problem(body.new_password, parts.settings.password_minimum)
    if problem:
        return reply(400, problem)
    wrong = (403, {"msg": "Old password is incorrect"})
    refused = await check_password(request, parts, user.username, user, body.old_password, wrong=wrong)
    if refused is not None:
        return refused
    hashed = await parts.hasher.hash(body.new_password)
    try:
        await asyncio.to_thread(parts.users.change, user_id, password_hash=hashed)
    except UnknownUser:
        return reply(404, NOT_FOUND)
    audit(request, session, "password-change", "done", subject=user.username)
    return reply(200, f"Password for user {user.username} updated successfully")


@router.put("/api/update-user/{user_id}", summary="Change name, password or role")
async def update_user(
    request: Request, user_id: int, body: UserChange, parts: Parts, session: CurrentSession
) -> JSONResponse:
    """Users change themselves (the password with `current_password`), administrators anyone. A new password
    or role ends all sessions of that user."""
    own = session.user.id == user_id
    user = _visible(parts, session, user_id)
    if user is None:
        return reply(404, NOT_FOUND)
    role = role_of(body.role) if body.role is not None else None
    problem = "The role is admin, user or viewer" if body.role is not None and role is None else ""
    if body.username is not None:
        problem = problem or name_problem(body.username)
    if body.password is not None:
        problem = problem or password_problem(body.password, parts.settings.password_minimum)
    if problem or body.username is body.password is role is None:
        return reply(400, problem or "Nothing to change: give username, password or role")
    if role is not None and role is not user.role and session.user.role is not Role.ADMIN:
        return reply(403, "Admin privileges required")
    hashed = None
    if body.password is not None:
        if own:
            if not body.current_password:
                return reply(400, "The current password is required")
            wrong = (403, {"msg": "Current password is incorrect"})
            refused = await check_password(request, parts, user.username, user, body.current_password, wrong=wrong)
            if refused is not None:
                return refused
        hashed = await parts.hasher.hash(body.password)
    try:
        changed = await asyncio.to_thread(
            parts.users.change, user_id, username=body.username, password_hash=hashed, role=role
        )
    except UnknownUser:
        return reply(404, NOT_FOUND)
    except NameTaken:
        return reply(409, "Username already exists")
    except LastAdmin:
        return reply(409, LAST_ADMIN)
    audit(request, session, "update-user", "done", subject=changed.username, role=changed.role.value)
    return reply(200, "User updated successfully", user=shape(changed))


@router.delete("/api/delete-user/{user_id}", summary="Delete a user")
async def delete_user(request: Request, user_id: int, parts: Parts, session: CurrentSession) -> JSONResponse:
    """Administrators only, and not themselves; ends all sessions of the user."""
    if session.user.id == user_id:
        return reply(403, "You cannot delete yourself")
    try:
        user = await asyncio.to_thread(parts.users.delete, user_id)
    except UnknownUser:
        return reply(404, NOT_FOUND)
    except LastAdmin:
        return reply(409, LAST_ADMIN)
    parts.users_changed()
    audit(request, session, "delete-user", "done", subject=user.username)
    return reply(200, f"User {user.username} deleted successfully")
