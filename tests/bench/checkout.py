# SPDX-License-Identifier: Apache-2.0
"""A checkout in which the benches of the image build and run, as a person does: through `build-image.sh`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image import web
from image.steps import PROJECT
from tests.support.ports import free_port

LIMIT_S = 3600.0  # for one build
STOP_LIMIT_S = 60.0
TAIL = 2000  # characters of a failed command's output that are shown


class Checkout:
    """A folder with the project; what it says while it builds goes into a file beside it. Needs root."""

    def __init__(self, folder: Path, log: Path) -> None:
        if os.geteuid() != 0:
            raise SystemExit("the benches of the image make root file systems: run them as root")
        self.folder = folder
        self._log = log

    def build(self, board: str) -> float:
        """Build a board; seconds that took. Raises SystemExit with the end of its output."""
        start = time.monotonic()
        with self._log.open("wb") as log:
            done = subprocess.run(
                ["./build-image.sh", "build", board],
                cwd=self.folder, stdout=log, stderr=log, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"{board} could not be built:\n{self._tail()}")
        return time.monotonic() - start

    def until_web(self) -> float:
        """Run the container, and end it; seconds from the command to the web's answer. Raises SystemExit."""
        port = free_port()
        start = time.monotonic()
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for us, who then end it in order. It must hear ours even where this
            # bench runs in the background of a script, which has its children ignore it.
            process = subprocess.Popen(
                ["./build-image.sh", "run", "container", "--port", str(port)],
                cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
        try:
            up = web.wait(port, LIMIT_S, lambda: process.poll() is None)
            seconds = time.monotonic() - start
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
        if not up:
            raise SystemExit(f"the container did not come up:\n{self._tail()}")
        return seconds

    def clean(self, *, downloads: bool = True) -> None:
        """Remove all that was built, and all that was loaded unless `downloads` is false."""
        words = ["./build-image.sh", "clean", *(["all"] if downloads else [])]
        subprocess.run(words, cwd=self.folder, check=True, timeout=LIMIT_S)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-TAIL:]


@contextmanager
def this_checkout() -> Iterator[Checkout]:
    """The checkout that the benches are in, with all that was built in it."""
    with tempfile.TemporaryDirectory() as place:
        yield Checkout(PROJECT, Path(place) / "output")


@contextmanager
def fresh_clone() -> Iterator[Checkout]:
    """A clone of the last commit, with empty caches, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as place:
        folder = Path(place) / "clone"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(folder)], check=True)
        checkout = Checkout(folder, Path(place) / "output")
        try:
            yield checkout
        finally:
            checkout.clean()


def commit() -> str:
    """The last commit, short: what a fresh clone has."""
    words = ["git", "-C", str(PROJECT), "log", "-1", "--format=%h"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
