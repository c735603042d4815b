# SPDX-License-Identifier: Apache-2.0
"""What a native program tries inside the scan process and must not reach, by real C code that reports its errno."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from tests.unit.runtime_scan.support import Build, plant

ATTEMPTS = [
    "internet socket",
    "unix socket",
    "fork",
    "exec",
    "open for reading",
    "create a file",
    "kill the supervisor",
    "ptrace the supervisor",
    "start a thread",
    "setuid",
    "writable and executable memory",
    "write to stderr",
    "open its own memory",
    "unlink",
    "memfd",
    "read the supervisor's memory",
    "io_uring",
    "prctl",
    "change its scheduling",
    "chdir",
    "unshare",
    "bpf",
    "keyctl",
]


@pytest.mark.parametrize("number", range(len(ATTEMPTS)), ids=ATTEMPTS)
def test_a_program_cannot(build: Build, number: int) -> None:
    async def scenario() -> object:
        async with plant(build("escape", TRY=number)) as it:
            await it.until(lambda: it.outputs()[0])
            return it.value("REPORT")

    code = asyncio.run(scenario())
    assert code in (errno.EPERM, errno.EACCES), f"{ATTEMPTS[number]}: {code} (1000 is success)"
    assert not Path("/tmp/pilotlight-escape").exists()
