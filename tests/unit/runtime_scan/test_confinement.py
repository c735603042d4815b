# SPDX-License-Identifier: Apache-2.0
"""What a native program tries inside the scan process and must not reach, by real C code that reports."""

from __future__ import annotations

import asyncio
from pathlib import Path

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


def test_a_program_cannot_leave_its_process(build: Build) -> None:
    async def scenario() -> object:
        async with plant(build("escape", PERIOD_NS=1_000_000)) as it:
            await it.until(lambda: it.value("FLAG") is True)
            return it.value("REPORT")

    reported = asyncio.run(scenario())
    assert isinstance(reported, int)
    assert [name for number, name in enumerate(ATTEMPTS) if reported >> number & 1] == []
    assert not Path("/tmp/pilotlight-escape").exists()
