# SPDX-License-Identifier: Apache-2.0
"""Arming and firing on every appliance: the same scenarios on simulated lines and on lines of the kernel."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, Protocol

from pilotlight.plc.loading import load_program
from pilotlight.plc.package import write_package

from tests.support.appliance import Appliance, bus, run, unit_property, wait_until_active
from tests.support.editor import Editor, deadline

PROGRAM = Path(__file__).parents[1] / "programs/fire.py"
KILL, OUTPUTS, STATUS = 0, (2, 3), (4, 5)
SETTINGS = "/etc/pilotlight/igniter.yaml"
START_S = 180.0
PATIENCE_S = 60.0
# Generous where an emulated processor is slow, and nowhere else.
_YAML = """\
channels:
  1: {{chip: {chip}, line: 2, status: 4}}
  3: {{chip: {chip}, line: 3, status: 5}}
arming:
  kill_switch: {{chip: {chip}, line: 0}}
  continuity: true
  countdown_ms: 200
  lease_ms: 20000
  confirm_ms: 20000
  fresh_ms: 10000
  max_fire_ms: 30000
  supervisor_ms: 5000
  stall_ms: 900
  priority: {priority}
  interlocks: [{interlock}]
  program: {{channels: [1, 3], forced: [CLOCK, REAL_TIME], silent_ms: 5000}}
{more}
"""
# Runs on the appliance. A session belongs to one connection, so that a shell cannot have one.
_CLIENT = """
import json, sys, time
from pilotlight.daemon import Client, DaemonError
from pilotlight.tags import now_ns
client = Client("io.pilotlight.Igniter1", timeout=30)
FORCED = ["CLOCK", "REAL_TIME"]
number = 0
def call(method, *arguments):
    global number
    number += 1
    return client.call(method, session, number, now_ns(), *arguments)
def until(holds):
    end = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < end, client.call("Status")
        time.sleep(0.02)
    return found
"""
_FIRE = """
session, _ = client.call("OpenSession")
code, countdown, _ = call("Prepare", [1, 3], FORCED)
until(lambda: client.call("Status")["Mode"] == "ARMING")
time.sleep(countdown / 1000 + 0.05)
token = call("Arm", code)
armed = client.call("Status")["Armed"]
continuity = [client.call("Channels")[n]["Continuity"] for n in (0, 2)]
before = {shot["Number"] for shot in client.call("Shots")}
call("Fire", token, [1, 3], [300, 300])
shots = until(lambda: [s for s in client.call("Shots") if s["Number"] not in before][1:] and client.call("Shots")[-2:])
call("CloseSession")
print(json.dumps([armed, continuity, [[s["Channel"], s["End"], s["OnTime"]] for s in shots]]))
"""
# Has arming refused for a check, after a command that makes it fail; in the command, GUARD is the guard's process.
_REFUSED = """
import os
check, channel, command = sys.argv[1], int(sys.argv[2]), sys.argv[3]
session, refused = 0, ""
while not refused:
    guard = until(lambda: client.call("Status")["Processes"][1])
    assert os.system(command.replace("GUARD", str(guard))) == 0, command
    told = until(lambda: [c for c in client.call("Checks", [channel]) if c["Check"] == check and not c["Passed"]])
    try:
        session, number = client.call("OpenSession")[0], 0
        call("Prepare", [channel], [])
    except DaemonError as error:
        refused = str(error) if check + ": " in str(error) else ""
    try:
        call("CloseSession")
    except DaemonError:
        pass
print(json.dumps([told[0]["Text"], refused]))
"""
# Fires for long, and has STATUS go low meanwhile.
_FAULT = """
import os
session, _ = client.call("OpenSession")
code, countdown, _ = call("Prepare", [1], FORCED)
time.sleep(countdown / 1000 + 0.05)
call("Fire", call("Arm", code), [1], [20000])
assert os.system(sys.argv[1]) == 0
ended = until(lambda: client.call("Status")["Mode"] == "SAFE" and client.call("Shots"))[-1]
os.system(sys.argv[2])
print(json.dumps([client.call("Status")["Cause"], client.call("Status")["FaultLatched"], ended["End"]]))
"""
_CLEAR = """
session, _ = client.call("OpenSession")
call("ClearFaults")
call("CloseSession")
print("[]")
"""


class Site(Protocol):
    """An appliance with an igniter's lines: line 0 the kill switch, 2 and 3 outputs, 4 and 5 their STATUS."""

    appliance: Appliance
    chip: str
    more: str
    """What else belongs into igniter.yaml."""

    def driving(self, line: int, level: bool) -> str:
        """The shell command on the appliance that drives an input."""

    def level(self, line: int) -> bool:
        """The level of a line."""


def drive(site: Site, line: int, level: bool) -> None:
    """Drive an input of the igniter."""
    run(site.appliance, site.driving(line, level))


def script(site: Site, text: str, *arguments: object) -> Any:
    """What a Python script on the appliance prints last, decoded."""
    words = " ".join(shlex.quote(str(word)) for word in (_CLIENT + text, *arguments))
    return json.loads(run(site.appliance, f"python3 -c {words}", 150).splitlines()[-1])


def configure(site: Site, interlock: str = "", priority: int = 60) -> None:
    """Have the igniter armable, with all in order."""
    text = _YAML.format(chip=site.chip, interlock=interlock, priority=priority, more=site.more)
    run(site.appliance, f"printf %s {shlex.quote(text)} >{SETTINGS}")
    before = unit_property(site.appliance, "igniter", "MainPID")
    run(site.appliance, "systemctl restart pilotlight-igniter", START_S)
    wait_until_active(site.appliance, "igniter", before, START_S)
    for line in (KILL, *STATUS):
        drive(site, line, True)


