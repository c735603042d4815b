# SPDX-License-Identifier: Apache-2.0
"""Loads a newly built program once, in a process of its own, and asks it what it is.

A program that cannot be loaded, crashes in its constructors or while it is initialised, or hangs there, is
found here and not in the scan process. The probe (`python -m pilotlight.runtime.probe`) has the scan's
sandbox and no lines.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path

import msgspec

from pilotlight.runtime import confine
from pilotlight.runtime.native import Variable
from pilotlight.runtime.scantags import LINE_PREFIX, DescriptionError, own_tags, program_tag

TIMEOUT_S = 10.0
OUTPUT_MAX = 32 << 20
PERIOD_MIN_NS, PERIOD_MAX_NS = 100_000, 3_600_000_000_000

_IDENTITY = re.compile("[0-9a-fA-F]{32}")
_RESERVED = {tag.name for tag in own_tags((), ())}
_STAGES = {"load": "while it is loaded", "initialise": "while its variables get their first values"}


class VariableInfo(msgspec.Struct, frozen=True):
    """A variable as the program describes it; `type` and `flags` are the codes of tags.Type and tags.Flags."""

    name: str
    type: int
    size: int
    flags: int


class Description(msgspec.Struct, frozen=True):
    """What the program says of itself."""

    identity: str
    period_ns: int
    variables: tuple[VariableInfo, ...]
    cells: int = 0
    """Cells that an online change carries over; 0 when the program cannot be changed online."""


class CheckError(Exception):
    """The program is not one that the scan may load. The text is one sentence."""


class _Output(msgspec.Struct, frozen=True):
    """The last line of the probe: one of the two."""

    description: Description | None = None
    error: str = ""


async def probe(path: Path, timeout_s: float = TIMEOUT_S) -> Description:
    """Load the shared object `path` in a sandbox and describe it. Raises CheckError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-s", "-P", "-m", "pilotlight.runtime.probe", str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=confine.environment(path.parent),
        start_new_session=True,
    )
    assert process.stdout is not None
    output = bytearray()
    ended = False
    try:
        async with asyncio.timeout(timeout_s):
            while data := await process.stdout.read(1 << 16):
                output += data
                if len(output) > OUTPUT_MAX:
                    raise CheckError("its description is too long")
            await process.wait()
            ended = True
    except TimeoutError:
        raise CheckError(f"it did not end within {timeout_s:g} s {_stage(output)}") from None
    finally:
        if not ended:
            confine.end_session(process.pid)
            await process.wait()
    return judge(bytes(output), process.returncode or 0)


def judge(output: bytes, code: int) -> Description:
    """What the probe's output and exit code mean. Raises CheckError."""
    if code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        raise CheckError(f"it crashes {_stage(output)} ({name.lower()})")
    try:
        result = msgspec.json.decode(output.rsplit(b"\n", 1)[-1], type=_Output)
    except msgspec.MsgspecError:
        raise CheckError(f"it ends the process {_stage(output)} (exit code {code})") from None
    if result.description is None:
        raise CheckError(result.error or "it gives no description")
    _check_description(result.description)
    return result.description


def _check_description(description: Description) -> None:
    """Refuse what the scan could not publish or run."""
    if not PERIOD_MIN_NS <= description.period_ns <= PERIOD_MAX_NS:
        raise CheckError(f"its task runs every {description.period_ns} ns; possible are 100 µs to 1 hour")
    if _IDENTITY.fullmatch(description.identity) is None:
        raise CheckError("its identity is not 32 hexadecimal digits")
    names = set()
    for found in description.variables:
        try:
            program_tag(Variable(found.name, found.type, found.size, found.flags))
        except DescriptionError as error:
            raise CheckError(str(error)) from None
        if found.name in _RESERVED or found.name.startswith(LINE_PREFIX):
            raise CheckError(f"a variable is called {found.name!r}, which is a tag of the runtime: rename it")
        if found.name in names:
            raise CheckError(f"two variables are called {found.name!r}")
        names.add(found.name)


def _stage(output: bytes | bytearray) -> str:
    stages = bytes(output[:64]).decode("ascii", "replace").split("\n")[:-1]
    return _STAGES.get(stages[-1] if stages else "", "before it was loaded")
