# SPDX-License-Identifier: Apache-2.0
"""What is kept of a flight to look at afterwards: points at even times, the events, and a CSV file of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from .flight import Flight, Servos
from .vectors import length

MOST_POINTS = 2000


class Point(NamedTuple):
    """The flight at one time: s, m over the pad, m/s, degrees from the vertical, m/s^2 along the nose, commands."""

    time_s: float
    height_m: float
    climb_mps: float
    speed_mps: float
    tilt_deg: float
    felt_mps2: float
    east_m: float
    north_m: float
    servo_0: float
    servo_1: float
    servo_2: float
    servo_3: float


class Trace:
    """Collects points; when there are too many, every second one is forgotten and from then on half as many taken."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._every = 1
        self._calls = 0

    def watch(self, flight: Flight, servos: Servos) -> None:
        """Look at the flight after a step."""
        if self._calls % self._every == 0:
            state = flight.state
            east, north, height = state.position
            speeds = (state.velocity[2], length(state.velocity))
            self.points.append(
                Point(flight.time_s, height, *speeds, flight.tilt_deg, flight.force[2], east, north, *servos)
            )
            if len(self.points) > MOST_POINTS:
                self.points = self.points[::2]
                self._every *= 2
        self._calls += 1

    def save(self, path: Path) -> None:
        """Write the points as CSV. Raises OSError."""
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(Point._fields)
            out.writerows([f"{value:.6g}" for value in point] for point in self.points)
