# SPDX-License-Identifier: Apache-2.0
"""Whole flights: the order of events, the sensors' view, faults, control, and the same again from the same seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from pilotlight.daemon import SettingsError
from pilotlight.runtime.control.simulator.air import GRAVITY
from pilotlight.runtime.control.simulator.flight import NEUTRAL, Flight, Phase, Servos
from pilotlight.runtime.control.simulator.scenario import (
    Fault,
    FaultKind,
    Launch,
    Recovery,
    Scenario,
    Wind,
    load_scenario,
)
from pilotlight.runtime.control.simulator.sensors import Sample
from pilotlight.runtime.control.simulator.vectors import to_world

SHORT = Scenario(duration_s=4.0)


def fly(
    scenario: Scenario, steer: Callable[[Flight], Servos] | None = None, seconds: float = 1e9
) -> tuple[Flight, list[Sample]]:
    flight = Flight(scenario)
    samples = []
    while not flight.over and flight.phase is not Phase.LANDED and flight.time_s < seconds:
        samples.append(flight.advance(steer(flight) if steer else NEUTRAL, steer is not None))
    return flight, samples


@cache
def whole() -> tuple[Flight, list[Sample]]:
    return fly(Scenario())


def failing(kind: FaultKind, **fields: float) -> list[Sample]:
    return fly(Scenario(faults=(Fault(kind=kind, start_s=0.4, duration_s=0.2, **fields),)), seconds=1.0)[1]


def test_a_flight_goes_through_its_phases_in_order() -> None:
    flight, _ = whole()
    assert flight.phase is Phase.LANDED
    names = [event.name.split(" at")[0] for event in flight.events]
    assert names == ["liftoff", "rail left", "burnout", "apogee", "drogue", "main", "landed"]
    times = [event.time_s for event in flight.events]
    assert times == sorted(times)
    assert 1500 < flight.highest_m < 2500
    assert 200 < flight.fastest_mps < 260
    landing = float(flight.events[-1].name.split()[2])
    assert 3 < landing < 8


def test_the_same_seed_is_the_same_flight_and_another_is_not() -> None:
    assert repr(fly(SHORT)[1]) == repr(fly(SHORT)[1])
    assert fly(SHORT)[0].state == fly(SHORT)[0].state
    assert fly(Scenario(duration_s=4.0, seed=2))[0].state != fly(SHORT)[0].state


def test_on_the_pad_the_sensors_tell_gravity_and_air() -> None:
    _, samples = fly(Scenario(), seconds=1.9)
    for axis, true in ((1, math.sin(math.radians(3.0))), (2, math.cos(math.radians(3.0)))):
        assert statistics.fmean(s.accel[axis] for s in samples) == pytest.approx(
            abs(true) * GRAVITY * (-1 if axis == 1 else 1), abs=0.2
        )
    assert statistics.fmean(s.pressure_pa for s in samples) == pytest.approx(101325, abs=5)
    assert statistics.stdev(s.accel[0] for s in samples) == pytest.approx(0.05, rel=0.2)
    assert statistics.stdev(s.gyro[2] for s in samples) == pytest.approx(0.003, rel=0.2)
    assert len({s.pressure_pa for s in samples}) == pytest.approx(1.9 * 25, abs=2)
    assert all(s.imu_valid and s.baro_valid for s in samples)


def test_thrust_is_felt_and_free_fall_is_not() -> None:
    flight, samples = whole()
    boost = samples[int(2.5 * 250)]
    assert boost.accel[2] == pytest.approx(880 / 7.75, rel=0.05)
    apogee = next(event.time_s for event in flight.events if event.name == "apogee")
    assert max(abs(value) for value in samples[int(apogee * 250)].accel) < 1.5


def test_the_barometer_follows_the_height() -> None:
    flight, samples = whole()
    lowest = min(s.pressure_pa for s in samples)
    height = 44330 * (1 - (lowest / 101325) ** 0.1903)
    assert height == pytest.approx(flight.highest_m, abs=10)


def upright(flight: Flight) -> Servos:
    """Turn the nose up: its lean in body axes and the rates, mixed as the loop mixes them."""
    nose = to_world(flight.state.attitude, (0.0, 0.0, 1.0))
    x, y, _ = flight.state.rates
    roll, pitch = 1.2 * nose[1] - 0.15 * x, -1.2 * nose[0] - 0.15 * y
    return (roll - pitch, -roll - pitch, roll + pitch, -roll + pitch)


def lean(steer: Callable[[Flight], Servos] | None, *faults: Fault) -> float:
    """Degrees from the vertical eight seconds into a windy flight."""
    windy = Scenario(wind=Wind(speed_mps=8.0, gust_mps=0.5), launch=Launch(elevation_deg=85.0), faults=faults)
    return fly(windy, steer, 8.0)[0].tilt_deg


def test_fins_hold_the_nose_up() -> None:
    assert lean(upright) < lean(None) / 3


def test_fins_turned_the_wrong_way_do_not() -> None:
    def wrong(flight: Flight) -> Servos:
        a, b, c, d = upright(flight)
        return (-a, -b, -c, -d)

    assert lean(wrong) > lean(None)


def test_stuck_fins_do_not_help() -> None:
    stuck = [Fault(kind=FaultKind.FIN_STUCK, axis=fin) for fin in range(4)]
    assert lean(upright, *stuck) == lean(None)


def test_without_parachutes_it_comes_down_fast() -> None:
    flight, _ = fly(Scenario(recovery=Recovery(drogue_area_m2=0.0, main_area_m2=0.0)))
    assert [event.name for event in flight.events][-2] == "apogee"
    assert float(flight.events[-1].name.split()[2]) > 60


def test_commands_out_of_range_turn_the_fins_to_the_stop() -> None:
    flight, _ = fly(SHORT, lambda _: (9.0, -9.0, 0.0, 1.0), 0.5)
    assert flight.fins_rad == pytest.approx((0.2, -0.2, 0.0, 0.2), rel=1e-6)


def test_disarmed_servos_stay_in_the_middle() -> None:
    flight = Flight(SHORT)
    flight.advance((1.0, 1.0, 1.0, 1.0), False)
    assert flight.fins_rad == NEUTRAL


def during(samples: list[Sample]) -> list[Sample]:
    return samples[105:145]


def after(samples: list[Sample]) -> list[Sample]:
    return samples[160:]


def test_dropped_samples_are_invalid_only_then() -> None:
    samples = failing(FaultKind.IMU_DROP)
    assert not any(s.imu_valid for s in during(samples))
    assert all(s.imu_valid for s in samples[:98] + after(samples))
    assert not any(s.baro_valid for s in during(failing(FaultKind.BARO_DROP)))


def test_stuck_samples_repeat_and_go_on() -> None:
    samples = failing(FaultKind.IMU_STUCK)
    assert len({(s.accel, s.gyro) for s in during(samples)}) == 1
    assert len({(s.accel, s.gyro) for s in after(samples)}) == len(after(samples))
    assert len({s.pressure_pa for s in during(failing(FaultKind.BARO_STUCK))}) == 1


def test_no_number_and_zero() -> None:
    assert all(math.isnan(s.accel[0]) and math.isnan(s.gyro[2]) for s in during(failing(FaultKind.IMU_NAN)))
    assert all(math.isnan(s.pressure_pa) for s in during(failing(FaultKind.BARO_NAN)))
    assert all(s.accel == s.gyro == (0.0, 0.0, 0.0) for s in during(failing(FaultKind.IMU_ZERO)))


def test_biases_shift_their_axis() -> None:
    clean = during(fly(Scenario(), seconds=1.0)[1])
    for kind, axis in ((FaultKind.ACCEL_BIAS, 1), (FaultKind.GYRO_BIAS, 2)):
        for right, wrong in zip(clean, during(failing(kind, value=0.5, axis=axis)), strict=True):
            shifts = [w - r for r, w in zip((*right.accel, *right.gyro), (*wrong.accel, *wrong.gyro), strict=True)]
            place = axis if kind is FaultKind.ACCEL_BIAS else 3 + axis
            assert shifts == pytest.approx([0.5 if i == place else 0.0 for i in range(6)])
    shifted = during(failing(FaultKind.BARO_BIAS, value=-300.0))
    assert shifted[0].pressure_pa == pytest.approx(clean[0].pressure_pa - 300.0)


def test_a_scenario_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "windy.yaml"
    path.write_text(
        "seed: 7\nwind: {speed_mps: 9}\nrocket:\n  thrust: [[0, 100], [1, 0]]\n"
        "faults:\n  - {kind: imu_stuck, start_s: 6, duration_s: 0.5}\n"
    )
    scenario = load_scenario(path)
    assert scenario.seed == 7
    assert scenario.wind.speed_mps == 9.0
    assert scenario.rocket.thrust == ((0.0, 100.0), (1.0, 0.0))
    assert scenario.faults == (Fault(kind=FaultKind.IMU_STUCK, start_s=6.0, duration_s=0.5),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wnd: {}\n", "did you mean `wind`"),
        ("faults:\n  - {kind: imu_sleepy}\n", "imu_sleepy"),
        ("wind: {speed_mps: 99}\n", "wind.speed_mps"),
        ("rocket: {thrust: [[0, 5], [0, 0]]}\n", "must rise"),
        ("rocket: {thrust: [[0, 0], [1, 0]]}\n", "nothing would fly"),
    ],
)
def test_a_wrong_scenario_is_refused_with_the_place(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=reason):
        load_scenario(path)


def test_a_missing_scenario_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_scenario(tmp_path / "none.yaml")
