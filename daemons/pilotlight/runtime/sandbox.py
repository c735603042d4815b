# SPDX-License-Identifier: Apache-2.0
"""What the scan process gives up, for good, before foreign code runs in it.

No new privileges, no capabilities, bounded resources, no files but what loading needs (Landlock, where the kernel has
it), and two system-call filters (`filters`). Each step raises OSError when the kernel refuses it; only Landlock may be
missing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from pilotlight.runtime import filters

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_NAME, _PR_SET_DUMPABLE = 1, 38, 15, 4
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_READ = 0b1100
"""LANDLOCK_ACCESS_FS_READ_FILE and LANDLOCK_ACCESS_FS_READ_DIR."""
_LANDLOCK_RUN = _LANDLOCK_READ | 0b1
"""… and LANDLOCK_ACCESS_FS_EXECUTE."""
_LANDLOCK_WRITE = _LANDLOCK_READ | 0b110_0001_1011_0010
"""… and WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, REFER, TRUNCATE."""
_LANDLOCK_OF_FILES = 0b100_0000_0000_0111
"""What can be allowed on a file: EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE."""
_LANDLOCK_FS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many kinds of file access each version of Landlock knows; all of them are taken away."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_CAP_IPC_LOCK, _CAP_SYS_NICE = 1 << 14, 1 << 23

_MACHINE = os.uname().machine

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def end_with_parent(parent: int, signal: int) -> None:
    """Get `signal` when the parent thread ends. ProcessLookupError when process `parent` has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        raise ProcessLookupError("the supervisor ended before the scan process had started")


def name_process(name: str) -> None:
    """Show as `name` (15 characters at most) in process lists."""
    _prctl(_PR_SET_NAME, ctypes.create_string_buffer(name.encode()[:15] + b"\0"))


def limit(memory: int, cpu_us: int) -> None:
    """Bound address space to `memory` bytes and a real-time burst to `cpu_us`; no core, no file, no child."""
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_AS, memory),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    rttime: int = getattr(resource, "RLIMIT_RTTIME", 15)
    resource.setrlimit(rttime, (cpu_us, cpu_us))


def give_up_privileges() -> int:
    """No new privileges for this process, and no capability but, of those it has, the two that make it real-time.

    Returns these as a mask for `give_up_capabilities`.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    had = _capabilities()
    kept = had & (_CAP_IPC_LOCK | _CAP_SYS_NICE)
    if had != kept:
        _set_capabilities(kept)
    return kept


def give_up_capabilities(kept: int) -> None:
    """Give up the capabilities `kept` too."""
    if kept:
        _set_capabilities(0)


def restrict_files(readable: Iterable[Path], runnable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> bool:
    """Leave only reading of `readable` files and trees, reading and running of `runnable` ones, and everything but
    running and special files in `writable` ones; False when the kernel has no Landlock."""
    try:
        version = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return False
    kinds = _LANDLOCK_FS.get(version, 16)
    wanted = struct.pack("<Q", (1 << kinds) - 1)
    if version >= 4:
        wanted += struct.pack("<Q", 0b11)
    if version >= 6:
        wanted += struct.pack("<Q", 0b11)
    rules = _syscall(_LANDLOCK_CREATE, wanted, len(wanted), 0)
    try:
        for paths, allowed in ((readable, _LANDLOCK_READ), (runnable, _LANDLOCK_RUN), (writable, _LANDLOCK_WRITE)):
            for path in paths:
                _allow(rules, path, allowed & (1 << kinds) - 1)
        _syscall(_LANDLOCK_RESTRICT, rules, 0)
    finally:
        os.close(rules)
    return True


def install(rules: filters.Rules) -> None:
    """Install a system-call filter on top of those there are. OSError when refused."""
    install_code(filters.assemble(rules, _MACHINE))


def install_code(code: bytes) -> None:
    """Install an assembled system-call filter on top of those there are. OSError when refused."""
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    _syscall(_SECCOMP[_MACHINE], 1, 0, program)


def _allow(rules: int, path: Path, kinds: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            kinds &= _LANDLOCK_OF_FILES
        _syscall(_LANDLOCK_ADD, rules, 1, struct.pack("<Qi", kinds, place), 0)
    finally:
        os.close(place)


def _set_capabilities(mask: int) -> None:
    """Have these capabilities (all below number 32), permitted and effective, and no other."""
    header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
    _syscall(_CAPSET[_MACHINE], header, struct.pack("<6I", mask, mask, 0, 0, 0, 0))


def _capabilities() -> int:
    """The permitted capabilities of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def _prctl(*arguments: int | ctypes.Array[ctypes.c_char]) -> None:
    padded: Sequence[int | ctypes.Array[ctypes.c_char]] = [*arguments, 0, 0, 0, 0][:5]
    values = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in padded]
    if _libc.prctl(*values) != 0:
        raise _error("prctl")


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *values)
    if result < 0:
        raise _error(f"system call {number}")
    return result


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
