# SPDX-License-Identifier: Apache-2.0
"""C to a shared object, by gcc, with bounds; what was built before is taken from the user's cache.

The cache is `$XDG_CACHE_HOME/pilotlight/plc` (by default in `~/.cache`), at most `KEPT` files. A name there is the
digest of all that decides what gcc makes, so a file is never stale.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SUPPORT = Path(__file__).parent
"""Where the support headers are."""
KEPT = 64
ABANDONED_S = 3600
"""Age of a working folder that no build can still use."""
OUTPUT_MAX = 16 << 10
"""Characters of gcc's output that an error quotes."""

_MATHEMATICS = ("sin", "cos", "tan", "asin", "acos", "atan", "log", "log10", "pow")
FLAGS = (
    *("-O2", "-std=c11", "-fPIC", "-fvisibility=hidden", "-w", "-pipe"),
    *("-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv", "-fno-math-errno", "-fno-trapping-math"),
    *(f"-fno-builtin-{name}" for name in _MATHEMATICS),
    *("-fmax-errors=20", "-fdiagnostics-color=never"),
)
"""No contraction and no mathematics of the compiler's own: each machine gives the bits of its interpreter."""
LINK = ("-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs,-z,now,-z,relro,-z,noexecstack")


class BuildError(Exception):
    """There is no native program; the interpreter runs the same one. The message says why, with gcc's words."""


class CompilerMissing(BuildError):
    """This machine has no C compiler."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a build."""

    seconds: float = 240.0
    """For all of it."""
    memory_mb: int = 2048
    """Address space of each process."""
    file_mb: int = 64
    """Largest file that a process writes."""
    jobs: int = 0
    """Compilers at one time; 0: one a processor."""


def cache_folder() -> Path:
    """Where shared objects are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "pilotlight/plc"


def compiler() -> str:
    """The path of the C compiler; raises CompilerMissing."""
    found = shutil.which("gcc")
    if found is None:
        raise CompilerMissing(
            "there is no gcc on this machine, so programs are not built; they run in the interpreter. "
            "Install the package gcc for native speed."
        )
    return found


@lru_cache(maxsize=4)
def _identity(path: str) -> str:
    """What tells one compiler from another."""
    output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    return f"{path} {platform.machine()} {output}"


@lru_cache(maxsize=1)
def _support() -> bytes:
    digest = hashlib.sha256()
    for path in sorted([*SUPPORT.glob("*.h"), *SUPPORT.glob("*.c")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()


def key(files: Mapping[str, str], options: Sequence[str] = ()) -> str:
    """The digest of everything that decides what a build gives; raises CompilerMissing."""
    digest = hashlib.sha256(repr((_identity(compiler()), FLAGS, LINK, tuple(options), sorted(files.items()))).encode())
    digest.update(_support())
    return digest.hexdigest()[:32]


def build(
    files: Mapping[str, str], *, support: Sequence[str] = ("plc_host.c",), flags: Sequence[str] = (),
    limits: Limits | None = None, cache: Path | None = None,
) -> Path:  # fmt: skip
    """The shared object of these sources, by file name, and of the sources `support` of this folder.

    Raises CompilerMissing, or BuildError when gcc fails or goes beyond `limits`; the cache is then unchanged.
    """
    folder = cache or cache_folder()
    result = folder / f"{key(files, (*support, *flags))}.so"
    if result.exists():
        os.utime(result)
        return result
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as work:
            made = _make(Path(work), files, support, flags, limits or Limits())
            made.replace(result)
        _prune(folder)
    except OSError as error:
        raise BuildError(f"the native program cannot be kept in {folder}: {error.strerror or error}") from error
    return result


def _make(
    work: Path, files: Mapping[str, str], support: Sequence[str], flags: Sequence[str], limits: Limits
) -> Path:
    for name, text in files.items():
        (work / name).write_text(text)
    sources = [work / name for name in files if name.endswith(".c")] + [SUPPORT / name for name in support]
    objects = [work / f"{path.stem}.o" for path in sources]
    common = (compiler(), *FLAGS, *flags, "-I", str(work), "-I", str(SUPPORT))
    deadline = time.monotonic() + limits.seconds
    _run_all(
        work,
        [(*common, "-c", str(path), "-o", str(made)) for path, made in zip(sources, objects, strict=True)],
        limits,
        deadline,
    )
    made = work / "program.so"
    _run_all(work, [(compiler(), *LINK, "-o", str(made), *map(str, objects), "-lm")], limits, deadline)
    return made


def _run_all(work: Path, commands: Sequence[tuple[str, ...]], limits: Limits, deadline: float) -> None:
    """Run commands, a few at a time; the first to fail ends the others."""
    waiting, running = list(reversed(commands)), list[subprocess.Popen[bytes]]()
    outputs: dict[int, Path] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (limits.jobs or os.cpu_count() or 1):
                output = work / f"output-{len(waiting)}"
                running.append(_start(waiting.pop(), output, limits))
                outputs[running[-1].pid] = output
            process = running[0]
            try:
                code = process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                raise BuildError(f"the build took longer than {limits.seconds:g} s and was ended") from None
            running.remove(process)
            if code != 0:
                with outputs[process.pid].open(errors="replace") as file:
                    text = file.read(OUTPUT_MAX).replace(f"{work}/", "").strip()
                raise BuildError(f"gcc failed (exit code {code}):\n{text}")
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start(command: tuple[str, ...], output: Path, limits: Limits) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, within the limits that a process inherits."""
    kilobytes, blocks = str(limits.memory_mb << 10), str(limits.file_mb << 11)
    script = 'ulimit -c 0 && ulimit -v "$0" && ulimit -f "$1" && shift && exec "$@"'
    with output.open("wb") as file:
        return subprocess.Popen(
            ["/bin/sh", "-c", script, kilobytes, blocks, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TMPDIR": str(output.parent)},
            start_new_session=True,
        )


def _prune(folder: Path) -> None:
    """Remove all but the files used last, and what builds that were killed have left."""
    files = sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
    for work in folder.glob("build-*"):
        if work.stat().st_mtime < time.time() - ABANDONED_S:
            shutil.rmtree(work, ignore_errors=True)
