# SPDX-License-Identifier: Apache-2.0
"""The bridge as a process between a simulator over TCP and the loop: neither of the two ever waits for the other."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.children import memory_of
from pilotlight.runtime.control.looptags import STATUS_PREFIX
from pilotlight.runtime.control.notes import LoopState
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.simdoor import door_path
from pilotlight.runtime.control.simframes import ACTUATOR_BYTES, ACTUATOR_MAGIC, ActuatorFrame, SensorFrame, Stream
from pilotlight.runtime.control.simlink import ALIVE_NS, COMMANDS, COUNTERS, STATE, BridgeState, SimulatorLink, box
from pilotlight.runtime.control.simsensors import SimNetMotion
from pilotlight.tags import now_ns
from pilotlight.tags.messages import ControllerCommand

from tests.support.daemons import PACKAGES
from tests.support.ports import free_port
from tests.unit.control.test_supervisor import QUIET, Plant, plant

FRAME = SensorFrame(1, 1, True, True, (0.1, 0.2, 9.8), (0.01, 0.02, 0.03), 101000.0, 20.0)
NONE = (0,) * len(COUNTERS)
S = 1_000_000_000


class Ends:
    """Both ends of the shared memory in one process."""

    def __init__(self) -> None:
        state, commands = memory_of(STATE.region_size), memory_of(COMMANDS.region_size)
        self.bridge_state = box(STATE, os.dup(state), True)
        self.bridge_commands = box(COMMANDS, os.dup(commands), False)
        self.link = SimulatorLink(box(STATE, state, False), box(COMMANDS, commands, True))

    def tell(
        self, t_ns: int = S, frame: SensorFrame | None = FRAME, client: bool = True, connected: bool = True
    ) -> None:
        payload = b"" if frame is None else frame.payload()
        self.bridge_state.write(BridgeState(t_ns, connected, client, NONE, payload).pack())

    def close(self) -> None:
        for each in (self.bridge_state, self.bridge_commands, self.link._state_box, self.link._commands):
            each.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def test_a_frame_reaches_the_sensors_once(ends: Ends) -> None:
    motion = SimNetMotion(ends.link, 20)
    assert not motion.ready
    assert motion.poll(S) is None
    ends.tell(frame=FRAME._replace(t_ns=S))
    sample = motion.poll(S + 1)
    assert motion.ready
    assert sample is not None and sample.accel == FRAME.accel and sample.t_ns == S
    ends.tell(t_ns=S + 1, frame=FRAME._replace(t_ns=S))
    assert motion.poll(S + 2) is None, "the same frame again is nothing new"
    ends.tell(frame=FRAME._replace(t_ns=S + 2, seq=2))
    assert motion.poll(S + 3) is not None


def test_a_bridge_that_is_gone_listens_no_more(ends: Ends) -> None:
    assert not ends.link.listening(S)
    ends.tell(t_ns=S)
    assert ends.link.listening(S + ALIVE_NS)
    assert not ends.link.listening(S + ALIVE_NS + 1)
    assert not ends.link.listening(S - 1), "from the future"
    ends.tell(t_ns=2 * S, client=False)
    assert not ends.link.listening(2 * S)
    assert ends.link.status(2 * S)["sim_net_actuator_client_connected"] is False


def test_commands_reach_the_bridge(ends: Ends) -> None:
    ends.link.send(S, True, (0.5, -0.5, 0.25, 0.0))
    data = ends.bridge_commands.take()
    assert data is not None
    command = ControllerCommand.unpack(data)
    assert (command.seq, command.t_ns, command.armed, command.servos) == (1, S, True, (0.5, -0.5, 0.25, 0.0))


@given(st.binary(min_size=STATE.size, max_size=STATE.size))
def test_a_message_that_is_damaged_is_none(data: bytes) -> None:
    assert BridgeState.unpack(data) is None
    sound = BridgeState(S, True, True, NONE, FRAME.payload()).pack()
    spot = data[0] % len(sound)
    assert BridgeState.unpack(sound[:spot] + bytes([sound[spot] ^ 0x10]) + sound[spot + 1 :]) is None
    assert BridgeState.unpack(sound) is not None


def test_damage_does_not_reach_the_loop(ends: Ends) -> None:
    ends.tell()
    assert ends.link.latest is not None
    ends.bridge_state.write(b"\xff" * STATE.size)
    assert ends.link.connected
    assert ends.link.latest == FRAME


class Simulator:
    """The far end: serves sensors, takes commands."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port: int = self.listener.getsockname()[1]
        self.actuator_port = free_port()
        self.sensors: socket.socket | None = None
        self.commands: socket.socket | None = None
        self.stream = Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES)
        self.received: list[ActuatorFrame] = []
        self.seq = 0

    @property
    def config(self) -> str:
        return f"{QUIET}[sim_net]\nenabled = true\nsensor_port = {self.port}\nactuator_port = {self.actuator_port}\n"

    def connect(self) -> None:
        self.sensors, _ = self.listener.accept()
        end = time.monotonic() + 20
        while self.commands is None:
            assert time.monotonic() < end
            try:
                self.commands = socket.create_connection(("127.0.0.1", self.actuator_port), 20)
            except ConnectionRefusedError:
                time.sleep(0.01)
        self.commands.setblocking(False)

    def step(self, accel: float = 9.8) -> None:
        """One frame out, and all commands in."""
        assert self.sensors is not None and self.commands is not None
        self.seq += 1
        self.sensors.sendall(FRAME._replace(seq=self.seq, t_ns=now_ns(), accel=(0.001 * self.seq, 0.0, accel)).pack())
        try:
            payloads = self.stream.feed(self.commands.recv(65536))
        except BlockingIOError:
            return
        self.received += [ActuatorFrame.unpack(payload) for payload in payloads]

    def close(self) -> None:
        for each in (self.listener, self.sensors, self.commands):
            if each is not None:
                each.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    made = Simulator()
    yield made
    made.close()