# What fails for channels 1 and 3 and is not forced; the loop itself is away for a moment after a watchdog.
_FAILING = """
def failing():
    try:
        return [c["Check"] for c in client.call("Checks", [1, 3]) if not c["Passed"] and c["Check"] not in FORCED]
    except DaemonError as error:
        return [str(error)]
end = time.monotonic() + 60
while (left := failing()) and time.monotonic() < end:
    time.sleep(0.1)
print(json.dumps(left))
"""


def wait_until_sound(site: Site) -> None:
    """Wait until nothing stands against arming but what the scenarios force."""
    assert script(site, _FAILING) == [], bus(site.appliance, "igniter", "Status")


def shots(site: Site) -> list[dict[str, Any]]:
    """The records of the last shots."""
    (found,) = bus(site.appliance, "igniter", "Shots")
    return [{name: value["data"] for name, value in shot.items()} for shot in found]


def fires_by_bus(site: Site) -> None:
    """Arm in two steps, see continuity, fire, find the records: over D-Bus."""
    wait_until_sound(site)
    armed, continuity, fired = script(site, _FIRE)
    assert (armed, continuity) == (True, ["PRESENT", "PRESENT"])
    assert [(channel, end) for channel, end, _ in fired] == [(1, "COMPLETED"), (3, "COMPLETED")]
    assert all(on_ms >= 290 for _, _, on_ms in fired)
    assert [site.level(line) for line in OUTPUTS] == [False, False]


def fires_by_cli(site: Site) -> None:
    """The same with the command for people, without its questions."""
    wait_until_sound(site)
    before = len(shots(site))
    told = run(
        site.appliance,
        "pilotlight igniter fire 1:200 3:300 --without-asking --force CLOCK --force REAL_TIME", 150,
    )  # fmt: skip
    assert re.search(r"(?s)CONTINUITY +ok.*ARMED.*FIRED.*channel 1  200 ms.*channel 3  300 ms", told), told
    assert [shot["End"] for shot in shots(site)[before:]] == ["COMPLETED", "COMPLETED"]


def fires_by_program(site: Site, editor: Editor) -> None:
    """A ladder program asks for all of it by its tags, and what it has done is audited."""
    wait_until_sound(site)
    site.appliance.set_input(False)
    status = editor.build(write_package(load_program(PROGRAM).package("fire")))
    assert status["status"] == "SUCCESS", status
    if editor.state() != "RUNNING":
        editor.start()
    editor.wait_for_state("RUNNING")
    before = len(shots(site))
    site.appliance.set_input(True)
    told = ""
    for _ in deadline(PATIENCE_S, every_s=0.5):
        told = bus(site.appliance, "igniter", "Status")[0]["Program"]["data"]
        if "request 5: " in told:
            break
    assert told == "has no session; request 5: ACCEPTED"
    assert [(s["Channel"], s["Window"], s["End"]) for s in shots(site)[before:]] == [(1, 300, "COMPLETED")]
    audit = run(site.appliance, "tail -n 40 /data/pilotlight/igniter/audit.jsonl")
    entries = [json.loads(line) for line in audit.splitlines()]
    done = [entry for entry in entries if entry.get("by") == "the PLC program"][-5:]
    assert [entry["command"] for entry in done] == ["OPEN", "PREPARE", "ARM", "FIRE", "CLOSE"]
    site.appliance.set_input(False)


def program_that_stops_loses_its_session(site: Site, editor: Editor) -> None:
    """The program of before holds the session while it is stopped."""
    wait_until_sound(site)
    editor.wait_for_state("RUNNING")
    text = ""
    for _ in deadline(PATIENCE_S, every_s=1.0):
        site.appliance.set_input(False)
        site.appliance.set_input(True)
        text = bus(site.appliance, "igniter", "Status")[0]["Program"]["data"]
        if "holds the session" in text:
            break
    assert "holds the session" in text
    bus(site.appliance, "runtime", "Stop")
    told: dict[str, Any] = {}
    for _ in deadline(PATIENCE_S, every_s=0.1):
        told = {name: value["data"] for name, value in bus(site.appliance, "igniter", "Status")[0].items()}
        if not told["Session"]:
            break
    assert (told["Mode"], told["Armed"], told["Session"]) == ("SAFE", False, False), told
    assert "the PLC does not run" in told["Program"]
    site.appliance.set_input(False)


def refused(site: Site, check: str, command: str = "true", channel: int = 1) -> None:
    """After the command arming is refused, and the refusal says of the check what the list of checks says."""
    told, said = script(site, _REFUSED, check, channel, command)
    assert told, check
    assert f"{check}: " in said
    assert told in said
    assert said.endswith("Nothing was done by it")


def every_check_refuses(site: Site) -> None:
    """Each arming check that can be made to fail on any appliance, and what the refusal says.

    Not here: an output that reads on by itself, and a driver that lets lines persist.
    """
    wait_until_sound(site)
    refused(site, "LINES", channel=2)
    for check, line in (("KILL_SWITCH", KILL), ("CONTINUITY", STATUS[0])):
        refused(site, check, site.driving(line, False))
        drive(site, line, True)
        wait_until_sound(site)
    refused(site, "WATCHDOGS", "kill -STOP GUARD")
    wait_until_sound(site)
    told = script(site, _FAULT, site.driving(STATUS[0], False), site.driving(STATUS[0], True))
    assert told == ["FAULT", True, "FAULTED"]
    refused(site, "NO_FAULT")
    script(site, _CLEAR)
    configure(site, interlock="plc.Clear", priority=0)
    refused(site, "INTERLOCKS")
    refused(site, "REAL_TIME")
    configure(site)
    wait_until_sound(site)
