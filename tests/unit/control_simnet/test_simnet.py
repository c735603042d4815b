# SPDX-License-Identifier: Apache-2.0
"""The bridge to a simulator: peers that work, are silent, flood, stall, and go."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from pilotlight.runtime.control import simnet
from pilotlight.runtime.control.simframes import (
    ACTUATOR_BYTES,
    ACTUATOR_MAGIC,
    ActuatorFrame,
    SensorFrame,
    Stream,
)
from pilotlight.runtime.control.simnet import RECONNECT_NS, STALLED_NS, SensorLink, SimNet, SimNetError
from pilotlight.runtime.control.simsensors import SimNetAir, SimNetMotion

FRAME = SensorFrame(1, 1, True, True, (0.1, 0.2, 9.8), (0.01, 0.02, 0.03), 101000.0, 20.0)
MS = 1_000_000


class World:
    """A simulator's listening socket, the bridge, and a time that only moves when told to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.now_ns = 10**9
        self.bridge = SimNet("127.0.0.1", self.listener.getsockname()[1], "127.0.0.1", 0)
        self.peers: list[socket.socket] = []

    def until(self, reached: Callable[[], bool]) -> None:
        """Poll the bridge until something is so; the time of the test stands still."""
        end = time.monotonic() + 10
        while not reached():
            assert time.monotonic() < end, "it never came to be"
            self.bridge.wait(0.01)
            self.bridge.poll(self.now_ns)

    def simulator(self) -> socket.socket:
        """The simulator's end of the connection for sensors."""
        self.bridge.poll(self.now_ns)
        peer, _ = self.listener.accept()
        self.peers.append(peer)
        self.until(lambda: self.bridge.sensors.connected)
        return peer

    def client(self) -> socket.socket:
        """The simulator's end of the connection for commands."""
        before = self.bridge.actuators.clients
        peer = socket.create_connection(("127.0.0.1", self.bridge.actuators.port), 10)
        self.peers.append(peer)
        self.until(lambda: self.bridge.actuators.clients == before + 1)
        return peer


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.bridge.close()
    made.listener.close()
    for peer in made.peers:
        peer.close()


def test_samples_are_given_once_each(world: World) -> None:
    motion, air = SimNetMotion(world.bridge.sensors, 20), SimNetAir(world.bridge.sensors, 300)
    assert not motion.ready and motion.poll(world.now_ns) is None and air.poll(world.now_ns) is None
    peer = world.simulator()
    peer.sendall(FRAME._replace(t_ns=world.now_ns).pack())
    world.until(lambda: world.bridge.sensors.frames == 1)
    sample, weather = motion.poll(world.now_ns), air.poll(world.now_ns)
    assert sample is not None and sample == (world.now_ns, FRAME.accel, FRAME.gyro, 20.0)
    assert weather is not None and weather == (world.now_ns, 101000.0, 20.0)
    assert motion.poll(world.now_ns) is None and air.poll(world.now_ns) is None
    assert motion.ready and air.ready


@pytest.mark.parametrize(
    ("age_ns", "imu_valid", "baro_valid", "motion_given", "air_given"),
    [
        (0, True, True, True, True),
        (20 * MS, True, True, True, True),
        (20 * MS + 1, True, True, False, True),
        (300 * MS + 1, True, True, False, False),
        (-1, True, True, False, False),
        (0, False, True, False, True),
        (0, True, False, True, False),
    ],
)
def test_only_valid_and_fresh_samples_are_given(
    world: World, age_ns: int, imu_valid: bool, baro_valid: bool, motion_given: bool, air_given: bool
) -> None:
    peer = world.simulator()
    peer.sendall(FRAME._replace(t_ns=world.now_ns - age_ns, imu_valid=imu_valid, baro_valid=baro_valid).pack())
    world.until(lambda: world.bridge.sensors.frames == 1)
    assert (SimNetMotion(world.bridge.sensors, 20).poll(world.now_ns) is not None) == motion_given
    assert (SimNetAir(world.bridge.sensors, 300).poll(world.now_ns) is not None) == air_given


def test_commands_reach_the_client(world: World) -> None:
    peer = world.client()
    for number in range(3):
        world.bridge.actuators.send(1000 + number, True, (0.5, -0.5, 0.25, float(number)))
    stream = Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES)
    found: list[bytes] = []
    while len(found) < 3:
        found += stream.feed(peer.recv(4096))
    assert ActuatorFrame.unpack(found[2]) == ActuatorFrame(3, 1002, True, (0.5, -0.5, 0.25, 2.0))
    actuators = world.bridge.actuators
    assert (actuators.frames, actuators.send_errors, actuators.clients, actuators.disconnects) == (3, 0, 1, 0)


def test_without_a_client_nothing_is_sent_and_nothing_fails(world: World) -> None:
    world.bridge.actuators.send(1, True, (0.0, 0.0, 0.0, 0.0))
    assert world.bridge.actuators.frames == world.bridge.actuators.send_errors == 0


def test_a_client_that_goes_is_noticed_and_the_next_is_served(world: World) -> None:
    world.client().close()
    world.until(lambda: not world.bridge.actuators.connected)
    assert world.bridge.actuators.disconnects == 1
    peer = world.client()
    world.bridge.actuators.send(1, False, (0.0, 0.0, 0.0, 0.0))
    assert len(peer.recv(4096)) == 56 and world.bridge.actuators.clients == 2