@pytest.fixture
def bridge() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pilotlight.runtime.control.bridge"]
        started.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PACKAGES}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


async def flying(it: Plant, simulator: Simulator, condition: Callable[[], bool]) -> None:
    """Let the simulator send until a condition holds."""

    def reached() -> bool:
        simulator.step()
        return condition()

    await it.until(reached)


def test_a_loop_flies_with_a_simulator_and_outlives_its_bridge(
    simulator: Simulator, bridge: Callable[[], subprocess.Popen[bytes]]
) -> None:
    def status(it: Plant, key: str) -> Any:
        return it.value(f"{STATUS_PREFIX}sim_net_{key}")

    async def scenario() -> None:
        async with plant(simulator.config) as it:
            pid = await it.running()
            assert door_path().exists()
            await it.until(lambda: it.value("Servo.Reason") != Reason.NONE)
            process = bridge()
            await asyncio.to_thread(simulator.connect)
            await flying(it, simulator, lambda: it.value("Sensor.Ax") > 0.0 and it.value("Servo.Reason") == Reason.NONE)
            await flying(it, simulator, lambda: len(simulator.received) > 3 and status(it, "actuator_frames") > 3)
            assert status(it, "sensor_frames") > 0
            assert status(it, "actuator_client_connected") is True
            numbers = [frame.seq for frame in simulator.received]
            assert numbers == sorted(set(numbers))

            # A bridge that hangs, and one that dies, cost the link and nothing else.
            process.send_signal(signal.SIGSTOP)
            await it.until(lambda: it.value("Servo.Reason") != Reason.NONE)
            ticks = it.value("Status.control_ticks")
            await it.until(lambda: it.value("Status.control_ticks") > ticks + 100)
            process.kill()
            simulator.sensors, simulator.commands = None, None
            bridge()
            await asyncio.to_thread(simulator.connect)
            await flying(it, simulator, lambda: it.value("Servo.Reason") == Reason.NONE)
            assert await it.running() == pid
            assert it.supervisor.restarts == 0

    asyncio.run(scenario())


def test_a_bridge_ends_when_there_is_no_door(
    simulator: Simulator, bridge: Callable[[], subprocess.Popen[bytes]]
) -> None:
    async def scenario() -> None:
        async with plant(simulator.config) as it:
            await it.running()
            process = bridge()
            await asyncio.to_thread(simulator.connect)
            assert await it.supervisor.stop() is LoopState.STOPPED
            assert not door_path().exists()
            assert await asyncio.to_thread(process.wait, 20) == 0

    asyncio.run(scenario())


def test_ports_that_are_taken_end_the_bridge_with_the_reason(
    simulator: Simulator, bridge: Callable[[], subprocess.Popen[bytes]]
) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", simulator.actuator_port)):
            async with plant(simulator.config) as it:
                await it.running()
                assert await asyncio.to_thread(bridge().wait, 20) == 1
                assert it.supervisor.state is LoopState.RUNNING

    asyncio.run(scenario())
