# SPDX-License-Identifier: Apache-2.0
"""The flight recording: what a process recorded is repeated to the bit, and every damage is noticed."""

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pilotlight.runtime.commands import Report
from pilotlight.runtime.control import cli, steps
from pilotlight.runtime.control.child import ControlProcess
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.recording import FlightRecorder, RecordingError, replay
from pilotlight.runtime.control.samples import MS, BaroSample, ImuSample
from pilotlight.runtime.control.steps import Kind, Step, StepError
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.tags import CommandRing, now_ns
from pilotlight.tags.mailbox import ClientMailbox, Places
from pilotlight.tags.messages import CONTROLLER_COMMAND, ControllerCommand, EstimatorState

from tests.unit.control.configs import EMPTY, settings

CONFIG = (
    EMPTY
    + """[threads]
control_priority = 0
[modes]
estimator_mode = "cpp_dev"
controller_mode = "cpp_dev"
"""
)
START = 1_000_000_000


def recorded(folder: Path, count: int = 200) -> Path:
    """A recording of a loop with all kinds of steps."""
    loop, ring = ControlLoop(settings(base=CONFIG)), CommandRing.create(4096, steps.LARGEST)
    path = folder / "flight.rec"
    recorder = FlightRecorder(path, CONFIG, ring)
    for number in range(count):
        now = START + number * MS
        for data in made(loop, number * 5, now):
            assert ring.push(data)
        recorder.drain()
    recorder.close()
    ring.close()
    return path


def made(loop: ControlLoop, number: int, now: int) -> list[bytes]:
    """One step of each kind, done by the loop and recorded."""
    value = math.sin(number)
    imu = (
        None
        if number % 35 == 0
        else ImuSample(True, now, value, 0.1, 9.8, value if number % 65 else math.nan, 0.2, 0.3)
    )
    loop.imu_step(imu, now)
    restart = loop.watchdog.wants_reinit(now)
    if restart:
        loop.watchdog.reinitialised(now)
    found = [steps.record(Kind.IMU, number, now, steps.imu_inputs(imu, restart), steps.imu_outputs(loop))]
    baro = None if number % 45 == 0 else BaroSample(True, now, 100000.0 + value, 20.0)
    loop.baro_step(baro)
    found.append(steps.record(Kind.BARO, number + 1, now, steps.baro_inputs(baro), b""))
    loop.estimator_step(now)
    outputs = steps.estimate_outputs(loop.native_estimate)
    found.append(steps.record(Kind.ESTIMATOR, number + 2, now, b"", outputs))
    estimate = command = None
    if number % 3:
        estimate = EstimatorState(number, now, True, (1.0, 0.0, 0.0, value / 9), (value,) * 3, (value,) * 3).pack()
    if number % 2:
        command = ControllerCommand(number, now, True, (value, -value, 1.5 * value, 0.0)).pack()
    level = None if number % 85 == 0 else 0
    inputs = steps.control_inputs(level, estimate, command)
    output = loop.control_step(now, level, estimate, command)
    found.append(steps.record(Kind.CONTROL, number + 3, now, inputs, steps.control_outputs(output)))
    pulses = loop.actuator_step(now, number % 7 != 0)
    loop.io_errors.report(number % 25 != 0)
    inputs = steps.actuator_inputs(number % 7 != 0, number % 25 != 0)
    found.append(steps.record(Kind.ACTUATOR, number + 4, now, inputs, steps.actuator_outputs(pulses)))
    return found


def test_where_the_servos_are_left_is_part_of_a_recording() -> None:
    loop = ControlLoop(settings("[servo2]\nfailsafe_norm = -0.5\n", base=CONFIG))
    step = Step(steps.record(Kind.END, 0, START, b"", steps.end_outputs(loop)))
    assert step.repeat(loop) == step.outputs
    assert step.repeat(ControlLoop(settings(base=CONFIG))) != step.outputs


def test_what_was_latched_is_part_of_a_recording() -> None:
    loop = ControlLoop(settings(base=CONFIG))
    step = Step(steps.record(Kind.LATCHES, 0, START, steps.latch_inputs(Latch.IO_ERRORS), b""))
    assert step.repeat(loop) == b""
    assert loop.latched is Latch.IO_ERRORS


