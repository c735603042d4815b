# SPDX-License-Identifier: Apache-2.0
"""The control process itself: it ticks, publishes, listens to workers, and ends with the servos in failsafe."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pilotlight.io.edges import SimulatedEdges
from pilotlight.io.pulse import PulseChannel
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.commands import Message, Report
from pilotlight.runtime.control import child, orders
from pilotlight.runtime.control.child import ControlProcess, drive_failsafe
from pilotlight.runtime.control.loading import ControlSettingsError
from pilotlight.runtime.control.looptags import status_of
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.selection import Source
from pilotlight.runtime.control.tools.status import KEYS, status_text
from pilotlight.tags import SegmentReader, now_ns
from pilotlight.tags.mailbox import ClientMailbox, MailboxInUse, Places
from pilotlight.tags.messages import (
    CONTROLLER_COMMAND,
    ESTIMATOR_STATE,
    SENSOR_SNAPSHOT,
    ControllerCommand,
    EstimatorState,
    SensorSnapshot,
)

from tests.unit.control.configs import EMPTY, settings
from tests.unit.control.configs import HARDWARE as HARDWARE_BOARD

QUIET = EMPTY + "[threads]\ncontrol_priority = 0\n[timeouts]\nimu_stale_ms = 2000\nactuator_cmd_timeout_ms = 2000\n"
ARMED = QUIET + "[actuator]\nstart_armed = true\n"
EXTERNAL = ARMED + '[modes]\nestimator_mode = "python_dev"\ncontroller_mode = "python_dev"\n'
PATIENT = EXTERNAL + "[timeouts]\nestimator_fresh_ms = 1500\ncontroller_fresh_ms = 1500\n"
FAILSAFE = "".join(f"[servo{n}]\nfailsafe_norm = -0.5\n" for n in range(4))


class Running:
    """A control process with its segment, and what it has reported."""

    def __init__(self, config: str, places: Places, chip: SimulatedChip | None = None) -> None:
        line = None if chip is None else SimulatedEdges.open(chip.path, 3)
        self.process = ControlProcess.spawn(config, line, places)
        self.reports: list[Message] = []
        self.until(lambda: self.said(Report.READY))
        self.process.activate()
        self.reader = SegmentReader.open("control")

    def said(self, kind: Report) -> bool:
        while (message := self.process.next_report()) is not None:
            self.reports.append(message)
        return any(message.kind is kind for message in self.reports)

    def result(self, number: int | None) -> int:
        assert number is not None
        self.until(lambda: self.said(Report.DONE) and self.reports[-1].command == number)
        return self.reports[-1].value

    def value(self, name: str) -> object:
        return self.reader.read(name)[0].value

    def values(self) -> dict[str, object]:
        snapshot = self.reader.snapshot()
        return {tag.name: value for tag, value in zip(snapshot.directory, snapshot.values(), strict=True)}

    def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait for a condition, as a living parent does: it touches the ring meanwhile."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, self.reports
            assert self.process.exit_code() is None or condition(), self.reports
            self.process.touch()
            time.sleep(0.002)

    def ended(self, timeout_s: float = 20.0) -> int:
        end = time.monotonic() + timeout_s
        while (code := self.process.exit_code()) is None:
            assert time.monotonic() < end
            time.sleep(0.002)
        self.said(Report.ENDED)
        return code


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "shm").mkdir()
    return Places(tmp_path / "shm", tmp_path)


Start = Callable[..., Running]


@pytest.fixture
def start(places: Places) -> Iterator[Start]:
    running: list[Running] = []

    def begin(config: str = ARMED, chip: SimulatedChip | None = None) -> Running:
        running.append(Running(config, places, chip))
        return running[-1]

    yield begin
    for each in running:
        each.reader.close()
        each.process.close()


def test_it_ticks_and_publishes_what_it_does(start: Start, places: Places) -> None:
    running = start()
    box = ClientMailbox.attach(SENSOR_SNAPSHOT.name, SENSOR_SNAPSHOT, places=places)
    running.until(lambda: int(str(running.value("Status.control_ticks"))) > 100)
    message = box.take()
    assert message is not None
    snapshot = SensorSnapshot.unpack(message)
    assert snapshot.imu_valid
    assert 9.6 < snapshot.accel[2] < 10.0
    values = running.values()
    assert values["Sensor.ImuValid"] is values["Controller.Armed"] is True
    assert values["Estimator.Source"] == Source.NATIVE
    assert values["Servo.Reason"] == Reason.NONE
    pulse = values["Servo.Pulse0"]
    assert isinstance(pulse, int)
    assert 1400 < pulse < 1600
    box.close()


def test_its_counters_make_a_status_file(start: Start) -> None:
    running = start()
    running.until(lambda: running.value("Status.control_jitter_p99_ns") != 0)
    running.until(lambda: int(str(running.value("Status.control_ticks"))) > 50)
    status = status_of(running.values())
    assert [line.partition("=")[0] for line in status_text(status).splitlines()] == list(KEYS)
    assert status["sim_mode"] is True
    assert status["control_jitter_p50_ns"] <= status["control_jitter_p99_ns"] <= status["control_jitter_max_ns"]
    assert status["failsafe_enter_count"] == 0
    assert 0 < int(status["actuator_ticks"]) < int(status["control_ticks"]) < int(status["imu_ticks"])


def test_it_obeys_external_workers(start: Start, places: Places) -> None:
    running = start(PATIENT)
    estimator = ClientMailbox.attach(ESTIMATOR_STATE.name, ESTIMATOR_STATE, writable=True, places=places)
    controller = ClientMailbox.attach(CONTROLLER_COMMAND.name, CONTROLLER_COMMAND, writable=True, places=places)
    now = now_ns()
    estimator.write(EstimatorState(1, now, True, (1.0, 0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)).pack())
    controller.write(ControllerCommand(1, now, True, (0.5, -0.5, 0.25, 0.0)).pack())
    running.until(lambda: running.value("Controller.S0") == 0.5)
    running.until(lambda: running.value("Servo.Pulse0") == 1750)
    values = running.values()
    assert [values[f"Servo.Pulse{n}"] for n in range(4)] == [1750, 1250, 1625, 1500]
    assert [values[f"Estimator.{name}"] for name in ("Vn", "Ve", "Vd", "Pn", "Pe", "Pd")] == [1, 2, 3, 4, 5, 6]
    controller.write(bytes(52))
    running.until(lambda: running.value("Status.external_msg_schema_reject_count") == 1)
    estimator.close()
    controller.close()


def test_a_message_that_is_younger_than_the_slot_is_not_from_the_future(start: Start, places: Places) -> None:
    running = start(PATIENT)
    box = ClientMailbox.attach(ESTIMATOR_STATE.name, ESTIMATOR_STATE, writable=True, places=places)
    enough = threading.Event()

    def write() -> None:
        for seq in itertools.count(1):
            if enough.is_set():
                return
            box.write(EstimatorState(seq, now_ns(), True, (1.0, 0.0, 0.0, 0.0), (0.0,) * 3, (0.0,) * 3).pack())

    worker = threading.Thread(target=write)
    worker.start()
    try:
        running.until(lambda: int(str(running.value("Status.external_estimator_accept_count"))) > 200)
    finally:
        enough.set()
        worker.join()
        box.close()
    assert running.value("Status.external_estimator_reject_count") == 0


def test_a_workers_silence_ends_in_failsafe(start: Start, places: Places) -> None:
    running = start(EXTERNAL + FAILSAFE)
    running.until(lambda: running.value("Servo.Reason") == Reason.COMMAND_TIMEOUT)
    running.until(lambda: running.value("Servo.Pulse3") == 1250)


def test_orders_are_answered(start: Start) -> None:
    running = start()
    assert running.result(running.process.set_points(0.25, -0.5, 60_000)) == 0
    running.until(lambda: running.value("SetPoint.Pitch") == -0.5)
    assert running.result(running.process.set_points(4.0, 0.0, 60_000)) == orders.REFUSED
    assert running.value("SetPoint.Roll") == 0.25
    running.process.set_points(0.125, 0.5, 2000)
    running.until(lambda: running.value("SetPoint.Pitch") == 0.5)
    running.until(lambda: running.value("SetPoint.Pitch") == running.value("SetPoint.Roll") == 0.0)
    running.process.ring.push(b"nonsense")
    running.until(
        lambda: any("makes no sense" in message.text for message in running.reports) or running.said(Report.ENDED)
    )


def test_it_finishes_when_told_with_the_servos_in_failsafe(start: Start) -> None:
    running = start(ARMED + FAILSAFE)
    running.until(lambda: running.value("Servo.Pulse0") != 0)
    assert running.process.finish() is not None
    assert running.ended() == 0
    assert running.reports[-1].text == "told to finish"
    assert [running.value(f"Servo.Pulse{n}") for n in range(4)] == [1250] * 4


def test_it_ends_safe_when_its_parent_gives_no_sign_of_life(start: Start) -> None:
    running = start(ARMED + FAILSAFE)
    assert running.ended() == 3
    assert running.reports[-1].text == "the supervisor gives no sign of life"
    assert running.value("Servo.Pulse0") == 1250


def test_it_ends_safe_at_a_signal(start: Start) -> None:
    running = start(ARMED + FAILSAFE)
    os.kill(running.process.pid, signal.SIGTERM)
    assert running.ended() == 3
    assert running.value("Servo.Pulse0") == 1250


def test_the_kill_switch_is_a_line(start: Start, tmp_path: Path) -> None:
    chip = SimulatedChip.create(tmp_path / "sim0.lines", 8)
    running = start(ARMED + FAILSAFE + "[killswitch]\nenabled = true\n", chip)
    running.until(lambda: running.value("Controller.Armed") is True)
    chip.drive(3, True)
    running.until(lambda: running.value("Servo.Reason") == Reason.KILL_SWITCH)
    assert running.value("Controller.Armed") is False
    chip.drive(3, False)
    running.until(lambda: running.value("Status.killswitch_trip_count") == 1)
    assert running.value("Servo.Reason") == Reason.KILL_SWITCH
    chip.close()


def test_a_switch_that_is_not_there_keeps_the_servos_in_failsafe(start: Start) -> None:
    running = start(ARMED + "[killswitch]\nenabled = true\n")
    running.until(lambda: running.value("Servo.Reason") == Reason.KILL_SWITCH)


HARDWARE = QUIET + '[runtime]\nsim_mode = false\n[imu]\nspi_device = "/dev/spidev9.7"\n'


@pytest.mark.parametrize(
    ("config", "words"), [(HARDWARE, "spidev"), (QUIET + "[sim_net]\nenabled = true\n", "no bridge")]
)
def test_it_does_not_start_without_its_devices(places: Places, config: str, words: str) -> None:
    process = ControlProcess.spawn(config, places=places)
    end = time.monotonic() + 20
    while (message := process.next_report()) is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    assert message.kind is Report.FAILED
    assert words in message.text
    process.close()
    assert list(places.shared.iterdir()) == []


def test_a_failed_start_leaves_nothing_behind(places: Places) -> None:
    with pytest.raises(ControlSettingsError):
        ControlProcess.spawn("[nothing]", places=places)
    (places.shared / CONTROLLER_COMMAND.name[1:]).mkdir()
    with pytest.raises(Exception, match="cannot be opened"):
        ControlProcess.spawn(ARMED, places=places)
    assert [path.name for path in places.shared.iterdir()] == [CONTROLLER_COMMAND.name[1:]]


def test_a_parent_drives_real_servos_safe_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    driven: list[tuple[int, int]] = []

    def drive(channels: Sequence[PulseChannel]) -> list[str]:
        driven.extend((each.channel, each.first_us) for each in channels)
        return ["one is not safe"]

    monkeypatch.setattr(child, "drive_safe", drive)
    assert drive_failsafe(settings(ARMED + FAILSAFE, "")) == []
    assert drive_failsafe(settings(FAILSAFE, HARDWARE_BOARD)) == ["one is not safe"]
    assert driven == [(0, 1250), (1, 1250), (2, 1250), (3, 1250)]


def test_only_one_loop_serves_the_mailboxes(start: Start, places: Places) -> None:
    start()
    with pytest.raises(MailboxInUse):
        ControlProcess.spawn(ARMED, places=places)


def test_the_process_imports_nothing_slow() -> None:
    slow = {"asyncio", "gi", "pydbus", "yaml", "msgspec", "logging", "http", "json", "socket"}
    script = f"import sys; import pilotlight.runtime.control.__main__; print(*({slow} & sys.modules.keys()))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
