# SPDX-License-Identifier: Apache-2.0
"""How a process becomes real-time: no garbage collected, memory locked, SCHED_FIFO."""

from __future__ import annotations

import ctypes
import gc
import os
import resource

_MCL_CURRENT, _MCL_FUTURE = 1, 2


def become_real_time(priority: int) -> list[str]:
    """Collect no garbage, lock memory, be SCHED_FIFO with `priority`; 0 or less leaves the last two as they are.

    What was refused, a sentence each for people.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    if priority <= 0:
        return []
    refused = []
    try:
        _lock_memory()
    except OSError as error:
        refused.append(f"memory is not locked, a step may wait for a page: {error}; check LimitMEMLOCK=")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError as error:
        text = f"real-time priority {priority} is refused, steps may be late: {error.strerror}; check LimitRTPRIO="
        refused.append(text)
    return refused


def _lock_memory() -> None:
    """Keep all memory resident, future memory too where its limit allows. OSError when the limit is too low.

    What start-up used and freed is given back first: locked, it would stay for good.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    future = _MCL_FUTURE if soft == resource.RLIM_INFINITY else 0
    if libc.mlockall(_MCL_CURRENT | future) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mlockall: {os.strerror(number)}")
