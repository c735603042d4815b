# SPDX-License-Identifier: Apache-2.0
"""Runs one command of a build where it can do no harm: `python -m pilotlight.runtime.confine <rules> <command…>`.

The command reads the system's programs and libraries and what the rules name, writes one directory, has no network,
cannot signal, trace or leave its session, is bounded in memory, processor time and the size of a file, and gives way
to everything else that wants to run. A source that includes a file of the device gets "permission denied" from the
compiler.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from pilotlight.runtime import sandbox
from pilotlight.runtime.filters import ARCHITECTURES

SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
LOADER_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives")

_REFUSED = {
    # name: (x86_64, aarch64)
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class Rules:
    """What a command may do. Sizes are bytes, `cpu` is seconds of processor time."""

    writable: str
    readable: tuple[str, ...]
    memory: int
    file: int
    cpu: int
    processes: int = 4096

    def encode(self) -> str:
        """The form in which the rules pass a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Rules:
        """The rules of a command line."""
        fields = json.loads(text)
        return cls(**{**fields, "readable": tuple(fields["readable"])})


def command(rules: Rules, *arguments: str) -> list[str]:
    """The command line that runs `arguments` under `rules`."""
    return [sys.executable, "-S", "-s", "-P", "-m", __name__, rules.encode(), *arguments]


def environment(scratch: Path) -> dict[str, str]:
    """The whole environment of a command: nothing of the daemon's own."""
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def end_session(leader: int) -> None:
    """Kill what is left of the process group that a command was started as; nothing when it is gone."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def refusals(machine: str) -> bytes:
    """A system-call filter that fails the refused calls with EPERM and lets all others pass."""
    column = list(ARCHITECTURES).index(machine)
    numbers = [pair[column] for pair in _REFUSED.values()]
    code = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, len(numbers) + 1, 0, _X32),
    ]
    code += [(_EQUAL, len(numbers) - position, 0, number) for position, number in enumerate(numbers)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("<HBBI", *step) for step in code)


def apply(rules: Rules) -> None:
    """Give up, in this process and for good, everything the rules do not grant. OSError when the kernel refuses."""
    for kind, value in (
        (resource.RLIMIT_AS, rules.memory),
        (resource.RLIMIT_FSIZE, rules.file),
        (resource.RLIMIT_CPU, rules.cpu),
        (resource.RLIMIT_NPROC, rules.processes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    os.nice(19)
    sandbox.give_up_privileges()
    confined = sandbox.restrict_files(
        [Path(path) for path in (*LOADER_FILES, *rules.readable)],
        [Path(path) for path in SYSTEM],
        [Path(rules.writable), Path("/dev/null")],
    )
    if not confined:
        print("warning: this kernel has no Landlock; the build can read what the runtime's user can", file=sys.stderr)
    sandbox.install_code(refusals(os.uname().machine))


def main(arguments: list[str]) -> int:
    """Apply the rules and become the command."""
    apply(Rules.decode(arguments[0]))
    try:
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        print(f"error: {arguments[1]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