def test_a_client_that_takes_nothing_delays_nothing_and_gets_whole_frames_later(world: World) -> None:
    peer = world.client()
    actuators = world.bridge.actuators
    begun = time.monotonic()
    sent = 0
    while not actuators.send_errors:
        actuators.send(world.now_ns, True, (0.0, 0.0, 0.0, 0.0))
        sent += 1
        assert sent < 10**6
    assert time.monotonic() - begun < 30 and actuators.connected
    stream = Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES)
    found: list[ActuatorFrame] = []
    while len(found) < sent - actuators.send_errors:
        found += [ActuatorFrame.unpack(payload) for payload in stream.feed(peer.recv(65536))]
        world.bridge.poll(world.now_ns)
    assert [frame.seq for frame in found] == list(range(1, len(found) + 1))
    assert stream.crc_failures == 0 and actuators.frames == len(found)


def test_a_client_that_takes_nothing_for_long_makes_room(world: World) -> None:
    world.client()
    actuators = world.bridge.actuators
    while not actuators.send_errors:
        actuators.send(world.now_ns, True, (0.0, 0.0, 0.0, 0.0))
    world.now_ns += STALLED_NS
    world.bridge.poll(world.now_ns)
    assert actuators.connected
    world.bridge.poll(world.now_ns + 1)
    assert not actuators.connected and actuators.disconnects == 1
    world.client()


def test_a_silent_simulator_holds_nobody_up(world: World) -> None:
    world.simulator()
    world.client()
    begun = time.monotonic()
    for _ in range(100):
        world.bridge.poll(world.now_ns)
    world.bridge.close()
    assert time.monotonic() - begun < 1, "neither the loop nor its end waits for a peer"
    assert not world.bridge.sensors.connected and not world.bridge.actuators.connected


def test_a_flood_is_taken_in_portions_and_the_newest_frame_counts(world: World) -> None:
    peer = world.simulator()
    data = b"".join(FRAME._replace(seq=number).pack() for number in range(1, 3001))
    peer.setblocking(False)
    sent = polls = 0
    while world.bridge.sensors.frames < 3000:
        if sent < len(data):
            with contextlib.suppress(BlockingIOError):
                sent += peer.send(data[sent:])
        before = world.bridge.sensors.frames
        world.bridge.poll(world.now_ns)
        polls += 1
        assert world.bridge.sensors.frames - before <= 631
    assert world.bridge.sensors.latest == FRAME._replace(seq=3000)


def test_a_damaged_frame_is_counted_and_a_foreign_one_ends_the_connection(world: World) -> None:
    peer = world.simulator()
    damaged = bytearray(FRAME.pack())
    damaged[-1] ^= 1
    peer.sendall(bytes(damaged))
    world.until(lambda: world.bridge.sensors.crc_failures == 1)
    assert world.bridge.sensors.connected and world.bridge.sensors.latest is None
    peer.sendall(struct.pack("<IHHI", 0x12345678, 1, 0, 92))
    world.until(lambda: not world.bridge.sensors.connected)
    assert world.bridge.sensors.disconnects == 1


def test_a_lost_simulator_is_called_again_after_a_pause(world: World) -> None:
    peer = world.simulator()
    peer.sendall(FRAME.pack())
    world.until(lambda: world.bridge.sensors.frames == 1)
    peer.close()
    world.until(lambda: not world.bridge.sensors.connected)
    assert world.bridge.sensors.latest is None, "what it said last is not what is now"
    world.now_ns += RECONNECT_NS - 1
    world.bridge.poll(world.now_ns)
    assert world.bridge.sensors.fileno() == -1
    world.now_ns += 1
    peer = world.simulator()
    peer.sendall(FRAME.pack())
    world.until(lambda: world.bridge.sensors.frames == 2)


def test_a_simulator_that_is_not_there_is_tried_again(world: World) -> None:
    world.listener.close()
    world.until(lambda: world.bridge.sensors.fileno() == -1 or world.bridge.sensors.connected)
    assert not world.bridge.sensors.connected and world.bridge.sensors.disconnects == 0


def test_a_connection_that_takes_too_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simnet, "_events", lambda made, wanted: False)
    link = SensorLink("127.0.0.1", world.listener.getsockname()[1], 500)
    link.poll(world.now_ns)
    link.poll(world.now_ns + 499 * MS)
    assert link.fileno() >= 0
    link.poll(world.now_ns + 500 * MS)
    assert link.fileno() == -1 and not link.connected


def test_a_socket_that_met_itself_is_no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    plain = simnet._tcp

    def bound() -> socket.socket:
        made = plain()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made

    monkeypatch.setattr(simnet, "_tcp", bound)
    link = SensorLink("127.0.0.1", port, 500)
    link.poll(1)
    link.poll(2)
    assert not link.connected and link.fileno() == -1


def test_a_port_that_is_taken_is_refused_with_a_reason(world: World) -> None:
    with pytest.raises(SimNetError, match=r"Address already in use; the loop does not start.*actuator_port"):
        SimNet("127.0.0.1", 1, "127.0.0.1", world.listener.getsockname()[1])
