# SPDX-License-Identifier: Apache-2.0
"""A process becomes real-time, or says in words what it was refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pilotlight.io import realtime

_CHILD = """
import gc, json, os
from pilotlight.io.realtime import become_real_time
refused = become_real_time({priority})
locked = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmLck")][0]
print(json.dumps([refused, os.sched_getscheduler(0), locked, gc.isenabled()]))
"""


@pytest.mark.parametrize("priority", [0, 7])
def test_what_is_not_refused_is_done(priority: int) -> None:
    environment = {"PYTHONPATH": str(Path(realtime.__file__).parents[2])}
    command = [sys.executable, "-c", _CHILD.format(priority=priority)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    refused, policy, locked, collects = json.loads(done.stdout)
    assert not collects
    if priority == 0:
        assert (refused, policy, locked) == ([], os.SCHED_OTHER, 0)
        return
    assert (policy == os.SCHED_FIFO) != any("LimitRTPRIO=" in text for text in refused)
    assert (locked > 0) != any("LimitMEMLOCK=" in text for text in refused)
