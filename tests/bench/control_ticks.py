# SPDX-License-Identifier: Apache-2.0
"""What a control tick costs in the package that PYTHONPATH names: `control_ticks.py TICKS` prints form and ns a tick.

A tick is what the loop decides in 4 ms at its usual rates, and the message of its sensors: two samples of motion, the
estimator, the controller, packing with CRC, every fifth time the servos.
"""

from __future__ import annotations

import sys
import time

from pilotlight.runtime.control import tick
from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.samples import MS, BaroSample, ImuSample
from pilotlight.runtime.control.settings import REQUIRED

CONFIG = "".join(f"[{name}]\n" for name in REQUIRED) + "[actuator]\nstart_armed = true\n"
SAMPLES = 97


def main(ticks: int) -> None:
    """Run so many ticks, after a tenth of them to warm up."""
    loop = tick.ControlLoop(read(CONFIG)[0])
    turns = [0.001 * (number % SAMPLES) for number in range(SAMPLES)]
    now, spent = 1_000 * MS, 0
    for number in range(-ticks // 10, ticks):
        turn = turns[number % SAMPLES]
        first = ImuSample(True, now - 2 * MS, turn, 0.1, 9.8, 0.01, turn, 0.02)
        second = ImuSample(True, now, 0.2, turn, 9.8, turn, 0.03, 0.01)
        air = BaroSample(True, now, 101_000.0 + turn, 20.0)
        start = time.thread_time_ns()
        loop.imu_step(first, now)
        loop.imu_step(second, now)
        loop.baro_step(air)
        loop.estimator_step(now)
        loop.control_step(now, 0, None, None).snapshot.pack()
        if number % 5 == 0:
            loop.actuator_step(now, True)
        end = time.thread_time_ns()
        spent += end - start if number >= 0 else 0
        now += 4 * MS
    print("compiled" if tick.__file__.endswith(".so") else "interpreted", spent / ticks)


if __name__ == "__main__":
    main(int(sys.argv[1]))
