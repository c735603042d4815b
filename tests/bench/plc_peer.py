# SPDX-License-Identifier: Apache-2.0
"""Run by a Python that has the peer: `plc_peer.py RUNGS SECONDS` prints scans a second of CPU, inputs changing."""

import sys
import time

import plc_ladder
import pyrung


def main() -> None:
    rungs, seconds = int(sys.argv[1]), float(sys.argv[2])
    runner = pyrung.PLC(plc_ladder.ladder(pyrung, rungs), dt=0.010)
    scans, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        runner.patch(plc_ladder.pattern(scans))
        runner.step()
        scans += 1
    print(scans / (time.process_time() - start))


main()
