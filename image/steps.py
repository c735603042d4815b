# SPDX-License-Identifier: Apache-2.0
"""Steps of the build: each makes one file or tree from stated inputs, and is skipped while these stay the same.

    root = step("packages amd64", inputs=[tools, "amd64", Path("packages")], output=BUILD / "x", make=make_it)

`make(target, log)` makes `target` (a temporary name beside `output`), which then replaces `output`. What it runs goes
through `log.run`, so that a failed step can name a file with all of its output.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from image.errors import BuildError
from image.progress import progress

PROJECT = Path(__file__).resolve().parent.parent
BUILD = PROJECT / "build"
CACHE = BUILD / "cache"
LOGS = BUILD / "logs"

TAIL = 15  # lines of a failed step's log that are shown


@dataclass(frozen=True)
class Artefact:
    """Something a step made: where it is, and the key of everything it was made from."""

    path: Path
    key: str


Input = str | int | bool | None | Path | Artefact | Sequence["Input"] | Mapping[str, "Input"]


class Log:
    """The log of one running step; every command of the step writes into it."""

    def __init__(self, name: str, path: Path, stream: IO[bytes]) -> None:
        self.name = name
        self.path = path
        self._stream = stream

    def write(self, text: str) -> None:
        """Add a line of our own."""
        self._stream.write(text.encode() + b"\n")
        self._stream.flush()
        progress.note(self.name, text)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> None:
        """Run a command with its output in the log; `env` adds to the environment. Raises BuildError when it fails."""
        words = [str(word) for word in argv]
        self.write("+ " + " ".join(words))
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**inherited(), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(stdin.encode())
            process.stdin.close()
            for line in process.stdout:
                self._stream.write(line)
                progress.note(self.name, line.decode(errors="replace").strip())
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self._stream.flush()
        if code != 0:
            raise BuildError(f"{words[0]} ended with exit code {code}")

    def output(
        self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run a command and return what it printed; its complaints go into the log."""
        words = [str(word) for word in argv]
        self.write("+ " + " ".join(words))
        self._stream.flush()
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**inherited(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stream,
            check=False,
        )
        if done.returncode != 0:
            self._stream.write(done.stdout)
            self._stream.flush()
            raise BuildError(f"{words[0]} ended with exit code {done.returncode}")
        return done.stdout.decode()


def inherited() -> dict[str, str]:
    """What a command of a step gets of this program's environment.

    Not the time of the build: programs understand it in ways of their own, and are told the time in words instead.
    """
    return {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}


def key_of(value: Input) -> str:
    """A digest that changes when any of the values, the named files' contents or their modes change.

    A path stands for what it holds: a file, a link, or a whole tree (without `__pycache__`). A missing path has a
    key of its own.
    """
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(value: Input) -> Iterator[bytes]:
    if isinstance(value, Artefact):
        yield b"artefact:" + value.key.encode()
    elif isinstance(value, Path):
        yield from _path_parts(value, value.name)
    elif isinstance(value, Mapping):
        yield b"map:%d" % len(value)
        for name in sorted(value):
            yield name.encode()
            yield from _parts(value[name])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield b"list:%d" % len(value)
        for item in value:
            yield from _parts(item)
    else:
        yield f"{type(value).__name__}:{value}".encode()


def _path_parts(path: Path, name: str) -> Iterator[bytes]:
    if path.is_symlink():
        yield f"link:{name}:{path.readlink()}".encode()
    elif path.is_file():
        mode = "x" if path.stat().st_mode & 0o111 else "-"
        yield f"file:{name}:{mode}:".encode() + hashlib.sha256(path.read_bytes()).digest()
    elif path.is_dir():
        yield f"dir:{name}".encode()
        for child in sorted(path.iterdir()):
            if child.name != "__pycache__":
                yield from _path_parts(child, f"{name}/{child.name}")
    else:
        yield f"missing:{name}".encode()


def step(name: str, *, inputs: Iterable[Input], output: Path, make: Callable[[Path, Log], None]) -> Artefact:
    """Make `output` unless the one that is there was made from the same inputs.

    A second build of the same output in another process waits for the first. Raises BuildError with the name of the
    log and its last lines; then the previous output, if any, is still there.
    """
    key = key_of([name, *inputs])
    stamp = output.with_name(output.name + ".key")
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked(output):
        if output.exists() and stamp.exists() and stamp.read_text() == key:
            return Artefact(output, key)
        target = output.with_name(output.name + ".new")
        remove(target)
        try:
            run_step(name, lambda log: make(target, log))
        except BaseException:
            remove(target)
            raise
        stamp.unlink(missing_ok=True)
        retire(output)
        target.rename(output)
        stamp.write_text(key)
    return Artefact(output, key)


def run_step(name: str, work: Callable[[Log], None]) -> None:
    """Do some work with progress and a log. Raises BuildError with the log's name and its last lines."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / (re.sub(r"[^\w.]+", "-", name) + ".log")
    with path.open("wb") as stream, progress.step(name):
        try:
            work(Log(name, path, stream))
        except BuildError as error:
            stream.flush()
            raise BuildError(_failure(name, str(error), path)) from error


def _failure(name: str, reason: str, log: Path) -> str:
    tail = log.read_text(errors="replace").splitlines()[-TAIL:]
    return "\n".join([f"step '{name}' failed: {reason}", *(f"    {line}" for line in tail), f"the whole log: {log}"])


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep other threads and processes from making the same thing until the block ends."""
    with output.with_name(output.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def in_use(tree: Path) -> Iterator[None]:
    """Keep a tree that a step made from being removed until the block ends, even when a newer one takes its name."""
    descriptor = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def retire(output: Path) -> None:
    """Remove what a newer one replaces, and older ones put aside; put aside what is in use."""
    for old in [output, *output.parent.glob(output.name + ".used-*")]:
        if not old.is_dir() or old.is_symlink():
            remove(old)
            continue
        descriptor = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(old)
        except BlockingIOError:
            if old == output:
                old.rename(old.with_name(f"{old.name}.used-{time.time_ns()}"))
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a tree, or nothing; refuses to cross into another file system."""
    if path.is_dir() and not path.is_symlink():
        device = path.stat().st_dev
        for directory, names, _ in os.walk(path):
            for name in names:
                if (Path(directory) / name).lstat().st_dev != device:
                    raise BuildError(f"{directory}/{name} is a mount point: unmount it, then build again")
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
