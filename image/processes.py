# SPDX-License-Identifier: Apache-2.0
"""What /proc tells about processes, and how one ends with another."""

import ctypes
import re
import signal
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1


def field(status: str, name: str) -> list[str]:
    """The words of a field of /proc/<pid>/status; none where it is missing."""
    match = re.search(rf"^{name}:\s*(.*)$", status, re.MULTILINE)
    return match[1].split() if match else []


def statuses() -> dict[int, str]:
    """The status of every process that can be seen."""
    found = {}
    for path in PROC.iterdir():
        if path.name.isdigit():
            try:
                found[int(path.name)] = (path / "status").read_text()
            except OSError:
                continue  # it has ended meanwhile
    return found


def leader(top: int, processes: dict[int, str]) -> int | None:
    """The descendant of process `top` that is PID 1 of a namespace of its own: a container's system manager."""
    parents = {pid: int(parent[0]) for pid, status in processes.items() if (parent := field(status, "PPid"))}
    for pid, status in processes.items():
        seen = field(status, "NSpid")
        if (
            len(seen) > len(field(processes.get(top, ""), "NSpid"))
            and seen[-1] == "1"
            and field(status, "Name") == ["systemd"]
        ):
            above = pid
            while above > 1 and above != top:
                above = parents.get(above, 0)
            if above == top:
                return pid
    return None


def end_with_parent(by: signal.Signals) -> Callable[[], None]:
    """What a new process runs first to be sent a signal when the one that started it ends, however that happens."""
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, by)
