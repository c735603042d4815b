# SPDX-License-Identifier: Apache-2.0
"""Users and ended sessions, in SQLite. This process is the only writer, so reads come from memory."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilotlight.web.roles import Role

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'user', 'viewer')),
    generation INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS revoked (token_id TEXT PRIMARY KEY, expires INTEGER NOT NULL);
"""
MOST_USERS = 256
MOST_REVOKED = 4096


class UserError(Exception):
    """A change of users that is refused."""


class AlreadyClaimed(UserError):
    """The device has a first user already."""


class NameTaken(UserError):
    """Another user has this name."""


class UnknownUser(UserError):
    """No user has this number."""


class LastAdmin(UserError):
    """The device would be left without an administrator."""


class TooManyUsers(UserError):
    """The device holds `MOST_USERS` users."""


class StoreUnreadable(Exception):
    """The database cannot be read: nobody can log in or claim the device until root resets the users."""


@dataclass(frozen=True)
class User:
    """One user. `generation` counts what ends all of the user's sessions: password and role changes."""

    id: int
    username: str
    password_hash: str
    role: Role
    generation: int


class UserStore:
    """The users of the device. Safe to use from several threads; changes are durable when a method
    returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._users: dict[int, User] = {}
        self._revoked: dict[str, int] = {}
        self.problem = ""
        """Why the database cannot be used, in words; empty when all is well."""
        self._open()

    def _open(self) -> None:
        try:
            database = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False, isolation_level=None)
            self._path.chmod(0o600)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the integrity check failed")
            database.executescript(_SCHEMA)
            self._database = database
            self._reload()
        except (sqlite3.Error, ValueError, OSError) as error:
            self._database = None
            self.problem = (
                f"The user database {self._path} cannot be read ({error}). Nobody can log in; the program "
                "keeps running. Restore the file, or remove all users as root: busctl call io.pilotlight.Web1 "
                "/io/pilotlight/Web1 io.pilotlight.Web1 ResetUsers"
            )
        else:
            self.problem = ""

    def _reload(self) -> None:
        assert self._database is not None
        rows = self._database.execute(
            "SELECT id, username, password_hash, role, generation FROM users ORDER BY id"
        ).fetchall()
        self._users = {row[0]: User(row[0], row[1], row[2], Role(row[3]), row[4]) for row in rows}
        self._revoked = dict(self._database.execute("SELECT token_id, expires FROM revoked").fetchall())

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what is in memory follows what was committed."""
        with self._lock:
            if self._database is None:
                raise StoreUnreadable(self.problem)
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            self._reload()

    @property
    def claimed(self) -> bool:
        """Whether the device has a user; an unreadable database counts as claimed, so that nobody can take
        the device."""
        return self._database is None or bool(self._users)

    def all(self) -> list[User]:
        """Every user, oldest first."""
        return list(self._users.values())

    def by_id(self, user_id: int) -> User | None:
        """The user with this number."""
        return self._users.get(user_id)

    def by_name(self, username: str) -> User | None:
        """The user with exactly this name."""
        if self._database is None:
            raise StoreUnreadable(self.problem)
        return next((user for user in self._users.values() if user.username == username), None)

    def claim(self, username: str, password_hash: str) -> User:
        """Makes the first user, an administrator. Of several callers at the same time one wins; the others
        get AlreadyClaimed."""
        with self._change() as database:
            if self._users:
                raise AlreadyClaimed
            user_id = _insert(database, username, password_hash, Role.ADMIN)
        return self._users[user_id]

    def add(self, username: str, password_hash: str, role: Role) -> User:
        """Makes a further user; NameTaken, TooManyUsers."""
        with self._change() as database:
            if any(user.username == username for user in self._users.values()):
                raise NameTaken
            if len(self._users) >= MOST_USERS:
                raise TooManyUsers
            user_id = _insert(database, username, password_hash, role)
        return self._users[user_id]

    def change(
        self,
        user_id: int,
        *,
        username: str | None = None,
        password_hash: str | None = None,
        role: Role | None = None,
    ) -> User:
        """Changes what is given; a new password or role ends all sessions of the user. UnknownUser,
        NameTaken, LastAdmin."""
        with self._change() as database:
            user = self._users.get(user_id)
            if user is None:
                raise UnknownUser
            new_name = user.username if username is None else username
            new_role = user.role if role is None else role
            if any(other.username == new_name and other.id != user_id for other in self._users.values()):
                raise NameTaken
            if new_role is not Role.ADMIN:
                self._keep_an_admin_beside(user)
            ends_sessions = password_hash is not None or new_role is not user.role
            database.execute(
                "UPDATE users SET username = ?, password_hash = ?, role = ?, generation = ? WHERE id = ?",
                (
                    new_name,
                    user.password_hash if password_hash is None else password_hash,
                    new_role.value,
                    user.generation + ends_sessions,
                    user_id,
                ),
            )
        return self._users[user_id]

    def delete(self, user_id: int) -> User:
        """Removes a user and with it all of its sessions; numbers are not used again. UnknownUser,
        LastAdmin."""
        with self._change() as database:
            user = self._users.get(user_id)
            if user is None:
                raise UnknownUser
            self._keep_an_admin_beside(user)
            database.execute("DELETE FROM users WHERE id = ?", (user_id,))
        return user

    def _keep_an_admin_beside(self, user: User) -> None:
        others = [other for other in self._users.values() if other.role is Role.ADMIN and other.id != user.id]
        if user.role is Role.ADMIN and not others:
            raise LastAdmin

    def revoke(self, user_id: int, token_id: str, expires: int) -> None:
        """Ends one session for good, over restarts too. When the list is full all sessions of the user end
        instead."""
        with self._change() as database:
            database.execute("DELETE FROM revoked WHERE expires < ?", (int(time.time()) - 3600,))
            if len(self._revoked) >= MOST_REVOKED:
                database.execute("UPDATE users SET generation = generation + 1 WHERE id = ?", (user_id,))
            else:
                database.execute("INSERT OR IGNORE INTO revoked VALUES (?, ?)", (token_id, expires))

    def is_revoked(self, token_id: str) -> bool:
        """Whether this session was ended."""
        return token_id in self._revoked

    def reset(self) -> int:
        """Removes every user: the device can be claimed anew. An unreadable database is set aside as
        `.corrupt`. Returns how many users were removed."""
        with self._lock:
            if self._database is None:
                for suffix in ("", "-wal", "-shm"):
                    old = Path(f"{self._path}{suffix}")
                    if old.exists():
                        old.replace(f"{self._path}.corrupt{suffix}")
                self._users, self._revoked = {}, {}
                self._open()
                return 0
            removed = len(self._users)
            with self._change() as database:
                database.execute("DELETE FROM users")
            return removed

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None


def _insert(database: sqlite3.Connection, username: str, password_hash: str, role: Role) -> int:
    cursor = database.execute(
        "INSERT INTO users (username, password_hash, role) VALUES (?, ?, ?)",
        (username, password_hash, role.value),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid
