# SPDX-License-Identifier: Apache-2.0
"""The igniter as processes on a simulated chip: arming and firing over the bus, and what happens when parts die."""

from __future__ import annotations

import contextlib
import getpass
import json
import mmap
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import Client, DaemonError, state_directory
from pilotlight.igniter.audit import LOST
from pilotlight.igniter.outputs import simulated_path
from pilotlight.io.simulated import LEVEL, MAGIC, SimulatedChip
from pilotlight.tags import SegmentReader, now_ns

from tests.support.daemons import Daemons
from tests.unit.igniter.test_facts import BEGUN, Plc, plc

__all__ = ["plc"]

KILL, STATUS = 0, (4, 5)
OUTPUTS = (2, 3)
_YAML = """
channels:
  1: {chip: igniter0, line: 2, status: 4}
  3: {chip: igniter0, line: 3, status: 5}
arming:
  kill_switch: {chip: igniter0, line: 0}
  continuity: true
  countdown_ms: 0
  priority: 0
  supervisor_ms: 3000
  lease_ms: 20000
  confirm_ms: 20000
  fresh_ms: 10000
  max_fire_ms: 30000
  stall_ms: STALL
simulated: {}
"""
LIMIT_S = 30.0
TRIES = 10
WINDOW_MS = 25_000


class Site:
    """A running igniter, the wires of its simulated chip, and a session."""

    def __init__(self, daemons: Daemons, stall_ms: int = 1000) -> None:
        self.path = simulated_path("igniter0")
        self.path.parent.mkdir(parents=True)
        self.chip = SimulatedChip.create(self.path, 8)
        for line in (KILL, *STATUS):
            self.chip.drive(line, True)
        daemons.configure("igniter", _YAML.replace("STALL", str(stall_ms)))
        self.daemon = daemons.start("igniter")
        self.client = Client("io.pilotlight.Igniter1")
        self.session = self.sequence = 0
        file = os.open(self.path, os.O_RDWR)
        self.map = mmap.mmap(file, 0)
        os.close(file)

    def levels(self) -> tuple[bool, ...]:
        return tuple(bool(self.map[len(MAGIC) + line] & LEVEL) for line in OUTPUTS)

    def call(self, method: str, *arguments: Any) -> Any:
        self.sequence += 1
        return self.client.call(method, self.session, self.sequence, now_ns(), *arguments)

    def arm(self, *channels: int) -> str:
        """Both steps. On a busy machine a watchdog may come between; what it has made safe is armed again."""
        for _ in range(TRIES):
            self.wait_until(lambda: self.failing(*channels) <= {"REAL_TIME"})
            try:
                self.session, _ = self.client.call("OpenSession")
                self.sequence = 0
                code, _, _ = self.call("Prepare", list(channels), ["REAL_TIME"])
                token: str = self.call("Arm", code)
            except DaemonError as error:
                assert self.client.call("Status").get("Cause", "START") in ("WATCHDOGS", "START"), error
                self.close_session()
            else:
                return token
        raise AssertionError("it cannot be armed")

    def close_session(self) -> None:
        with contextlib.suppress(DaemonError):
            self.call("CloseSession")

    def counts(self) -> tuple[int, int]:
        """How many commands were accepted and refused."""
        with contextlib.closing(SegmentReader.open("igniter")) as reader:
            accepted, refused = (reading.value for reading in reader.read("CommandsAccepted", "CommandsRefused"))
        return accepted, refused

    def audit(self, *events: str) -> list[dict[str, Any]]:
        """The entries of these kinds in the audit."""
        text = (state_directory("igniter") / "audit.jsonl").read_text()
        return [entry for entry in map(json.loads, text.splitlines()) if entry["event"] in events]

    def failing(self, *channels: int) -> set[str]:
        return {check["Check"] for check in self.client.call("Checks", list(channels)) if not check["Passed"]}

    def wait_until(self, holds: Any) -> None:
        end = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.01)

    def until_off(self) -> float:
        """Milliseconds until every output is off."""
        start = time.monotonic()
        while any(self.levels()):
            assert time.monotonic() - start < LIMIT_S, "an output stays on"
            time.sleep(0.0002)
        return (time.monotonic() - start) * 1000

    def processes(self) -> tuple[int, int]:
        loop, guard = self.client.call("Status")["Processes"]
        return loop, guard

    def fire(self) -> None:
        """Fire both channels for much longer than anything here takes."""
        for _ in range(TRIES):
            token = self.arm(1, 3)
            with contextlib.suppress(DaemonError):
                self.call("Fire", token, [1, 3], [WINDOW_MS, WINDOW_MS])
            if self.levels() == (True, True):
                return
            self.close_session()
        raise AssertionError("it cannot be fired")


@pytest.fixture
def site(daemons: Daemons) -> Iterator[Site]:
    made = Site(daemons)
    yield made
    made.map.close()
    made.chip.close()


def test_arm_continuity_fire_record(site: Site, tmp_path: Path) -> None:
    token = site.arm(1, 3)
    status = site.client.call("Status")
    assert (status["Armed"], status["Armable"], status["KillSwitchClosed"]) == (True, True, True)
    assert [c["Continuity"] for c in site.client.call("Channels")] == ["PRESENT", "UNKNOWN", "PRESENT", "UNKNOWN"]
    site.call("Fire", token, [3], [60])
    assert site.levels() == (False, True)
    site.wait_until(lambda: site.client.call("Shots"))
    (shot,) = site.client.call("Shots")
    assert (shot["Channel"], shot["Window"], shot["End"]) == (3, 60, "COMPLETED")
    assert shot["OnTime"] >= 55
    assert site.client.call("Status")["Cause"] == "FIRED"
    commands = [(entry["command"], entry["verdict"]) for entry in site.audit("command")]
    assert commands[-4:] == [(name, "ACCEPTED") for name in ("OPEN", "PREPARE", "ARM", "FIRE")]
    assert token not in (tmp_path / "state/igniter/audit.jsonl").read_text()


def test_every_refusal_has_its_text(site: Site) -> None:
    site.chip.drive(KILL, False)
    site.chip.drive(STATUS[0], False)
    site.wait_until(lambda: site.failing(1) == {"REAL_TIME", "KILL_SWITCH", "CONTINUITY"})
    site.session, _ = site.client.call("OpenSession")
    with pytest.raises(DaemonError, match=r"KILL_SWITCH: the kill switch is open.*CONTINUITY: a selected") as refused:
        site.call("Prepare", [1], [])
    assert refused.value.dbus_name == "io.pilotlight.Error.NotArmable"
    refused: list[tuple[str, tuple[Any, ...], str]] = [
        ("Prepare", ([1], ["KILL_SWITCH"]), "KILL_SWITCH cannot be forced"),
        ("Prepare", ([1], ["LUCK"]), "there is no arming check LUCK"),
        ("Prepare", ([5], []), "channels are 1 to 4"),
        ("Prepare", ([2], []), "LINES: "),
        ("Fire", ("0" * 16, [1], []), "each channel is named once"),
        ("Fire", ("0" * 16, [1, 1], [5, 5]), "each channel is named once"),
        ("Fire", ("0" * 16, [7], [5]), "channels are 1 to 4"),
    ]
    for method, arguments, reason in refused:
        with pytest.raises(DaemonError, match=reason):
            site.call(method, *arguments)
    with pytest.raises(DaemonError, match="sequence number is not above"):
        site.client.call("KeepAlive", site.session, 1, now_ns())
    with pytest.raises(DaemonError, match="out of range"):
        site.client.call("ClearFaults", site.session, 0, now_ns())
    for method in ("KeepAlive", "CloseSession"):
        with pytest.raises(DaemonError, match="no such session"):
            site.client.call(method, 5, 99, now_ns())
    assert site.levels() == (False, False)
    # All but the signs of life.
    site.wait_until(lambda: site.counts() == (1, 1 + len(refused) + 2))
    entries = site.audit("command", "refused")
    assert [entry["command"] for entry in entries] == [
        "OPEN", "PREPARE", *(method.upper() for method, _, _ in refused), "CLEAR", "KEEP", "CLOSE",
    ]  # fmt: skip
    assert {entry["by"] for entry in entries} == {getpass.getuser()}


def test_what_arms_or_fires_is_on_the_disk_before_it_is_done(site: Site) -> None:
    token = site.arm(1)
    site.call("Fire", token, [1], [20])
    entries = site.audit("asked", "command")
    told = [(entry["event"], entry["command"]) for entry in entries][-6:]
    assert told == [
        ("command", "OPEN"), ("command", "PREPARE"), ("asked", "ARM"), ("command", "ARM"), ("asked", "FIRE"),
        ("command", "FIRE"),
    ]  # fmt: skip
    assert entries[-2]["channels"] == [1]
    assert "verdict" not in entries[-2]


