# SPDX-License-Identifier: Apache-2.0
"""Password hashing with argon2id, one at a time in a thread of its own so that the main loop never waits."""

import asyncio
import base64
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

TIME_COST = 2
MEMORY_KIB = 19 * 1024
PARALLELISM = 1
LONGEST_PASSWORD = 256
"""Characters; bounds the work of one hash."""


class Overloaded(Exception):
    """Too many passwords are waiting to be checked."""


class PasswordHasher:
    """argon2id with the parameters above; at most `waiting` callers queue up."""

    def __init__(self, waiting: int = 8) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")
        self._waiting = waiting
        self._queued = 0
        self._decoy = _decoy_hash()

    async def hash(self, password: str) -> str:
        """The encoded hash, salt and parameters included; Overloaded when too many wait."""
        return await self._run(_hash, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether `password` belongs to `encoded`; with None (no such user) it takes just as long and is
        False."""
        matches = await self._run(_verify, encoded or self._decoy, password)
        return matches and encoded is not None

    def close(self) -> None:
        """Ends the thread after the hash that is being made."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _run(self, function: Callable[..., Result], *arguments: str) -> Result:
        if self._queued >= self._waiting:
            raise Overloaded
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        finally:
            self._queued -= 1


def _decoy_hash() -> str:
    """A well-formed hash with today's parameters that no password is known for."""
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={PARALLELISM}${salt}${digest}"


def _encode(password: str) -> bytes:
    """JSON can hold half a surrogate pair; it counts as it stands."""
    return password.encode("utf-8", "surrogatepass")


def _hash(password: str) -> str:
    from argon2 import PasswordHasher as Argon2

    return Argon2(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM).hash(_encode(password))


def _verify(encoded: str, password: str) -> bool:
    if not encoded.startswith("$argon2"):
        return _verify_crypt(encoded, password)
    from argon2 import PasswordHasher as Argon2
    from argon2.exceptions import InvalidHash, VerificationError

    try:
        return Argon2().verify(encoded, _encode(password))
    except (VerificationError, InvalidHash):
        return False


def _verify_crypt(encoded: str, password: str) -> bool:
    """For the hashes that Raspberry Pi's Imager writes into a provisioning file, by the system's own crypt(3). It keeps
    its result in static memory: only the one thread of the hasher comes here."""
    import ctypes

    typed = _encode(password)
    if b"\0" in typed:
        return False
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    found: bytes | None = crypt(typed, encoded.encode())
    return found is not None and hmac.compare_digest(found, encoded.encode())
