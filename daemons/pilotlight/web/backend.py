# SPDX-License-Identifier: Apache-2.0
"""What every route works with, and the decision who is calling."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from pilotlight.web.live import LiveTags
from pilotlight.web.passwords import PasswordHasher
from pilotlight.web.roles import Access, permits
from pilotlight.web.runtime_link import RuntimeLink
from pilotlight.web.settings import WebSettings
from pilotlight.web.throttle import LoginThrottle
from pilotlight.web.tokens import Claims, TokenError, Tokens
from pilotlight.web.update_link import UpdateLink
from pilotlight.web.users import User, UserStore

REFUSAL_SHOWN_S = 300.0
"""How long a refused upload is what compilation-status tells its user: as long as the Editor asks."""


class Unauthorised(Exception):
    """Not logged in, or no longer (401)."""


class Forbidden(Exception):
    """Logged in, but without the role for it (403)."""


@dataclass(frozen=True)
class Session:
    """A caller whose token is good."""

    user: User
    claims: Claims


@dataclass
class Backend:
    """The parts behind the routes."""

    settings: WebSettings
    users: UserStore
    tokens: Tokens
    runtime: RuntimeLink
    live: LiveTags
    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    throttle: LoginThrottle = field(default_factory=LoginThrottle)
    updates: UpdateLink = field(default_factory=UpdateLink)
    upload_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    bundle_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    refusals: dict[int, tuple[str, float]] = field(default_factory=dict)
    """By user: why the last upload never reached the runtime, and when (monotonic s)."""
    users_changed: Callable[[], None] = lambda: None
    """Called after a user was added or removed."""
    streams: int = 0
    """Streams of live values that are open."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the daemon stops: streams end."""

    def session(self, token: str) -> Session:
        """The session a token stands for; TokenError when it is not good (any more)."""
        claims = self.tokens.verify(token)
        return Session(self.check(claims), claims)

    def check(self, claims: Claims) -> User:
        """The user of a verified token, as it is now; TokenError when the token ended or was ended since."""
        self.tokens.check_time(claims)
        user = self.users.by_id(claims.user_id)
        if user is None or user.generation != claims.generation or self.users.is_revoked(claims.token_id):
            raise TokenError("Token has been revoked")
        return user

    def still_good(self, session: Session) -> bool:
        """Whether a session that was good still is."""
        try:
            self.check(session.claims)
        except TokenError:
            return False
        return True

    def refused_upload(self, user: User, now: float) -> str:
        """Why the user's last upload never reached the runtime; empty when it did, or when that is long past."""
        reason, since = self.refusals.get(user.id, ("", 0.0))
        return reason if now - since < REFUSAL_SHOWN_S else ""

    def authorise(self, header: str | None, access: Access) -> Session | None:
        """Who calls a route that asks for `access`; Unauthorised or Forbidden when it is not for them.

        A device without users forgets old tokens: whoever still holds one is treated as a stranger.
        """
        claimed = self.users.claimed
        session = None
        if header is not None and claimed and access is not Access.PUBLIC:
            session = self._bearer(header)
        if permits(session.user.role if session else None, access, claimed=claimed):
            return session
        if session is None:
            raise Unauthorised("User already created!" if access is Access.CLAIM else "Missing Authorization Header")
        needed = "Admin privileges required" if access in (Access.ADMIN, Access.CLAIM) else "Your role may only look"
        raise Forbidden(needed)

    def _bearer(self, header: str) -> Session:
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorised("Bad Authorization header. Expected 'Authorization: Bearer <JWT>'")
        try:
            return self.session(token.strip())
        except TokenError as error:
            raise Unauthorised(str(error)) from None


def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


def _session(request: Request) -> Session | None:
    session: Session | None = request.state.session
    return session


def _logged_in(request: Request) -> Session:
    session: Session | None = request.state.session
    if session is None:
        raise Unauthorised("Missing Authorization Header")
    return session


Parts = Annotated[Backend, Depends(_backend)]
MaybeSession = Annotated[Session | None, Depends(_session)]
CurrentSession = Annotated[Session, Depends(_logged_in)]
