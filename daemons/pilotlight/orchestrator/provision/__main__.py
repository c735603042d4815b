# SPDX-License-Identifier: Apache-2.0
"""Run by ``pilotlight-provision.service`` before anything else starts, when there is a provisioning file."""

from __future__ import annotations

import datetime
import os
import sys
from contextlib import closing
from pathlib import Path

from pilotlight.daemon import logger

from . import plan
from .judge import Facts
from .name import take_name
from .steps import FILE, Provisioning

SSH_SERVER = Path("/usr/sbin/sshd")

log = logger("provision")


def hash_password(password: str) -> str:
    """As the web daemon hashes passwords."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(password)


def claimed(database: Path) -> bool:
    """Whether the web daemon has a user; a database that cannot be read counts as one that has."""
    import sqlite3

    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5.0)) as users:
            return bool(users.execute("SELECT EXISTS (SELECT 1 FROM users)").fetchone()[0])
    except sqlite3.Error:
        return True


def main() -> int:
    """Provision; returns 1 when a disk refused, and the next start tries again."""
    boot = Path(os.environ.get("PILOTLIGHT_BOOT_CONFIG", "/boot/config"))
    data = Path(os.environ.get("PILOTLIGHT_DATA", "/data"))
    users = data / "pilotlight/web/users.db"
    facts = Facts(lambda zone: (Path(plan.ZONES) / zone).is_file(), SSH_SERVER.exists(), claimed(users))
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC by its own clock")
    try:
        record = Provisioning(boot, data, facts, hash_password).run(when)
        take_name(data)
    except OSError as error:
        log.error(
            f"{FILE} was not carried out: {error}. The device runs with what it had; the next start tries again.",
            event="provision-failed",
        )
        return 1
    if record is not None:
        log.info(" ".join(record.report.split("\n")), event="provision")
    return 0


if __name__ == "__main__":
    sys.exit(main())
