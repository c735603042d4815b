# SPDX-License-Identifier: Apache-2.0
"""Arming and firing on every appliance: the same scenarios on simulated lines and on lines of the kernel."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml
from pilotlight.plc.loading import load_program
from pilotlight.plc.package import write_package

from tests.support import igniter_scripts
from tests.support.appliance import Appliance, bus, run, unit_property, wait_until_active
from tests.support.editor import Editor, deadline

PROGRAM = Path(__file__).parents[1] / "programs/fire.py"
SCRIPTS, MAILBOXES = "/tmp/igniter_scripts.py", "/tmp/igniter.toml"
KILL, OUTPUTS, STATUS = 0, (2, 3), (4, 5)
SETTINGS = "/etc/pilotlight/igniter.yaml"
FORCED = igniter_scripts.FORCED
# Generous where an emulated processor is slow, and nowhere else.
ARMING = {
    "continuity": True, "countdown_ms": 200, "lease_ms": 20_000, "confirm_ms": 20_000, "fresh_ms": 10_000,
    "max_fire_ms": 30_000, "supervisor_ms": 5000, "stall_ms": 900,
}  # fmt: skip
BY_PROGRAM = {"channels": [1, 3], "forced": FORCED, "silent_ms": 5000}
START_S = SCRIPT_S = 180.0
PATIENCE_S = 180.0


class Lines(Protocol):
    """A chip of at least six lines: line 0 is the kill switch, 2 and 3 are outputs, 4 and 5 their STATUS."""

    label: str

    def driving(self, line: int, level: bool) -> str:
        """The shell command on the appliance that drives an input."""

    def level(self, line: int) -> bool:
        """The level of a line."""


@dataclass(frozen=True)
class Site:
    """An appliance with the igniter's lines; `arming` and `more` are what else belongs there, and into igniter.yaml."""

    appliance: Appliance
    lines: Lines
    arming: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def configure(site: Site, **arming: Any) -> None:
    """Restart the igniter with channels 1 and 3 and these settings of arming; matches connected, kill switch closed."""
    chip = site.lines.label
    channels = {
        number: {"chip": chip, "line": line, "status": status}
        for number, line, status in zip((1, 3), OUTPUTS, STATUS, strict=True)
    }
    all_of_it = {"kill_switch": {"chip": chip, "line": KILL}, **ARMING, **site.arming, **arming}
    site.appliance.write(SETTINGS, yaml.safe_dump({"channels": channels, "arming": all_of_it, **site.more}).encode())
    site.appliance.write(SCRIPTS, Path(igniter_scripts.__file__).read_bytes())
    before = unit_property(site.appliance, "igniter", "MainPID")
    run(site.appliance, "systemctl restart pilotlight-igniter", START_S)
    wait_until_active(site.appliance, "igniter", before, START_S)
    for line in (KILL, *STATUS):
        run(site.appliance, site.lines.driving(line, True))


def script(site: Site, name: str, *arguments: str) -> Any:
    """What a function of `igniter_scripts` finds on the appliance."""
    words = shlex.join(["python3", SCRIPTS, name, *arguments])
    return json.loads(run(site.appliance, words, SCRIPT_S).splitlines()[-1])


def shots(site: Site) -> list[tuple[int, int, str]]:
    """Channel, window and end of the last shots."""
    (found,) = bus(site.appliance, "igniter", "Shots")
    return [tuple(shot[key]["data"] for key in ("Channel", "Window", "End")) for shot in found]


def status(site: Site, key: str) -> Any:
    """An entry of the igniter's status."""
    return bus(site.appliance, "igniter", "Status")[0][key]["data"]


def counts(site: Site) -> list[int]:
    """How many commands the igniter has accepted and refused since it was configured."""
    told = run(site.appliance, "pilotlight tags read --json igniter.CommandsAccepted igniter.CommandsRefused")
    return [json.loads(line)["value"] for line in told.splitlines()]


