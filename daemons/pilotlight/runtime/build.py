# SPDX-License-Identifier: Apache-2.0
"""Builds an upload into a stored program: check, unpack, compile, probe, store.

Nothing of a build is visible outside its own directory until the program is stored; a build that fails at
any step leaves the store, the active program and everything that runs as they were.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from pilotlight.daemon import Busy, DaemonError, Settings
from pilotlight.runtime import archive, check, confine, packages, toolchain
from pilotlight.runtime.matiec import MatiecError, table_source
from pilotlight.runtime.store import EDITOR, OBJECT, UPLOAD, Manifest, ProgramInfo, ProgramStore
from pilotlight.runtime.toolchain import Step

LOG_LINES_MAX = 2000
LINE_MAX = 500
OUTPUT_MAX = 256 << 10
"""Bytes of one command's output that are looked at."""
BUSY = "Runtime is compiling another program, please wait"


class Status(enum.StrEnum):
    """What a build is doing."""

    IDLE = "IDLE"
    UNZIPPING = "UNZIPPING"
    COMPILING = "COMPILING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class BuildSettings(Settings, frozen=True, kw_only=True):
    """Bounds of a build."""

    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 240.0
    memory_mb: Annotated[int, msgspec.Meta(ge=128, le=65536)] = 1024
    """Address space of each compiler process."""
    file_mb: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    """Largest file a compiler may write."""
    jobs: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Compilers at one time; 0: all processors but one."""
    keep: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """Programs kept in the store beside the active one."""


@dataclass
class BuildStatus:
    """The latest build. `log` holds lines with level and newline and only grows; `program` is set on success."""

    status: Status = Status.IDLE
    exit_code: int | None = None
    log: list[str] = field(default_factory=list)
    program: str = ""


class BuildFailed(DaemonError):
    """The upload was not built; the message is the reason. The store and the running program are unchanged."""

    dbus_name = "io.pilotlight.Error.BuildFailed"

    def __init__(self, reason: str, exit_code: int = 1) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Builder:
    """Builds uploads into `store`, one at a time. `on_status` is called in the event loop at every change."""

    def __init__(
        self,
        store: ProgramStore,
        settings: BuildSettings | None = None,
        on_status: Callable[[BuildStatus], None] = lambda status: None,
        scratch: Path | None = None,
    ) -> None:
        self.status = BuildStatus()
        self._store = store
        self._settings = settings or BuildSettings()
        self._on_status = on_status
        self._scratch = scratch or store.scratch
        self._compiler = ""

    @property
    def busy(self) -> bool:
        """Whether a build is under way."""
        return self.status.status in (Status.UNZIPPING, Status.COMPILING)

    async def build(self, zip_fd: int, name: str, user: str) -> ProgramInfo:
        """Build the upload that `zip_fd` is open on; the descriptor stays open and is the caller's.

        `name` is what people call the program, `user` who uploaded it. Raises Busy while another build is
        under way, BuildFailed with the reason; the log has it too.
        """
        if self.busy:
            raise Busy(BUSY)
        self.status = BuildStatus(Status.UNZIPPING)
        self._on_status(self.status)
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._directory() as work:
                info = await self._make(work, zip_fd, name, user)
        except TimeoutError:
            raise self._fail(f"the build took longer than {self._settings.timeout_s:g} s and was ended", 124) from None
        except archive.ArchiveError as error:
            raise self._fail(f"Not a valid PLC Program file: {error}") from None
        except (MatiecError, check.CheckError) as error:
            raise self._fail(f"Not a program this runtime can run: {error}") from None
        except OSError as error:
            raise self._fail(f"File system error: {error.strerror or error}") from None
        except BuildFailed as error:
            raise self._fail(str(error), error.exit_code) from None
        finally:
            if self.busy and sys.exc_info()[0] is not None:
                self._fail("the build was ended from outside")
        self.status.program = info.id
        self._say("[INFO] Compilation finished successfully.", verdict=True)
        self._finish(Status.SUCCESS, 0)
        return info

    async def _make(self, work: Path, zip_fd: int, name: str, user: str) -> ProgramInfo:
        upload = work / UPLOAD
        digest = await asyncio.to_thread(_receive, zip_fd, upload)
        program = toolchain.program_id(digest, await self._toolchain(work))
        if await asyncio.to_thread(self._store.has, program):
            self._say("[INFO] The same program was built before: the stored build is used.")
            return await asyncio.to_thread(self._store.renew, program, name, user)
        package = await asyncio.to_thread(packages.is_package, upload)
        await (self._compile_package(work) if package else self._compile_editor(work))
        self._say("[INFO] Checking the program...")
        description = await check.probe(work / OBJECT)
        manifest = Manifest(
            id=program,
            name=name,
            user=user,
            identity=description.identity,
            period_ns=description.period_ns,
            uploaded=time.time_ns(),
            size=upload.stat().st_size,
            digest=digest,
            dialect=packages.DIALECT if package else EDITOR,
            variables=description.variables,
            cells=description.cells,
            log=tuple(self.status.log),
        )
        info = await asyncio.to_thread(self._store.add, manifest, upload, work / OBJECT)
        await asyncio.to_thread(self._store.prune, self._settings.keep)
        return info

    async def _compile_editor(self, work: Path) -> None:
        """Make the shared object of an Editor's ZIP."""
        report = await asyncio.to_thread(archive.extract, work / UPLOAD, work / "source")
        self._say(f"[INFO] Unpacked {len(report.files)} files, {report.total} bytes.")
        self._enter(Status.COMPILING)
        sources = await asyncio.to_thread(toolchain.read_sources, work / "source")
        if sources.has_python:
            self._say("[WARNING] Function blocks written in Python do not run on this runtime: they stay idle.")
        (work / toolchain.TABLE).write_text(table_source(sources.program))
        await self._run_all(work, toolchain.compile_steps("source", sources.has_blocks))
        await self._run_all(work, [toolchain.link_step(sources.has_blocks, OBJECT)])

    async def _compile_package(self, work: Path) -> None:
        """Make the shared object of a program package."""
        step = packages.translate_step(UPLOAD, "source")
        self._say(f"[INFO] {step.title}")
        code, output = await self._run(work, step)
        if code != 0:
            raise archive.ArchiveError(archive.one_line(output) or f"it cannot be read (exit code {code})")
        self._enter(Status.COMPILING)
        names = [path.name for path in (work / "source").iterdir()]
        sources = packages.sources_of(names)
        await self._run_all(work, packages.compile_steps("source", sources))
        await self._run_all(work, [packages.link_step(sources, OBJECT)])

    async def _toolchain(self, work: Path) -> str:
        """The digest of the tools. The compiler is asked for its version once."""
        if not self._compiler:
            _, output = await self._run(work, Step("", ("gcc", "--version")))
            self._compiler = output
        return toolchain.key(self._compiler, packages.fingerprint())

    async def _run_all(self, work: Path, steps: Sequence[Step]) -> None:
        """Run steps side by side; the first to fail ends the others. Raises BuildFailed."""
        slots = asyncio.Semaphore(self._settings.jobs or max(1, (os.cpu_count() or 1) - 1))

        async def run(step: Step) -> None:
            async with slots:
                self._say(f"[INFO] {step.title}")
                code, output = await self._run(work, step)
            for line in output.splitlines():
                self._add(toolchain.classify(line[:LINE_MAX]))
            self._on_status(self.status)
            if code != 0:
                raise BuildFailed(f"{step.title.rstrip('.')} failed (exit code {code})", code)

        tasks = [asyncio.create_task(run(step)) for step in steps]
        try:
            for task in asyncio.as_completed(tasks):
                await task
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, work: Path, step: Step) -> tuple[int, str]:
        """Exit code and output of one confined command. When this ends, the command's whole session has ended."""
        rules = confine.Rules(
            writable=str(work),
            readable=(str(toolchain.NATIVE), *step.readable),
            memory=self._settings.memory_mb << 20,
            file=self._settings.file_mb << 20,
            cpu=int(self._settings.timeout_s) + 1,
        )
        process = await asyncio.create_subprocess_exec(
            *confine.command(rules, *step.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=work,
            env=confine.environment(work),
            start_new_session=True,
        )
        assert process.stdout is not None
        output = bytearray()
        try:
            while data := await process.stdout.read(1 << 16):
                output += data[: OUTPUT_MAX - len(output)]
            code = await process.wait()
        finally:
            confine.end_session(process.pid)
            await process.wait()
        return (128 - code if code < 0 else code), output.decode("utf-8", "replace").replace(f"{work}/", "")

    @asynccontextmanager
    async def _directory(self) -> AsyncIterator[Path]:
        """An empty directory for one build."""
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700, parents=True)
        try:
            yield self._scratch
        finally:
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    def _say(self, line: str, verdict: bool = False) -> None:
        """Add a line to the log and tell of it. Once the log is full only a verdict is still added."""
        self._add(line, verdict)
        self._on_status(self.status)

    def _add(self, line: str, verdict: bool = False) -> None:
        log = self.status.log
        if verdict or len(log) < LOG_LINES_MAX:
            log.append(line + "\n")
        elif len(log) == LOG_LINES_MAX:
            log.append("[WARNING] The log is full; lines are missing here.\n")

    def _fail(self, reason: str, exit_code: int = 1) -> BuildFailed:
        self._say(f"[ERROR] {reason}", verdict=True)
        self._finish(Status.FAILED, exit_code)
        return BuildFailed(reason, exit_code)

    def _finish(self, status: Status, exit_code: int) -> None:
        self.status.exit_code = exit_code
        self._enter(status)

    def _enter(self, status: Status) -> None:
        self.status.status = status
        self._on_status(self.status)


def _receive(zip_fd: int, target: Path) -> str:
    """Copy an upload from its start, and give its SHA-256. Raises ArchiveError when it is too large."""
    digest, position = hashlib.sha256(), 0
    with target.open("xb") as output:
        while data := os.pread(zip_fd, 1 << 20, position):
            position += len(data)
            if position > archive.LIMITS.archive:
                raise archive.ArchiveError(f"the file has more than {archive.LIMITS.archive} bytes")
            digest.update(data)
            output.write(data)
    return digest.hexdigest()
