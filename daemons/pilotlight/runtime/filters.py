# SPDX-License-Identifier: Apache-2.0
"""System-call filters of the scan process, assembled as classic BPF for x86_64 and aarch64.

A filter is a list of what is allowed; everything else fails with EPERM, so that foreign code which tries a socket
gets an error and not a signal. Two filters are installed one after the other, and the kernel applies both:

* `loading`: what the dynamic loader needs, files for reading only;
* `running`: what a scan needs. No file can be opened any more.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
EPERM, ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86_64, aarch64)
    "access": (21, None),
    "brk": (12, 214),
    "capset": (126, 91),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone3": (435, 435),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "ioctl": (16, 29),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "mlockall": (151, 230),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "prlimit64": (302, 261),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "restart_syscall": (219, 128),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_setscheduler": (144, 119),
    "sched_yield": (24, 124),
    "seccomp": (317, 277),
    "stat": (4, None),
    "statx": (332, 291),
    "tgkill": (234, 131),
    "write": (1, 64),
}

Test = tuple[int, int, int]
"""(argument, mask, value): holds when `argument & mask == value`, on its low 32 bits."""
Rules = Mapping[str, Sequence[Sequence[Test]]]
"""A call is allowed when all tests of one of its alternatives hold; an empty alternative always holds."""

_ALWAYS: Sequence[Sequence[Test]] = ((),)
_PROT_WRITE, _PROT_EXEC, _MAP_ANONYMOUS = 2, 4, 0x20
_O_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000 | 0o20000000
"""O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND, __O_TMPFILE: none of them may be set."""
_SET_MODE_FILTER = 1


def running(report_fd: int, pid: int, ioctls: Sequence[int]) -> Rules:
    """What a scan needs: sleep, its two line calls, private memory, reports to the supervisor, and its own end."""
    return {
        "clock_nanosleep": _ALWAYS,
        "ioctl": [[(1, 0xFFFFFFFF, number)] for number in ioctls],
        "futex": _ALWAYS,
        "clock_gettime": _ALWAYS,
        "write": [[(0, 0xFFFFFFFF, report_fd)]],
        "munmap": _ALWAYS,
        "mmap": [[(2, _PROT_EXEC, 0), (3, _MAP_ANONYMOUS, _MAP_ANONYMOUS)]],
        "mprotect": [[(2, _PROT_EXEC, 0)]],
        "mremap": _ALWAYS,
        "madvise": _ALWAYS,
        "brk": _ALWAYS,
        "rt_sigreturn": _ALWAYS,
        "rt_sigprocmask": _ALWAYS,
        "restart_syscall": _ALWAYS,
        "nanosleep": _ALWAYS,
        "sched_yield": _ALWAYS,
        "gettimeofday": _ALWAYS,
        "clock_getres": _ALWAYS,
        "getpid": _ALWAYS,
        "gettid": _ALWAYS,
        "getrandom": _ALWAYS,
        "tgkill": [[(0, 0xFFFFFFFF, pid)]],
        "close": _ALWAYS,
        "exit_group": _ALWAYS,
        "exit": _ALWAYS,
    }


def loading(report_fd: int, pid: int, ioctls: Sequence[int]) -> Rules:
    """`running`, and what loading a shared object, becoming real-time and installing `running` needs."""
    read_only = [[(2, _O_WRITING, 0)]]
    not_both: Sequence[Sequence[Test]] = ([(2, _PROT_EXEC, 0)], [(2, _PROT_WRITE, 0)])
    extra: Rules = {
        "openat": read_only,
        "open": [[(1, _O_WRITING, 0)]],
        "mmap": not_both,
        "mprotect": not_both,
        "capset": _ALWAYS,
        "mlockall": _ALWAYS,
        "prlimit64": [[(2, 0xFFFFFFFF, 0)]],
        "sched_setscheduler": _ALWAYS,
        "seccomp": [[(0, 0xFFFFFFFF, _SET_MODE_FILTER)]],
    }
    reading = "access faccessat faccessat2 fstat getcwd getdents64 lseek lstat newfstatat pread64 read readlink"
    more = "readlinkat stat statx"
    return {**running(report_fd, pid, ioctls), **dict.fromkeys(f"{reading} {more}".split(), _ALWAYS), **extra}


def assemble(rules: Rules, machine: str) -> bytes:
    """The filter program for `machine` (x86_64 or aarch64). ValueError for another machine.

    A call of another architecture ends the process. clone3 is answered ENOSYS, so that the C library falls back to
    clone, which is refused.
    """
    if machine not in ARCHITECTURES:
        raise ValueError(f"there is no system-call filter for {machine}")
    column = list(ARCHITECTURES).index(machine)
    code = [
        _instruction(_LOAD, 4),
        _instruction(_EQUAL, ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, 0),
    ]
    for name, alternatives in rules.items():
        number = NUMBERS[name][column]
        if number is not None:
            body = _body(alternatives)
            code += [_instruction(_EQUAL, number, 0, len(body)), *body]
    missing = NUMBERS["clone3"][column]
    code += [_instruction(_EQUAL, missing or 0, 0, 1), _instruction(_RETURN, _ERRNO | ENOSYS)]
    code.append(_instruction(_RETURN, _ERRNO | EPERM))
    return b"".join(code)


def _body(alternatives: Sequence[Sequence[Test]]) -> list[bytes]:
    """Instructions that return for one call; the accumulator holds its number before and is not needed after."""
    body: list[bytes] = []
    for tests in alternatives:
        steps: list[bytes] = []
        for position, (argument, mask, value) in enumerate(tests):
            after = 3 * (len(tests) - position - 1) + 1
            steps += [
                _instruction(_LOAD, 16 + 8 * argument),
                _instruction(_AND, mask),
                _instruction(_EQUAL, value, 0, after),
            ]
        body += [*steps, _instruction(_RETURN, _ALLOW)]
        if not tests:
            return body
    return [*body, _instruction(_RETURN, _ERRNO | EPERM)]


def _instruction(code: int, operand: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when_true, when_false, operand)
