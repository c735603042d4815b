# SPDX-License-Identifier: Apache-2.0
"""Starts a board on this machine and stays with it until Ctrl-C."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from image import container, disk, qemu_run
from image.config import load
from image.container import Container
from image.errors import BuildError
from image.progress import progress
from image.root import root_for
from image.steps import BUILD, PROJECT

DATA = BUILD / "container" / "data"
LEADER = BUILD / "container" / "leader"  # process number of the running container's system manager
WEB_TIMEOUT = 60.0  # seconds from a running systemd to the web's first answer
POLL = 0.2  # seconds

FIRST_STEPS = """
Pilotlight runs: {url}

  1. Open the address. The certificate is the device's own, so the browser asks once.
  2. Make the first user. That claims the device; this user is its administrator.
  3. In the OpenPLC Editor: connect to {address}, build and upload a program.
     Without the Editor: docs/dbus.md tells how to hand over a program's ZIP.

  A root shell inside:  ./build-image.sh shell {board}
  There:                pilotlight lines            its digital lines; 'pilotlight lines set start 1' moves one
                        pilotlight tags read '*'    every value it has

Ctrl-C ends it; its settings and programs are kept.
"""


def first_steps(board: str, url: str) -> str:
    """What a person does next."""
    return FIRST_STEPS.format(url=url, board=board, address=url.removeprefix("https://"))


def run(name: str, port: int) -> int:
    """Build a board if need be, start it, and return when it has ended. Raises BuildError."""
    board = load(name)
    refuse_real(name, board.flag("DISK"))
    root = root_for(board)
    if board.flag("DISK"):
        return qemu_run.run(disk.build(board, root), port, lambda url: print(first_steps(name, url), flush=True))
    return run_container(root.path, port)


def refuse_real(name: str, disk: bool) -> None:
    """BuildError for a board that this machine cannot play: it has a disk, and no words for an emulator."""
    if disk and not (PROJECT / "bsp" / name / "qemu").exists():
        raise BuildError(
            f"{name} is hardware: './build-image.sh flash DEVICE {name}' writes its disk. "
            "The same system in an emulated machine: './build-image.sh run qemu-arm64'"
        )


def shell(name: str) -> int:
    """A root shell on a board: in the container (started for it when none runs), or the machine's serial console."""
    leader = running_leader() if name == "container" else None
    if leader is not None:
        return login(leader)
    board = load(name)
    refuse_real(name, board.flag("DISK"))
    if board.flag("DISK"):
        return qemu_run.console(name)
    root = root_for(board)
    with (
        tempfile.TemporaryDirectory(prefix="pilotlight-") as folder,
        Container(Path(folder) / "data", root=root.path) as appliance,
    ):
        progress.say(f"a container for this shell alone; its web is at {appliance.url}")
        return login(appliance.leader)


def run_container(root: Path, port: int) -> int:
    """Start the container, say how to reach it, and stay until Ctrl-C or until it powers itself off."""
    if running_leader() is not None:
        raise BuildError(
            "the container runs already: end that one with Ctrl-C, or enter it with './build-image.sh shell'"
        )
    with progress.step("start the container"):
        appliance = Container(DATA, root=root, port=port)
        appliance.start()
    try:
        LEADER.write_text(f"{appliance.leader} {started(appliance.leader)}\n")
        with progress.step("wait for the web page"):
            up = appliance.wait_for_web(WEB_TIMEOUT)
        if not up:
            progress.say(f"the web does not answer; the end of its journal:\n{journal(appliance)}")
            return 1
        print(first_steps("container", appliance.url), flush=True)
        while appliance.running():
            time.sleep(POLL)
        progress.say("the appliance powered itself off")
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        LEADER.unlink(missing_ok=True)
        with progress.step("power off"):
            appliance.stop()


def journal(appliance: Container) -> str:
    """The last lines of the appliance's journal, or of its console when it is gone."""
    if not appliance.running():
        return appliance.tail()
    return appliance.exec(["journalctl", "--boot", "--no-pager", "--lines=25", "--output=cat"])[1]


def login(leader: int) -> int:
    """An interactive root shell in a container; its exit code."""
    terminal = f"TERM={os.environ.get('TERM', 'linux')}"
    return subprocess.call(container.enter(leader, ["/usr/bin/env", terminal, "/bin/bash", "--login"]))


def running_leader() -> int | None:
    """The process number of the running container's system manager, if one runs."""
    try:
        pid, start = LEADER.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started(int(pid)) == start else None


def started(pid: int) -> str:
    """When a process started, in clock ticks since boot: tells it from a later one of the same number; "" for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
