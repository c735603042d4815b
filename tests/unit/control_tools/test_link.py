# SPDX-License-Identifier: Apache-2.0
"""The simulator's link: frames to the byte, peers that vanish, stall or talk nonsense, live flight and lock-step."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.simulator.flight import NEUTRAL, Flight, Servos
from pilotlight.runtime.control.simulator.frames import (
    SENSOR_SIZE,
    SERVO_SIZE,
    FrameError,
    SensorFrame,
    ServoFrame,
    ServoFrames,
)
from pilotlight.runtime.control.simulator.link import Endpoints, Link
from pilotlight.runtime.control.simulator.running import EPOCH_NS, NoAnswer, fly, fly_live, over_link, wait_for_loop
from pilotlight.runtime.control.simulator.scenario import Fault, FaultKind, Launch, Scenario
from pilotlight.runtime.control.simulator.sensors import Sample

SAMPLE = Sample(True, False, (0.5, -0.25, 9.75), (0.125, 0.25, -0.5), 101000.0, 20.0)
SERVO = ServoFrame(1, 77, True, (0.5, -0.5, 0.25, -1.0))


def test_a_sensor_frame_is_what_the_format_says() -> None:
    body = struct.pack("<QQBB6x8d", 7, 123, 1, 0, 0.5, -0.25, 9.75, 0.125, 0.25, -0.5, 101000.0, 20.0)
    header = bytes.fromhex("534d5953") + bytes.fromhex("01000000") + (92).to_bytes(4, "little")
    assert SensorFrame(7, 123, SAMPLE).pack() == header + body + struct.pack("<I", zlib.crc32(body))
    assert SENSOR_SIZE == 104


def test_a_servo_frame_is_what_the_format_says() -> None:
    body = struct.pack("<QQB7x4f", 1, 77, 1, 0.5, -0.5, 0.25, -1.0)
    packed = bytes.fromhex("534d5941010000002c000000") + body + struct.pack("<I", zlib.crc32(body))
    assert SERVO.pack() == packed
    assert ServoFrames().take(packed) == [SERVO]
    assert SERVO_SIZE == 56


@given(st.lists(st.integers(1, 80), max_size=12))
def test_frames_come_whole_however_they_are_cut(cuts: list[int]) -> None:
    stream = b"".join(SERVO._replace(seq=seq).pack() for seq in range(4))
    frames, taken = ServoFrames(), []
    for cut in cuts:
        taken += frames.take(stream[:cut])
        stream = stream[cut:]
    taken += frames.take(stream)
    assert [frame.seq for frame in taken] == [0, 1, 2, 3]


def test_a_wrong_crc_costs_one_frame_and_a_wrong_header_all() -> None:
    packed = SERVO.pack()
    frames = ServoFrames()
    assert frames.take(packed[:-1] + b"\x00" + packed) == [SERVO]
    assert frames.crc_failures == 1
    with pytest.raises(FrameError, match="header"):
        frames.take(b"\x00" + packed)


class Loop:
    """The loop's side of the link, driven by the test."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.link = Link(Endpoints(sensor_port=0, servo_port=self.listener.getsockname()[1]))
        self.sensor: socket.socket | None = None
        self.servo: socket.socket | None = None

    def connect(self) -> None:
        self.sensor = socket.create_connection(("127.0.0.1", self.link.sensor_port), timeout=5)
        self.until(lambda: self.link.connected)

    def accept(self) -> None:
        self.until(lambda: bool(select.select([self.listener], [], [], 0)[0]))
        self.servo, _ = self.listener.accept()
        self.servo.settimeout(5)
        self.until(lambda: self.link.heard)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen within 5 s"
            self.link.poll(0.05)

    def frame(self) -> tuple[int, int, bool]:
        """Number and time of the next sensor frame, and whether its CRC is right."""
        assert self.sensor is not None
        data = self.sensor.recv(SENSOR_SIZE, socket.MSG_WAITALL)
        assert len(data) == SENSOR_SIZE
        crc_ok = zlib.crc32(data[12:-4]) == struct.unpack("<I", data[-4:])[0]
        seq, t_ns = struct.unpack_from("<QQ", data, 12)
        return seq, t_ns, crc_ok

    def close(self) -> None:
        for one in (self.sensor, self.servo, self.listener):
            if one is not None:
                one.close()
        self.link.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_frames_go_both_ways(loop: Loop) -> None:
    loop.connect()
    loop.accept()
    assert loop.link.send(SensorFrame(7, 123, SAMPLE).pack())
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
    frame = SensorFrame(1, 1, SAMPLE).pack() * 100
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


def steering(frame: SensorFrame) -> ServoFrame:
    x, y, _ = frame.sample.gyro
    servos: Servos = (-x + y, x + y, -x - y, x - y)
    return ServoFrame(frame.seq, frame.t_ns, True, servos)


def short(*faults: Fault) -> Flight:
    return Flight(Scenario(duration_s=1.0, launch=Launch(ignition_s=0.1), faults=faults))


def test_lock_step_asks_once_a_step_and_flies_the_same_again() -> None:
    flights, asked = [short(), short()], []

    def exchange(frame: SensorFrame) -> ServoFrame:
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

    def exchange(frame: SensorFrame) -> ServoFrame:
        asked.append(frame.t_ns)
        return ServoFrame(frame.seq, frame.t_ns, True, (0.5, 0.0, 0.0, 0.0))

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
        for count in range(late or 10**6):
            data = loop.sensor.recv(SENSOR_SIZE, socket.MSG_WAITALL)
            if len(data) < SENSOR_SIZE:
                break
            v = struct.unpack_from("<QQBB6x8d", data, 12)
            sample = Sample(True, True, (v[4], v[5], v[6]), (v[7], v[8], v[9]), v[10], v[11])
            loop.servo.sendall(steering(SensorFrame(v[0], v[1], sample)).pack())
            del count

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def rounded(frame: SensorFrame) -> ServoFrame:
    """The same as over the link, where servo commands are binary32."""
    return ServoFrames().take(steering(frame).pack())[0]


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


def test_stop_ends_a_live_flight(loop: Loop) -> None:
    flight = Flight(Scenario())
    fly_live(flight, loop.link, lambda flight, servos: None, lambda: flight.time_s > 0.02)
    assert flight.time_s < 0.1
