# SPDX-License-Identifier: Apache-2.0
"""Real-time scheduling and locked memory for the igniter's children."""

from __future__ import annotations

import ctypes
import gc
import os

_CURRENT_AND_FUTURE = 3


def become_real_time(priority: int) -> str:
    """Collect no garbage, lock memory, be SCHED_FIFO with `priority`; 0 leaves the scheduling as it is.

    What was refused, as a sentence for people; empty when nothing was.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    if not priority:
        return ""
    refused = []
    if ctypes.CDLL(None, use_errno=True).mlockall(_CURRENT_AND_FUTURE):
        refused.append(f"memory is not locked ({os.strerror(ctypes.get_errno())}); check LimitMEMLOCK=")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError as error:
        refused.append(f"real-time priority {priority} is refused ({error.strerror}); check LimitRTPRIO=")
    return "; ".join(refused)