def test_a_recording_is_repeated_to_the_bit(tmp_path: Path) -> None:
    found = replay(recorded(tmp_path))
    assert (found.steps, found.problem) == (1000, "")
    assert found.seconds == pytest.approx(0.199)


def test_another_configuration_differs_at_the_step_that_uses_it(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    mode = b'estimator_mode = "cpp_dev"'
    path.write_bytes(path.read_bytes().replace(mode, b"#" * len(mode)))
    # The first tick has no word of a worker yet, and no estimate either way.
    assert replay(path).problem.startswith("step 8 (CONTROL) gives ")


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    found = replay(path)
    assert (found.steps, found.problem) == (999, "the file ends, or is damaged, in the middle of a step")
    path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    assert replay(path).steps == 999
    path.write_bytes(b"x" + whole)
    with pytest.raises(RecordingError, match="no flight recording"):
        replay(path)
    path.write_bytes(whole[:5])
    with pytest.raises(RecordingError, match="no flight recording"):
        replay(path)


def file_with(folder: Path, *records: bytes) -> Path:
    ring = CommandRing.create(16, steps.LARGEST)
    path = folder / "made.rec"
    recorder = FlightRecorder(path, CONFIG, ring)
    for data in records:
        ring.push(data)
    recorder.drain()
    recorder.close()
    ring.close()
    return path


def test_a_step_with_other_results_is_shown(tmp_path: Path) -> None:
    path = file_with(tmp_path, steps.record(Kind.ACTUATOR, 0, START, steps.actuator_inputs(True, True), b"other"))
    assert replay(path).problem.endswith(f"recorded is {b'other'.hex()}")


def test_a_lost_step_is_noticed(tmp_path: Path) -> None:
    first, *_, last = made(ControlLoop(settings(base=CONFIG)), 1, START)
    assert replay(file_with(tmp_path, first)).problem == "step 0 is missing: the recorder could not keep up"
    (tmp_path / "made.rec").unlink()
    with pytest.raises(StepError, match="not the right inputs"):
        replay(file_with(tmp_path, steps.record(Kind.IMU, 0, START, b"short", last)))


@given(st.binary(max_size=60))
@examples(deadline=None)
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    try:
        Step(data).repeat(ControlLoop(settings(base=CONFIG)))
    except StepError as refused:
        assert "step" in str(refused)


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    with pytest.raises(FileExistsError):
        recorded(tmp_path, 1)


def test_the_tool_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path)
    assert cli.main(["replay", str(path)]) == 0
    assert capsys.readouterr().out == "1000 steps, 0.199 s, were repeated with results equal to the bit\n"
    path.write_bytes(path.read_bytes()[:-1])
    assert cli.main(["replay", str(path)]) == 1
    assert "damaged" in capsys.readouterr().err
    path.write_bytes(b"")
    assert cli.main(["replay", str(path)]) == 1
    assert "no flight recording" in capsys.readouterr().err


def test_a_process_records_every_step(tmp_path: Path) -> None:
    (tmp_path / "shm").mkdir()
    places = Places(tmp_path / "shm", tmp_path)
    process = ControlProcess.spawn(CONFIG, places=places, record=True)
    assert process.recording is not None
    recorder = FlightRecorder(tmp_path / "flight.rec", CONFIG, process.recording)
    box = ClientMailbox.attach(CONTROLLER_COMMAND.name, CONTROLLER_COMMAND, writable=True, places=places)
    end, points = time.monotonic() + 20, 0
    while recorder.steps < 500:
        assert time.monotonic() < end
        process.touch()
        recorder.drain()
        box.write(ControllerCommand(1, now_ns(), True, (math.sin(end), 0.5, -0.5, 0.0)).pack())
        points += process.set_points(0.001 * points, 0.0, 1000) is not None
        while (message := process.next_report()) is not None:
            assert message.kind in (Report.READY, Report.DONE, Report.NOTICE)
        time.sleep(0.005)
    process.finish()
    while process.exit_code() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    recorder.drain()
    recorder.close()
    process.close()
    box.close()
    found = replay(tmp_path / "flight.rec")
    assert (found.steps, found.problem) == (recorder.steps, "")
