# SPDX-License-Identifier: Apache-2.0
"""Access tokens: JWT, HS256, with a key that survives restarts."""

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY_BYTES = 32
LEEWAY_S = 10


class TokenError(Exception):
    """The token is not accepted; the text is what the Editor knows (401, `msg`)."""


@dataclass(frozen=True)
class Claims:
    """What a valid signature vouches for. `generation` must still be the user's own."""

    user_id: int
    token_id: str
    generation: int
    expires: int


def load_key(path: Path) -> bytes:
    """The signing key of this device, made at first use (mode 0600). A file of the wrong size is replaced:
    that only ends every session."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) == KEY_BYTES:
        return key
    from pilotlight.daemon import write_atomic

    key = os.urandom(KEY_BYTES)
    write_atomic(path, key, mode=0o600)
    return key


class Tokens:
    """Issues and verifies tokens; whether one was revoked is for the user store to say."""

    def __init__(self, key: bytes, lifetime_s: int, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._lifetime_s = lifetime_s
        self._clock = clock

    def issue(self, user_id: int, generation: int) -> str:
        """A token for this user that ends after the set lifetime."""
        import jwt

        now = int(self._clock())
        payload = {
            "fresh": False,
            "iat": now,
            "nbf": now,
            "exp": now + self._lifetime_s,
            "jti": str(uuid.uuid4()),
            "type": "access",
            "sub": str(user_id),
            "gen": generation,
        }
        return jwt.encode(payload, self._key, algorithm="HS256")

    def verify(self, text: str) -> Claims:
        """The claims of a token with a good signature that has not expired; TokenError otherwise."""
        import jwt

        try:
            payload: dict[str, Any] = jwt.decode(
                text,
                self._key,
                algorithms=["HS256"],
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("Token has expired") from None
        except jwt.InvalidTokenError as error:
            raise TokenError(str(error) or "Invalid token") from None
        if payload.get("type") != "access":
            raise TokenError("Only access tokens are allowed")
        try:
            claims = Claims(int(payload["sub"]), str(payload["jti"]), int(payload["gen"]), int(payload["exp"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise TokenError("Invalid token") from None
        return claims

    def check_time(self, claims: Claims) -> None:
        """TokenError when the token has expired since it was verified."""
        if claims.expires <= self._clock() - LEEWAY_S:
            raise TokenError("Token has expired")
