# SPDX-License-Identifier: Apache-2.0
"""The first user that provisioning asked for: taken once, and only by a device that has none."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pilotlight.daemon import logger
from pilotlight.web.users import AlreadyClaimed, StoreUnreadable, UserStore

FILE = "first-admin.json"

log = logger("web")


class FirstAdmin(msgspec.Struct, frozen=True):
    """What provisioning leaves; ``password`` is the hash of one."""

    name: str
    password: str
    hashed: bool


def take(folder: Path, users: UserStore) -> bool:
    """Make the user of the file in ``folder``, if there is one, and remove the file. Whether a user was made.

    A power cut in between does no harm: the device has its user by then, and the file goes at the next start.
    """
    path = folder / FILE
    try:
        wanted = msgspec.json.decode(path.read_bytes(), type=FirstAdmin)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.MsgspecError) as error:
        log.error(f"{path} cannot be used ({error}); the device is claimed in the browser", event="web-first-admin")
        path.unlink(missing_ok=True)
        return False
    try:
        users.claim(wanted.name, wanted.password)
    except StoreUnreadable:
        return False  # kept for when the store works again
    except AlreadyClaimed:
        log.warning("provisioning asked for a first user; the device has one already", event="web-first-admin")
        made = False
    else:
        log.info(f"made the first user {wanted.name}, as provisioning asked", event="web-first-admin", user=wanted.name)
        made = True
    path.unlink()
    return made