def test_a_wrong_token_makes_safe(site: Site) -> None:
    site.arm(1)
    with pytest.raises(DaemonError, match="token is not the one"):
        site.call("Fire", "0123456789abcdef", [1], [100])
    assert site.client.call("Status")["Mode"] == "SAFE"


def test_the_kill_switch_switches_off_and_stays_off(site: Site) -> None:
    site.fire()
    site.chip.drive(KILL, False)
    site.until_off()
    # The guard may have been first; a simulated chip shows the loop no opening that is over when it looks.
    site.wait_until(lambda: not site.client.call("Status")["KillSwitchClosed"])
    site.chip.drive(KILL, True)
    site.wait_until(lambda: site.client.call("Status")["KillSwitchClosed"])
    status = site.client.call("Status")
    assert (status["Mode"], status["Cause"]) == ("SAFE", "KILL_SWITCH")
    assert site.levels() == (False, False)


def test_disarm_needs_no_session(site: Site) -> None:
    site.fire()
    site.client.call("Disarm")
    assert site.levels() == (False, False)


def test_an_interlock_that_is_lost_for_a_scan_switches_off_and_is_named(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, plc: Plc
) -> None:
    monkeypatch.setattr(f"{__name__}._YAML", _YAML.replace("simulated:", "  interlocks: [plc.Clear]\nsimulated:"))
    site = Site(daemons)
    site.fire()
    plc.scan(Clear=False)
    plc.scan(Clear=True)
    site.until_off()
    site.wait_until(lambda: site.client.call("Status")["Mode"] == "SAFE")
    status = site.client.call("Status")
    assert (status["Cause"], status["InterlocksLost"]) == ("INTERLOCK", [f"plc.Clear: {BEGUN}"])
    assert [entry["lost"] for entry in site.audit("mode") if "lost" in entry] == [[f"plc.Clear: {BEGUN}"]]
    site.map.close()
    site.chip.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP, signal.SIGTERM])
@pytest.mark.parametrize("who", ["loop", "guard", "both", "parent"])
def test_whoever_dies_or_stops_while_firing_the_outputs_go_off(
    daemons: Daemons, site: Site, number: int, who: str
) -> None:
    if (who, number) in {("guard", signal.SIGTERM), ("both", signal.SIGTERM)}:
        number = signal.SIGABRT  # The guard does not end by SIGTERM.
    loop, guard = site.processes()
    victims = {"loop": [loop], "guard": [guard], "both": [loop, guard], "parent": [site.daemon.pid]}[who]
    site.fire()
    fired_ns = now_ns()
    for victim in victims:
        os.kill(victim, number)
    assert site.until_off() < WINDOW_MS / 2, "nobody has switched off before the window's end"
    if who == "parent":
        # Ended by SIGTERM it makes the records itself; after any other end the next one does.
        if number == signal.SIGSTOP:
            site.daemon.kill()
        site.daemon.wait(LIMIT_S)
        site.daemon = daemons.start("igniter")
        site.wait_until(lambda: [entry["channel"] for entry in site.audit("shot")][-2:] == [1, 3])
        lost = [entry["verdict"] == LOST for entry in site.audit("shot")[-2:]]
        assert lost == [number != signal.SIGTERM] * 2
        return
    site.wait_until(lambda: set(site.processes()).isdisjoint({loop, guard, 0}))
    site.wait_until(lambda: site.client.call("Status")["Healthy"])
    assert site.client.call("Status")["Mode"] == "SAFE"
    shots = site.client.call("Shots")
    numbers = [shot["Number"] for shot in shots]
    for shot, channel in zip(shots[-2:], (1, 3), strict=True):
        assert (shot["Channel"], shot["Window"], shot["End"] in ("LOOP_ENDED", "ABORTED")) == (channel, WINDOW_MS, True)
        assert shot["Commanded"] < fired_ns < shot["Off"] < now_ns()
    assert [entry["number"] for entry in site.audit("shot")] == numbers
    site.fire()
    site.client.call("Disarm")
    site.wait_until(lambda: len(site.client.call("Shots")) >= len(shots) + 2)
    numbers = [shot["Number"] for shot in site.client.call("Shots")]
    assert numbers == list(range(1, len(numbers) + 1)), "numbers go on in the next loop"
