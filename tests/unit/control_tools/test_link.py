# SPDX-License-Identifier: Apache-2.0
"""The simulator's link: peers that vanish, stall or talk nonsense, live flight and lock-step."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from pilotlight.runtime.control.simframes import ActuatorFrame, SensorFrame
from pilotlight.runtime.control.simnet import SimNet
from pilotlight.runtime.control.simulator.flight import NEUTRAL, Flight, Servos
from pilotlight.runtime.control.simulator.link import Endpoints, Link, talks_to_itself
from pilotlight.runtime.control.simulator.running import EPOCH_NS, NoAnswer, fly, fly_live, over_link, wait_for_loop
from pilotlight.runtime.control.simulator.scenario import Fault, FaultKind, Launch, Scenario
from pilotlight.runtime.control.simulator.sensors import Sample

from tests.unit.control_tools.peer import SENSOR_SIZE, Loop

SAMPLE = Sample(True, False, (0.5, -0.25, 9.75), (0.125, 0.25, -0.5), 101000.0, 20.0)
SERVO = ActuatorFrame(1, 77, True, (0.5, -0.5, 0.25, -1.0))


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_frames_go_both_ways(loop: Loop) -> None:
    loop.connect()
    loop.accept()
    assert loop.link.send(SensorFrame(7, 123, *SAMPLE).pack())
    assert loop.frame() == (7, 123, True)
    assert loop.servo is not None
    loop.servo.sendall(SERVO.pack() + SERVO._replace(seq=2).pack())
    loop.until(lambda: loop.link.latest is not None)
    assert loop.link.latest == SERVO._replace(seq=2)
    assert loop.link.counters.servo_frames == 2


def test_a_loop_that_starts_again_is_taken_again(loop: Loop) -> None:
    for round_ in (1, 2):
        loop.connect()
        loop.accept()
        assert loop.sensor is not None
        assert loop.servo is not None
        loop.sensor.close()
        loop.servo.close()
        loop.until(lambda: not loop.link.connected and not loop.link.heard)
        counters = loop.link.counters
        assert (counters.sensor_connections, counters.servo_connections) == (round_, round_)
        assert (counters.sensor_drops, counters.servo_drops) == (round_, round_)
    assert not loop.link.send(b"x")


def test_a_loop_that_does_not_read_is_dropped_and_nothing_waits_for_it(loop: Loop) -> None:
    loop.connect()
    frame = SensorFrame(1, 1, *SAMPLE).pack() * 100
    begin = time.monotonic()
    for _ in range(5000):
        if not loop.link.send(frame):
            break
    assert not loop.link.connected
    assert time.monotonic() - begin < 5


def test_nonsense_drops_the_servo_connection(loop: Loop) -> None:
    loop.accept()
    assert loop.servo is not None
    loop.servo.sendall(b"GET / HTTP/1.1\r\n\r\n")
    loop.until(lambda: not loop.link.heard)
    assert loop.link.counters.servo_drops == 1
    assert loop.link.latest is None


def test_polling_never_waits_longer_than_told(loop: Loop) -> None:
    begin = time.monotonic()
    loop.link.poll(0.05)
    loop.link.poll(0.0)
    assert time.monotonic() - begin < 1.0


def test_without_a_loop_the_wait_ends(loop: Loop) -> None:
    with pytest.raises(NoAnswer, match="did not connect"):
        wait_for_loop(loop.link, 0.05, both=False)


def steering(frame: SensorFrame) -> ActuatorFrame:
    x, y, _ = frame.gyro
    servos: Servos = (-x + y, x + y, -x - y, x - y)
    return ActuatorFrame(frame.seq, frame.t_ns, True, servos)


def short(*faults: Fault) -> Flight:
    return Flight(Scenario(duration_s=1.0, launch=Launch(ignition_s=0.1), faults=faults))


def test_lock_step_asks_once_a_step_and_flies_the_same_again() -> None:
    flights, asked = [short(), short()], []

    def exchange(frame: SensorFrame) -> ActuatorFrame:
        asked.append(frame)
        return steering(frame)

    for flight in flights:
        fly(flight, exchange, lambda flight, servos: None)
    assert len(asked) == 500
    assert [frame.t_ns for frame in asked[:250]] == [EPOCH_NS + 4_000_000 * step for step in range(1, 251)]
    assert repr(asked[:250]) == repr(asked[250:])
    assert flights[0].state == flights[1].state
    alone = short()
    fly(alone, lambda frame: None, lambda flight, servos: None)
    assert alone.state != flights[0].state


def test_a_silent_link_keeps_the_servos_and_asks_nothing() -> None:
    asked, seen = [], []

    def exchange(frame: SensorFrame) -> ActuatorFrame:
        asked.append(frame.t_ns)
        return ActuatorFrame(frame.seq, frame.t_ns, True, (0.5, 0.0, 0.0, 0.0))

    fault = Fault(kind=FaultKind.LINK_SILENT, start_s=0.501, duration_s=0.25)
    fly(short(fault), exchange, lambda flight, servos: seen.append(servos))
    assert len(asked) == 250 - 62
    assert seen[0] == NEUTRAL
    assert set(seen[1:]) == {(0.5, 0.0, 0.0, 0.0)}


def answer_all(loop: Loop, late: int = 0) -> threading.Thread:
    """Answer each sensor frame in a thread; after `late` answers no more."""

    def work() -> None:
        assert loop.sensor is not None
        assert loop.servo is not None
        for _ in range(late or 10**6):
            data = loop.sensor.recv(SENSOR_SIZE, socket.MSG_WAITALL)
            if len(data) < SENSOR_SIZE:
                break
            loop.servo.sendall(steering(SensorFrame.unpack(data[12:])).pack())

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def rounded(frame: SensorFrame) -> ActuatorFrame:
    """The same as over the link, where servo commands are binary32."""
    return ActuatorFrame.unpack(steering(frame).pack()[12:])


def test_lock_step_over_the_link_is_the_flight_of_the_same_process(loop: Loop) -> None:
    loop.connect()
    loop.accept()
    thread = answer_all(loop)
    over, inside = short(), short()
    fly(over, over_link(loop.link, 5.0), lambda flight, servos: None)
    loop.link.cut()
    thread.join(5)
    fly(inside, rounded, lambda flight, servos: None)
    assert over.state == inside.state


def test_a_loop_that_stops_answering_ends_the_flight(loop: Loop) -> None:
    loop.connect()
    loop.accept()
    thread = answer_all(loop, late=10)
    flight = short()
    with pytest.raises(NoAnswer, match="no servo frame"):
        fly(flight, over_link(loop.link, 0.2), lambda flight, servos: None)
    thread.join(5)
    assert flight.time_s == pytest.approx(11 * 0.004)


def test_a_live_flight_sends_a_frame_a_period_on_the_clock(loop: Loop) -> None:
    loop.connect()
    flight = Flight(
        Scenario(duration_s=0.4, faults=(Fault(kind=FaultKind.FRAME_CORRUPT, start_s=0.201, duration_s=0.1),))
    )
    begin = time.monotonic_ns()
    slips = fly_live(flight, loop.link, lambda flight, servos: None, lambda: False)
    took_s = (time.monotonic_ns() - begin) / 1e9
    frames = [loop.frame() for _ in range(100)]
    assert [seq for seq, _, _ in frames] == list(range(1, 101))
    assert all(begin <= t_ns <= begin + took_s * 1e9 for _, t_ns, _ in frames)
    assert [crc_ok for _, _, crc_ok in frames].count(False) == 25
    assert slips or took_s >= 0.4


def test_a_cut_link_is_cut_for_its_time(loop: Loop) -> None:
    loop.connect()
    fault = Fault(kind=FaultKind.LINK_CLOSE, start_s=0.1, duration_s=0.1)
    flight = Flight(Scenario(duration_s=0.4, faults=(fault,)))
    begin, connected = loop.sensor, []
    threading.Timer(
        0.15, lambda: connected.append(socket.create_connection(("127.0.0.1", loop.link.sensor_port)))
    ).start()
    fly_live(flight, loop.link, lambda flight, servos: None, lambda: False)
    assert begin is not None
    assert len(begin.recv(1 << 16)) % SENSOR_SIZE == 0
    assert loop.link.counters.sensor_connections == 2
    assert loop.link.counters.sensor_drops == 1
    connected[0].close()


def test_a_connection_that_leads_back_is_known(loop: Loop) -> None:
    with socket.socket() as back:
        back.bind(("127.0.0.1", 0))
        back.connect(back.getsockname())
        assert talks_to_itself(back)
    loop.accept()
    assert loop.servo is not None
    assert not talks_to_itself(loop.servo)


def test_a_live_flight_with_the_bridge_of_the_loop() -> None:
    """Both ends are ours here; the loop's end runs in a thread, as it has no clock of its own."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    link = Link(Endpoints(sensor_port=0, servo_port=port))
    bridge = SimNet("127.0.0.1", link.sensor_port, "127.0.0.1", port)
    stamps = []

    def control() -> None:
        while not done.is_set():
            bridge.wait(0.05)
            bridge.poll(time.monotonic_ns())
            if bridge.sensors.latest is not None and bridge.sensors.latest.t_ns not in stamps[-1:]:
                stamps.append(bridge.sensors.latest.t_ns)
                bridge.actuators.send(time.monotonic_ns(), True, (0.25, 0.0, 0.0, 0.0))

    thread = threading.Thread(target=control)
    thread.start()
    flight = Flight(Scenario(duration_s=0.5))
    wait_for_loop(link, 5.0, both=True)
    fly_live(flight, link, lambda flight, servos: None, lambda: False)
    done.set()
    thread.join(5)
    bridge.close()
    link.close()
    assert bridge.sensors.crc_failures == 0
    assert 20 <= len(stamps) <= 125
    assert stamps == sorted(stamps)
    assert link.latest is not None
    assert link.latest.armed
    assert flight.fins_rad[0] == pytest.approx(0.25 * 0.2, rel=0.01)


def test_stop_ends_a_live_flight(loop: Loop) -> None:
    flight = Flight(Scenario())
    fly_live(flight, loop.link, lambda flight, servos: None, lambda: flight.time_s > 0.02)
    assert flight.time_s < 0.1
