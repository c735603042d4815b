# SPDX-License-Identifier: Apache-2.0
"""The system-call filters, run by a small interpreter of the filter language for both machines."""

from __future__ import annotations

import struct

import pytest
from pilotlight.runtime import filters

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | 1, 0x00050000 | 38
REPORTS, PID, IOCTLS = 7, 4321, (0xC010B40E, 0xC010B40F)


def verdict(code: bytes, data: bytes) -> int:
    """What a filter says to a call: only the instructions that filters use."""
    instructions = list(struct.iter_unpack("<HBBI", code))
    accumulator = place = 0
    for _ in range(len(instructions)):
        operation, when_true, when_false, operand = instructions[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x15:
            place += when_true if accumulator == operand else when_false
        else:
            assert operation == 0x06
            return operand
    raise AssertionError("the filter has no end")


class Machine:
    def __init__(self, name: str, rules: filters.Rules) -> None:
        self.name = name
        self.column = list(filters.ARCHITECTURES).index(name)
        self.code = filters.assemble(rules, name)

    def call(self, number: int, *arguments: int, architecture: int | None = None) -> int:
        words = [argument & 0xFFFFFFFFFFFFFFFF for argument in [*arguments, 0, 0, 0, 0, 0, 0][:6]]
        architecture = filters.ARCHITECTURES[self.name] if architecture is None else architecture
        return verdict(self.code, struct.pack("<IIQ6Q", number, architecture, 0, *words))

    def named(self, name: str, *arguments: int) -> int:
        number = filters.NUMBERS[name][self.column]
        assert number is not None
        return self.call(number, *arguments)


@pytest.fixture(params=list(filters.ARCHITECTURES))
def running(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param, filters.running(REPORTS, PID, IOCTLS))


@pytest.fixture(params=list(filters.ARCHITECTURES))
def loading(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param, filters.loading(REPORTS, PID, IOCTLS))


def test_a_running_scan_has_what_it_needs_and_no_more(running: Machine) -> None:
    assert running.named("clock_nanosleep") == running.named("futex") == running.named("exit_group") == ALLOW
    assert running.named("ioctl", 3, IOCTLS[0]) == running.named("ioctl", 3, IOCTLS[1]) == ALLOW
    assert running.named("ioctl", 3, 0x5401) == EPERM
    assert running.named("write", REPORTS) == ALLOW and running.named("write", 2) == EPERM
    assert running.named("tgkill", PID) == ALLOW and running.named("tgkill", 1) == EPERM
    assert running.named("mmap", 0, 4096, 3, 0x22) == ALLOW
    assert running.named("mmap", 0, 4096, 5, 0x22) == EPERM, "executable"
    assert running.named("mmap", 0, 4096, 3, 0x02) == EPERM, "of a file"
    assert running.named("mprotect", 0, 4096, 5) == EPERM
    for name in ("openat", "read", "newfstatat", "seccomp", "sched_setscheduler", "getdents64"):
        assert running.named(name) == EPERM, name
    assert running.named("clone3") == ENOSYS


def test_a_loading_scan_opens_files_for_reading_only(loading: Machine) -> None:
    assert loading.named("openat", -100, 0, 0o2000000) == ALLOW
    for flags in (0o1, 0o2, 0o100, 0o1000, 0o2000, 0o20200000):
        assert loading.named("openat", -100, 0, flags) == EPERM, oct(flags)
    assert loading.named("mmap", 0, 4096, 5, 0x02) == loading.named("mmap", 0, 4096, 3, 0x22) == ALLOW
    assert loading.named("mmap", 0, 4096, 7, 0x22) == loading.named("mprotect", 0, 4096, 6) == EPERM
    assert loading.named("seccomp", 1) == ALLOW and loading.named("seccomp", 0) == EPERM


def test_every_call_that_is_not_listed_is_refused(loading: Machine, running: Machine) -> None:
    for machine, rules in (
        (loading, filters.loading(REPORTS, PID, IOCTLS)),
        (running, filters.running(REPORTS, PID, IOCTLS)),
    ):
        listed = {filters.NUMBERS[name][machine.column] for name in [*rules, "clone3"]}
        assert all(machine.call(number) == EPERM for number in range(600) if number not in listed)


def test_calls_of_another_architecture_end_the_process(running: Machine) -> None:
    assert running.call(0, architecture=0x40000003) == KILL
    assert running.call(0x40000000 | 1, REPORTS) == EPERM, "x32 numbers are not those of the list"


def test_filters_fit_the_kernel() -> None:
    for machine in filters.ARCHITECTURES:
        assert len(filters.assemble(filters.loading(1, 2, IOCTLS), machine)) // 8 <= 4096
    with pytest.raises(ValueError, match="riscv64"):
        filters.assemble({}, "riscv64")
