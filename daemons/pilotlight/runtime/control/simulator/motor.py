# SPDX-License-Identifier: Apache-2.0
"""The motor: thrust, what is burnt of the propellant, and where mass and inertia then are."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

from .scenario import Rocket


class Mass(NamedTuple):
    """Mass in kg, centre in m from the tail, moments of inertia about the centre in kg m^2."""

    mass_kg: float
    centre_m: float
    lateral_kgm2: float
    axial_kgm2: float


class Motor:
    """Thrust over the time since ignition; the propellant goes as the impulse does."""

    def __init__(self, rocket: Rocket) -> None:
        self._rocket = rocket
        self._times = [time for time, _ in rocket.thrust]
        self._forces = [force for _, force in rocket.thrust]
        self._impulses = [0.0]
        for (before, force), (after, next_force) in pairwise(rocket.thrust):
            self._impulses.append(self._impulses[-1] + (after - before) * (force + next_force) / 2)
        self.burn_s = self._times[-1]
        self.impulse_ns = self._impulses[-1]

    def thrust_n(self, burning_s: float) -> float:
        """The thrust so long after ignition; 0 before it and after the burn."""
        if not self._times[0] <= burning_s < self.burn_s:
            return 0.0
        index = bisect_right(self._times, burning_s) - 1
        return self._between(index, burning_s)

    def _between(self, index: int, time: float) -> float:
        share = (time - self._times[index]) / (self._times[index + 1] - self._times[index])
        return self._forces[index] + share * (self._forces[index + 1] - self._forces[index])

    def burnt(self, burning_s: float) -> float:
        """The share of the propellant that is gone, 0 to 1."""
        if burning_s <= self._times[0]:
            return 0.0
        if burning_s >= self.burn_s:
            return 1.0
        index = bisect_right(self._times, burning_s) - 1
        force = (self._forces[index] + self._between(index, burning_s)) / 2
        return (self._impulses[index] + (burning_s - self._times[index]) * force) / self.impulse_ns

    def mass(self, burning_s: float) -> Mass:
        """Of rocket and remaining propellant, which shrinks about its own centre."""
        rocket = self._rocket
        left = rocket.propellant_kg * (1.0 - self.burnt(burning_s))
        total = rocket.dry_mass_kg + left
        centre = (rocket.dry_mass_kg * rocket.dry_centre_m + left * rocket.propellant_centre_m) / total
        lateral = (
            rocket.dry_inertia_lateral_kgm2
            + rocket.dry_mass_kg * (rocket.dry_centre_m - centre) ** 2
            + left * (rocket.propellant_centre_m - centre) ** 2
        )
        return Mass(total, centre, lateral, rocket.dry_inertia_axial_kgm2)