def fires_by_bus(site: Site) -> None:
    """Arm in two steps, see continuity, fire, find the records: over D-Bus."""
    configure(site)
    script(site, "sound")
    found = script(site, "fire")
    assert (found["armed"], found["continuity"]) == (True, ["PRESENT", "PRESENT"])
    assert [(channel, window, end) for channel, window, _, end in found["shots"]] == [
        (1, 300, "COMPLETED"), (3, 400, "COMPLETED"),
    ]  # fmt: skip
    # A window begins with the command; on a slow machine the output follows a while later.
    assert all(on_ms > window / 2 for _, window, on_ms, _ in found["shots"])
    assert [site.lines.level(line) for line in OUTPUTS] == [False, False]


def fires_by_cli(site: Site) -> None:
    """The same with the command for people, without its questions."""
    configure(site)
    script(site, "sound")
    forced = " ".join(f"--force {check}" for check in FORCED)
    told = run(site.appliance, f"pilotlight igniter fire 1:200 3:300 --without-asking {forced}", SCRIPT_S)
    assert re.search(r"(?s)CONTINUITY +ok.*ARMED.*FIRED.*channel 1  200 ms.*channel 3  300 ms", told), told
    assert sorted(shots(site)) == [(1, 200, "COMPLETED"), (3, 300, "COMPLETED")]


def fires_by_mailbox(site: Site) -> None:
    """The same with the command that other systems know, and its refusal to fire what is safe again."""
    configure(site, mailboxes={"forced": FORCED})
    script(site, "sound")
    site.appliance.write(MAILBOXES, b"[igniter]\n")
    for words in ("arm", "fire-mask --mask 0x5 --d0 200 --d2 300"):
        assert run(site.appliance, f"igniter_cli --config {MAILBOXES} {words}", SCRIPT_S).strip() == "ACCEPTED"
    for _ in deadline(PATIENCE_S, every_s=0.5):
        if len(shots(site)) == 2:
            break
    assert sorted(shots(site)) == [(1, 200, "COMPLETED"), (3, 300, "COMPLETED")]
    code, told = site.appliance.execute(f"igniter_cli --config {MAILBOXES} fire-one --channel 0", SCRIPT_S)
    assert (code, told.strip()) == (1, "WRONG_STATE")
    assert counts(site) == [2, 1]


def fires_by_program(site: Site, editor: Editor) -> None:
    """A ladder program asks for all of it by its tags, and what it has done is audited."""
    configure(site, program=BY_PROGRAM)
    script(site, "sound")
    site.appliance.set_input(False)
    built = editor.build(write_package(load_program(PROGRAM).package("fire")))
    assert built["status"] == "SUCCESS", built
    if editor.state() != "RUNNING":
        editor.start()
    editor.wait_for_state("RUNNING", PATIENCE_S)
    site.appliance.set_input(True)
    assert program_says(site, "request 5: ") == "has no session; request 5: ACCEPTED"
    assert shots(site) == [(1, 300, "COMPLETED")]
    audit = run(site.appliance, "tail -n 40 /data/pilotlight/igniter/audit.jsonl")
    entries = [json.loads(line) for line in audit.splitlines()]
    done = [entry for entry in entries if (entry["event"], entry.get("by")) == ("command", "the PLC program")][-5:]
    assert [entry["command"] for entry in done] == ["OPEN", "PREPARE", "ARM", "FIRE", "CLOSE"]
    site.appliance.set_input(False)


def program_says(site: Site, words: str) -> str:
    """What the igniter tells of the PLC program once these words are in it, or what it tells at last."""
    told = ""
    for _ in deadline(PATIENCE_S, every_s=0.5):
        told = status(site, "Program")
        if words in told:
            break
    return told


def program_that_stops_loses_its_session(site: Site, editor: Editor) -> None:
    """The program of before holds the session while it is stopped."""
    editor.wait_for_state("RUNNING", PATIENCE_S)
    told = ""
    for _ in deadline(PATIENCE_S, every_s=1.0):
        site.appliance.set_input(False)
        site.appliance.set_input(True)
        told = status(site, "Program")
        if "holds the session" in told:
            break
    assert "holds the session" in told
    bus(site.appliance, "runtime", "Stop")
    told = program_says(site, "the PLC does not run")
    assert "has no session" in told and "the PLC does not run" in told
    assert (status(site, "Mode"), status(site, "Session")) == ("SAFE", False)
    site.appliance.set_input(False)
