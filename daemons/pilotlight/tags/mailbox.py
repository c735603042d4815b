# SPDX-License-Identifier: Apache-2.0
"""Mailboxes: the latest message of one writer in shared memory, for workers in any language.

A mailbox is a file: a counter of 8 bytes that is odd while a writer copies, the message, zeros up to a multiple of 8.
The owner makes and removes it; clients only attach. It is in /dev/shm, or in /tmp where that cannot be had. Both are
folders in which anyone can put a file of that name, so neither side follows a link or takes a file of another user.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pilotlight.tags import _core
from pilotlight.tags.messages import IGNITER_COMMAND, IGNITER_STATUS, Format

LONGEST_NAME = 200
FILE_MODE = 0o600
_FALLS_BACK = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOENT}
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def _trusted(form: Format) -> set[int]:
    """Who may own a mailbox of this form: this user, root, and the daemon that serves it on the appliance."""
    name = "pilotlight-igniter" if form in (IGNITER_COMMAND, IGNITER_STATUS) else "pilotlight-runtime"
    users = {os.geteuid(), 0}
    try:
        users.add(pwd.getpwnam(name).pw_uid)
    except KeyError:
        return users  # not on the appliance
    return users


class MailboxError(Exception):
    """A mailbox cannot be made or opened."""


class MailboxMissing(MailboxError):
    """The owner has not made the mailbox yet."""


class MailboxRefused(MailboxError):
    """The file in the mailbox's place is not one to trust: a link, another user's, or writable by others."""


class MailboxInUse(MailboxError):
    """Another owner serves the mailbox."""


@dataclass(frozen=True)
class Places:
    """Where mailboxes are: shared memory, and the folder to fall back to."""

    shared: Path = Path("/dev/shm")  # noqa: S108 - checked for owner and links
    fallback: Path = Path("/tmp")  # noqa: S108 - checked for owner and links

    def of(self, name: str) -> tuple[Path, Path]:
        """Both paths of the mailbox `name`; raises ValueError when it is no name."""
        check_name(name)
        return self.shared / name[1:], self.fallback / f"{name[1:]}.mailbox"


USUAL_PLACES: Final = Places()


def check_name(name: str) -> None:
    """Raises ValueError when `name` is not `/` and 1 to 199 printable ASCII characters without another `/`."""
    plain = name[1:]
    if not name.startswith("/") or not plain.isascii() or not plain.isprintable() or not 2 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"{name!r} is not the name of a mailbox: it begins with / and has 1 to 199 characters more")
    if "/" in plain or plain in (".", ".."):
        raise ValueError(f"{name!r} is not the name of a mailbox: after the first / comes the name of one file")


class Mailbox:
    """A mapped mailbox. Neither reading nor writing ever waits."""

    def __init__(self, name: str, form: Format, path: Path, fd: int, writable: bool) -> None:
        self.name: Final = name
        self.form: Final = form
        self.path: Final = path
        self.fd: Final = fd
        self._box = _core.Box(fd, form.size, writable)
        status = os.fstat(fd)
        self._file = (status.st_dev, status.st_ino)
        self._seen = 0

    def write(self, message: bytes) -> None:
        """Put a message (packed, of the mailbox's kind) in the place of the last one.

        A counter that a dead writer left odd is repaired. Raises OSError when the file was cut short.
        """
        self._box.write(message)

    def latest(self) -> bytes | None:
        """The message that is there, or None: none was written yet, or a writer is copying right now."""
        copy = self._box.read()
        return None if copy is None or copy[0] == 0 else copy[1]

    def take(self) -> bytes | None:
        """The message that is there when it was not taken before, else None. It is not checked in any way."""
        copy = self._box.read()
        if copy is None or copy[0] == self._seen:
            return None
        self._seen = copy[0]
        return None if copy[0] == 0 else copy[1]

    def current(self) -> bool:
        """Whether this is still the file that the mailbox's name leads to."""
        try:
            status = os.lstat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file

    def close(self) -> None:
        """Let go of the mailbox."""
        self._box.close()
        os.close(self.fd)


class OwnedMailbox(Mailbox):
    """A mailbox that this process made, and removes when it closes it."""

    @classmethod
    def create(cls, name: str, form: Format, *, strict: bool = True, places: Places = USUAL_PLACES) -> OwnedMailbox:
        """Make the mailbox, empty. One that a dead owner left is emptied and used again.

        With `strict` a file that is there has to be this user's, and nobody else may be able to write it. Links and
        files that are not plain are refused always. Raises MailboxRefused, MailboxInUse, MailboxError.
        """
        shared, fallback = places.of(name)
        try:
            return cls._make(name, form, shared, strict)
        except OSError as error:
            if error.errno not in _FALLS_BACK:
                raise _explained(shared, error) from error
        try:
            return cls._make(name, form, fallback, strict)
        except OSError as error:
            raise _explained(fallback, error) from error

    @classmethod
    def _make(cls, name: str, form: Format, path: Path, strict: bool) -> OwnedMailbox:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, FILE_MODE)
        try:
            status = os.fstat(fd)
            _check_plain(path, status)
            ours = status.st_uid == os.geteuid()
            if strict and not ours:
                raise MailboxRefused(f"{path} belongs to user {status.st_uid}; nothing was written; remove it")
            if strict and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise MailboxRefused(f"{path} can be written by others; nothing was written; remove it")
            _lock(path, fd)
            if ours:
                os.fchmod(fd, FILE_MODE)
            os.ftruncate(fd, form.region_size)
            os.pwrite(fd, bytes(form.region_size), 0)
            return cls(name, form, path, fd, True)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Remove the mailbox, when it is still this one, and let go of it."""
        if self.current():
            self.path.unlink(missing_ok=True)
        super().close()

    def leave(self) -> None:
        """Let go of the mailbox and leave it to its next owner: who is attached to it stays so."""
        super().close()


class ClientMailbox(Mailbox):
    """A mailbox of another process."""

    @classmethod
    def attach(
        cls,
        name: str,
        form: Format,
        *,
        writable: bool = False,
        places: Places = USUAL_PLACES,
    ) -> ClientMailbox:
        """Attach to the mailbox.

        Its file has to belong to this user, to root or to the daemon that serves such messages on the appliance. Raises
        MailboxMissing, MailboxRefused, MailboxError.
        """
        trusted = _trusted(form)
        shared, fallback = places.of(name)
        for path in (shared, fallback):
            try:
                fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | _FLAGS)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _explained(path, error) from error
            try:
                status = os.fstat(fd)
                _check_plain(path, status)
                if status.st_uid not in trusted:
                    raise MailboxRefused(f"{path} belongs to user {status.st_uid}, who does not serve {name}")
                if status.st_size < 8 + form.size:
                    raise MailboxMissing(f"{path} is not ready: its owner has not given it its size yet")
                return cls(name, form, path, fd, writable)
            except BaseException:
                os.close(fd)
                raise
        raise MailboxMissing(f"there is no mailbox {name}: start the process that owns it first")

    @classmethod
    def wait_for(
        cls,
        name: str,
        form: Format,
        *,
        tries: int = 200,
        pause_s: float = 0.05,
        writable: bool = False,
        places: Places = USUAL_PLACES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> ClientMailbox:
        """Attach, trying `tries` times with a pause while there is none. Raises as `attach`; not for a tick."""
        for _ in range(max(0, tries - 1)):
            try:
                return cls.attach(name, form, writable=writable, places=places)
            except MailboxMissing:
                sleep(pause_s)
        return cls.attach(name, form, writable=writable, places=places)


def _check_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise MailboxRefused(f"{path} is not a plain file of its own; nothing was read or written; remove it")


def _lock(path: Path, fd: int) -> None:
    """The owner holds a lock as long as it lives, so a second one cannot empty the mailbox under it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise MailboxInUse(f"{path} is served by another process; nothing was changed; stop that one first") from error


def _explained(path: Path, error: OSError) -> MailboxError:
    if error.errno == errno.ELOOP:
        return MailboxRefused(f"{path} is a link; nothing was read or written; remove it")
    return MailboxError(f"the mailbox {path} cannot be opened: {error.strerror}")
