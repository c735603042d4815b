# SPDX-License-Identifier: Apache-2.0
"""The loop's own decisions flying the simulated rocket: control, failsafe by cause, random faults, the same again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.settings import ControlSettings, Servo
from pilotlight.runtime.control.simframes import ActuatorFrame, SensorFrame
from pilotlight.runtime.control.simulator import cli
from pilotlight.runtime.control.simulator.flight import Flight, Servos
from pilotlight.runtime.control.simulator.inside import InsideLoop, turned
from pilotlight.runtime.control.simulator.running import fly
from pilotlight.runtime.control.simulator.scenario import Fault, FaultKind, Launch, Scenario, Wind

SECTIONS = (
    "runtime modes threads timeouts security ipc imu baro servo0 servo1 servo2 servo3 estimator_cpp controller_cpp"
)
TEXT = "".join(f"[{name}]\n" for name in SECTIONS.split()) + "[actuator]\nstart_armed = true\n"
KINDS = [kind for kind in FaultKind if kind.value.startswith(("imu", "accel", "gyro", "baro", "fin", "link"))]


@cache
def armed() -> ControlSettings:
    return read(TEXT)[0]


def flown(scenario: Scenario, config: ControlSettings) -> tuple[Flight, InsideLoop, list[Servos]]:
    flight, inside, servos = Flight(scenario), InsideLoop(config), []
    fly(flight, inside, lambda flight, given: servos.append(given))
    return flight, inside, servos


def windy(seconds: float, faults: Sequence[Fault] = ()) -> Scenario:
    return Scenario(
        duration_s=seconds,
        launch=Launch(ignition_s=0.5, elevation_deg=86.0),
        wind=Wind(speed_mps=6.0),
        faults=tuple(faults),
    )


def test_the_armed_loop_steers_and_the_disarmed_does_not() -> None:
    by_rates = TEXT.replace("[estimator_cpp]", "[estimator_cpp]\naccel_complementary_gain = 0.0")
    flight, inside, servos = flown(windy(6.0), read(by_rates)[0])
    calm, _, still = flown(windy(6.0), read(by_rates.replace("true", "false"))[0])
    assert max(abs(value) for given in servos for value in given) > 0.02
    assert set(still) == {(0.0, 0.0, 0.0, 0.0)}
    assert flight.tilt_deg < calm.tilt_deg / 2
    assert inside.loop.baro_ticks == pytest.approx(6 * 25, abs=1)
    assert inside.reasons[Reason.NONE] == sum(inside.reasons.values())


def test_the_accelerometer_misleads_the_estimator_once_the_motor_is_out() -> None:
    """With its default gain it takes drag for gravity from below: docs/control.md warns of it."""
    flight, _, servos = flown(windy(6.0), armed())
    assert max(servos[-1]) > 0.7
    assert flight.tilt_deg > 20


def test_a_flight_is_the_same_again() -> None:
    first, second = flown(windy(3.0), armed()), flown(windy(3.0), armed())
    assert first[0].state == second[0].state
    assert first[2] == second[2]


@pytest.mark.parametrize("kind", [FaultKind.IMU_DROP, FaultKind.IMU_NAN, FaultKind.IMU_ZERO, FaultKind.IMU_STUCK])
def test_a_lost_sensor_is_failsafe_and_comes_back(kind: FaultKind) -> None:
    faults = [Fault(kind=kind, start_s=1.0, duration_s=0.5)]
    _, inside, servos = flown(windy(3.0, faults), armed())
    assert inside.reasons[Reason.IMU_STALE] > 10
    assert inside.reasons[Reason.NONE] > 50
    failing = servos[int(1.3 * 250) : int(1.48 * 250)]
    assert set(failing) == {(0.0, 0.0, 0.0, 0.0)}
    assert max(abs(value) for given in servos[int(2.5 * 250) :] for value in given) > 0.001


def test_without_frames_the_loop_does_not_step() -> None:
    faults = [Fault(kind=FaultKind.LINK_SILENT, start_s=1.0, duration_s=0.5)]
    _, inside, _ = flown(windy(2.0, faults), armed())
    assert inside.loop.command_age_max_ns < 20_000_000
    assert inside.loop.control_ticks == 375


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.builds(
            Fault,
            kind=st.sampled_from(KINDS),
            start_s=st.floats(0.0, 2.0),
            duration_s=st.floats(0.01, 1.0),
            value=st.floats(-50.0, 50.0),
            axis=st.integers(0, 3),
        ),
        max_size=6,
    ),
    st.integers(0, 1000),
)
def test_whatever_fails_commands_stay_in_range_and_failsafe_ends(faults: list[Fault], seed: int) -> None:
    scenario = Scenario(duration_s=4.5, seed=seed, launch=Launch(ignition_s=0.5), faults=tuple(faults))
    flight, inside, seen = Flight(scenario), InsideLoop(armed()), []

    def exchange(frame: SensorFrame) -> ActuatorFrame:
        before = inside.reasons[Reason.NONE]
        answer = inside(frame)
        if frame.t_ns > 5_000_000_000:
            seen.append(inside.reasons[Reason.NONE] - before)
        return answer

    fly(flight, exchange, lambda flight, given: None)
    steps = sum(inside.reasons.values())
    assert all(abs(angle) <= 0.2 + 1e-9 for angle in flight.fins_rad)
    assert (
        inside.reasons[Reason.NONE] + inside.reasons[Reason.IMU_STALE] + inside.reasons[Reason.INVALID_ESTIMATOR]
        == steps
    )
    assert sum(seen) >= 20, "a second after the last fault the servos are still in failsafe"


@pytest.mark.parametrize(
    ("pulse", "servo", "norm"),
    [
        (1500, Servo(), 0.0),
        (2000, Servo(), 1.0),
        (1250, Servo(), -0.5),
        (1850, Servo(neutral_pwm_us=1600, max_pwm_us=2100, direction=-1.0, trim_norm=0.1), -0.6),
        (1500, Servo(min_pwm_us=1500), 0.0),
    ],
)
def test_fins_follow_the_pulse(pulse: int, servo: Servo, norm: float) -> None:
    assert turned(pulse, servo) == pytest.approx(norm)


def test_the_tool_flies_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, scenario = tmp_path / "control.toml", tmp_path / "scenario.yaml"
    config.write_text(TEXT)
    scenario.write_text("faults: [{kind: imu_drop, start_s: 1, duration_s: 0.5}]\n")
    arguments = ["--config", str(config), "--scenario", str(scenario), "--duration-sec", "3"]
    assert cli.main(arguments) == 0
    assert "servos in failsafe for imu_stale: " in capsys.readouterr().out
    config.write_text(TEXT + "[wings]\n")
    assert cli.main(arguments) == 1
    assert "[wings] is no section" in capsys.readouterr().err


def test_the_example_is_sound_and_flies(capsys: pytest.CaptureFixture[str]) -> None:
    """To draw it anew: see docs/control.md."""
    place = Path(__file__).parents[3] / "examples/rocket"
    arguments = [
        "--config",
        str(place / "control.toml"),
        "--scenario",
        str(place / "windy.yaml"),
        "--duration-sec",
        "11",
    ]
    assert cli.main(arguments) == 0
    assert "servos in failsafe for imu_stale: 75 of 550 steps" in capsys.readouterr().out


def test_a_recorded_flight_is_repeated_to_the_bit_by_the_interpreted_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Path(__file__).parents[3]
    rocket, file = project / "examples/rocket", tmp_path / "flight.rec"
    flown_by = ["--config", str(rocket / "control.toml"), "--scenario", str(rocket / "windy.yaml")]
    assert cli.main([*flown_by, "--duration-sec", "12", "--record", str(file)]) == 0
    steps = 12 * (3 * 250 + 50 + 25)
    found = int(capsys.readouterr().out.split(" steps are recorded in ")[0].splitlines()[-1])
    assert found == pytest.approx(steps, abs=20)
    # What records here may be the compiled form.
    command = [sys.executable, "-m", "pilotlight", "control", "replay", str(file)]
    again = subprocess.run(command, env={"PYTHONPATH": str(project / "daemons")}, capture_output=True, text=True)
    assert again.stdout == f"{found} steps, 11.996 s, were repeated with results equal to the bit\n", again.stderr
    assert cli.main([*flown_by, "--record", str(file)]) == 1
    assert "File exists" in capsys.readouterr().err


def test_without_a_configuration_there_is_nothing_to_record(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--alone", "--record", str(tmp_path / "flight.rec")])
