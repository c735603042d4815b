# SPDX-License-Identifier: Apache-2.0
"""Whole sessions of the Debug Adapter Protocol with a server in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .dap import Client

PROGRAM = """\
from pilotlight.plc import Bool, Dint, Int, Program, Rung, Tms, branch, calc, call, on_delay, out, rise, subroutine

Start, Stop, Motor, Warm, Lamp = Bool("Start"), Bool("Stop"), Bool("Motor"), Bool("Warm"), Bool("Lamp")
Starts, Elapsed, Twice = Dint("Starts"), Int("Elapsed"), Dint("Twice")

print("loading")
with Program() as logic:
    with Rung((Start | Motor), ~Stop):
        out(Motor)
    with Rung(rise(Motor)):
        calc(Starts + 1, Starts)
    with Rung(Motor):
        on_delay(Warm, Elapsed, preset=50, unit=Tms)
    with Rung(Motor):
        with branch(Warm):
            out(Lamp)
        call("double")
    with subroutine("double"):
        with Rung():
            calc(Starts * 2, Twice)
"""
SEAL, COUNT, COUNTED, DELAY, CALLS, CALL, DOUBLE, DOUBLED = 8, 10, 11, 12, 14, 17, 19, 20


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "motor.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


def launched(client: Client, program: Path, *breakpoints: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    """Launch as an editor does; gives the breakpoints as they are."""
    client.ask("initialize", adapterID="pilotlight", linesStartAt1=True)
    client.ask("launch", **{"program": str(program), "stopOnEntry": True, "dt": 0.01, "speed": 0, **settings})
    client.event("initialized")
    made = client.ask("setBreakpoints", source={"path": str(program)}, breakpoints=list(breakpoints))["breakpoints"]
    client.ask("configurationDone")
    return list(made)


def test_a_whole_session(client: Client, program: Path) -> None:
    assert client.ask("initialize", adapterID="pilotlight")["supportsStepBack"] is True
    client.ask("launch", program=str(program), stopOnEntry=True, dt=0.01, speed=0)
    assert client.event("output") == {"category": "stdout", "output": "loading\n"}
    client.event("initialized")
    (made,) = client.ask("setBreakpoints", source={"path": str(program)}, breakpoints=[{"line": COUNT}])["breakpoints"]
    assert (made["verified"], made["line"]) == (True, COUNT)
    client.ask("configurationDone")
    assert client.event("stopped")["reason"] == "entry"
    assert client.ask("threads")["threads"] == [{"id": 1, "name": "scan"}]
    assert client.line() == (SEAL, "scan 1 at 0 s")
    assert client.value("Motor") == "False"

    tags = {each["name"]: each["variablesReference"] for each in client.ask("scopes", frameId=1)["scopes"]}
    assert client.ask("setVariable", variablesReference=tags["Tags"], name="Start", value="true")["value"] == "True"
    client.ask("continue", threadId=1)
    stopped = client.event("stopped")
    assert (stopped["reason"], stopped["hitBreakpointIds"]) == ("breakpoint", [made["id"]])
    assert client.line() == (COUNT, "scan 1 at 0 s")
    assert (client.value("Motor"), client.value("Starts")) == ("True", "0")

    client.ask("stepIn", threadId=1)
    client.event("stopped")
    assert client.line()[0] == COUNTED
    client.ask("next", threadId=1)
    client.event("stopped")
    assert client.line()[0] == DELAY
    assert client.value("Starts") == "1"

    client.ask("stepBack", threadId=1)
    assert client.event("stopped")["reason"] == "step"
    assert client.line() == (COUNT, "scan 1 at 0 s")
    assert client.value("Starts") == "0"

    assert client.say("force Stop true") == "Stop forced: True"
    assert client.line()[0] == COUNT
    assert client.value("Motor") == "False"
    forced = client.ask("variables", variablesReference=tags["Forces"])["variables"]
    assert [(each["name"], each["value"]) for each in forced] == [("Stop", "True")]
    client.ask("continue", threadId=1)
    client.event("stopped")
    assert client.line() == (COUNT, "scan 2 at 0.01 s")
    assert (client.value("Motor"), client.value("Starts")) == ("False", "0")
    shown = {each["name"]: each for each in client.ask("variables", variablesReference=tags["Tags"])["variables"]}
    assert (shown["Stop"]["value"], shown["Stop"]["type"]) == ("True", "BOOL forced")
    assert shown["Start"]["value"] == "True"

    client.ask("setBreakpoints", source={"path": str(program)}, breakpoints=[])
    client.say("unforce Stop")
    assert client.value("Motor") == "False", "a tag that is let go keeps its value"
    assert client.say("patch Stop=off") == "Stop patched: False"
    assert client.value("Motor") == "True"
    client.say("step 10")
    client.event("stopped")
    assert client.line() == (SEAL, "scan 12 at 0.11 s")
    assert (client.value("Starts"), client.value("Twice"), client.value("Elapsed")) == ("1", "2", "100")
    why = client.say("why Twice").splitlines()
    assert why[0] == "Twice became 2 in scan 2 (0.02 s), was 0"
    assert why[1].startswith(f"  by double rung 0 (motor.py:{DOUBLED}): calculate(")
    assert any(each.startswith("  set off by Starts = 1") for each in why)
    client.say("run 0.05")
    client.event("stopped")
    assert client.line() == (SEAL, "scan 17 at 0.16 s")
    assert "step [N]" in client.say("help")

    client.ask("disconnect")
    assert client.ended() == 0


def test_stepping_over_into_and_out(client: Client, program: Path) -> None:
    launched(client, program)
    client.event("stopped")
    client.say("force Start true")
    lines = []
    for command in ("next", "next", "next", "stepIn", "stepIn", "stepIn", "stepIn"):
        client.ask(command, threadId=1)
        client.event("stopped")
        lines.append(client.line()[0])
    assert lines == [COUNT, DELAY, CALLS, CALLS + 1, CALLS + 2, CALL, DOUBLE]
    frames = client.ask("stackTrace", threadId=1)["stackFrames"]
    assert [frame["line"] for frame in frames] == [DOUBLE, CALL, 0]
    assert frames[0]["name"] == "double, rung 0 (enabled)"
    assert frames[0]["source"]["path"] == str(program.resolve())
    client.ask("stepOut", threadId=1)
    client.event("stopped")
    assert client.line() == (SEAL, "scan 2 at 0.01 s")
    client.ask("next", threadId=1, granularity="instruction")
    client.event("stopped")
    assert client.line()[0] == SEAL + 1
    client.ask("stepOut", threadId=1)
    client.event("stopped")
    assert client.line()[0] == COUNT
    client.ask("stepOut", threadId=1)
    client.event("stopped")
    assert client.line() == (SEAL, "scan 3 at 0.02 s")
    client.ask("stepBack", threadId=1, granularity="instruction")
    client.event("stopped")
    assert client.line() == (CALL, "scan 2 at 0.01 s, run again")
    client.ask("stepBack", threadId=1)
    client.event("stopped")
    assert client.line()[0] == CALLS + 2


def test_going_back_to_the_last_breakpoint_and_on_again(client: Client, program: Path) -> None:
    launched(client, program, {"line": COUNTED, "condition": "rise(Motor)"}, {"line": DOUBLED, "condition": "Warm"})
    client.event("stopped")
    client.say("step 5")
    client.event("stopped")
    client.say("patch Start=true")
    places = []
    for _ in range(3):
        client.ask("continue", threadId=1)
        assert client.event("stopped")["reason"] == "breakpoint"
        places.append(client.line())
    assert places == [(COUNTED, "scan 6 at 0.05 s"), (DOUBLED, "scan 10 at 0.09 s"), (DOUBLED, "scan 11 at 0.1 s")]
    assert client.value("Elapsed") == "60"
    client.ask("reverseContinue", threadId=1)
    assert client.event("stopped")["reason"] == "breakpoint"
    assert client.line() == (DOUBLED, "scan 10 at 0.09 s, run again")
    assert client.value("Elapsed") == "50"
    client.ask("reverseContinue", threadId=1)
    client.event("stopped")
    assert client.line() == (COUNTED, "scan 6 at 0.05 s, run again")
    assert client.value("Starts") == "0"
    client.ask("reverseContinue", threadId=1)
    assert client.event("stopped")["description"] == "The oldest scan that is retained"
    assert client.line() == (SEAL, "scan 1 at 0 s, run again")
    client.ask("continue", threadId=1)
    client.event("stopped")
    assert client.line() == (COUNTED, "scan 6 at 0.05 s, run again")
    client.say("force Stop true")
    assert client.line() == (COUNTED, "scan 6 at 0.05 s")
    client.say("step 20")
    client.event("stopped")
    assert (client.line()[1], client.value("Starts")) == ("scan 26 at 0.25 s", "0")


def test_a_run_can_be_paused_and_changed_while_it_runs(client: Client, program: Path) -> None:
    launched(client, program, stopOnEntry=False, speed=1)
    assert client.say("force Start true") == "Start forced: True"
    assert "notStopped" in client.refused("stackTrace", threadId=1)
    assert "notStopped" in client.refused("continue", threadId=1)
    client.ask("pause", threadId=1)
    assert client.event("stopped")["reason"] == "pause"
    assert client.line()[0] == SEAL
    assert client.value("Motor | Start") == "True"
    assert "stands already" in client.refused("pause", threadId=1)


def test_a_way_back_can_be_paused(client: Client, program: Path) -> None:
    launched(client, program, {"line": SEAL, "condition": "Starts > 1"})
    client.event("stopped")
    client.say("force Start true")
    client.say("step 2000")
    client.event("stopped")
    going = client.post("reverseContinue", threadId=1)
    pausing = client.post("pause", threadId=1)
    assert client.response(going)["success"]
    assert client.response(pausing)["success"]
    assert client.event("stopped")["reason"] == "pause"
    assert int(client.line()[1].split()[1]) > 1000
    client.ask("reverseContinue", threadId=1)
    assert client.event("stopped")["description"] == "The oldest scan that is retained"
    assert client.line() == (SEAL, "scan 1 at 0 s, run again")


def test_hit_counts_and_logpoints(client: Client, program: Path) -> None:
    made = launched(
        client, program, {"line": SEAL, "hitCondition": "5"}, {"line": COUNT, "logMessage": "Elapsed is {Elapsed + 1}"}
    )
    assert all(each["verified"] for each in made)
    client.event("stopped")
    client.say("force Start true")
    client.ask("continue", threadId=1)
    client.event("stopped")
    first = client.line()
    client.ask("continue", threadId=1)
    client.event("stopped")
    assert (first, client.line()) == ((SEAL, "scan 6 at 0.05 s"), (SEAL, "scan 11 at 0.1 s"))
    logged = [each["body"]["output"] for each in client.events if each["event"] == "output"]
    assert [each for each in logged if "Elapsed" in each] == [f"Elapsed is {10 * n + 1}\n" for n in range(10)]


def test_where_breakpoints_stand(client: Client, program: Path) -> None:
    wanted: list[tuple[dict[str, Any], bool, int, str]] = [
        ({"line": 1}, True, SEAL, ""),
        ({"line": 18}, True, DOUBLE, ""),
        ({"line": 99}, False, 99, "no rung"),
        ({"line": SEAL, "condition": "Motor &"}, False, SEAL, "no condition"),
        ({"line": SEAL, "condition": "Nothing"}, False, SEAL, "no tag"),
        ({"line": SEAL, "condition": "__import__('os').getcwd()"}, False, SEAL, "nothing that can be asked"),
        ({"line": SEAL, "condition": "9**9**9**9 == Starts"}, False, SEAL, "needs a tag"),
        ({"line": SEAL, "hitCondition": "often"}, False, SEAL, "no rule for hits"),
        ({"line": SEAL, "logMessage": "{Nothing}"}, False, SEAL, "no tag"),
    ]
    made = launched(client, program, *(each for each, *_ in wanted))
    for (asked, verified, line, message), given in zip(wanted, made, strict=True):
        assert (given["verified"], given["line"]) == (verified, line), asked
        assert message in given.get("message", ""), asked


def test_a_line_with_a_whole_rung_is_one_place(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "short.py"
    path.write_text(
        "from pilotlight.plc import Bool, Program, Rung, out\n"
        'A, B, C = Bool("A"), Bool("B"), Bool("C")\n'
        "with Program(strict=False) as logic:\n"
        "    with Rung(A): out(B); out(C)\n"
    )
    launched(client, path, {"line": 4})
    client.event("stopped")
    places = []
    for _ in range(3):
        client.ask("continue", threadId=1)
        client.event("stopped")
        places.append(client.line()[1])
    assert places == ["scan 2 at 0.01 s", "scan 3 at 0.02 s", "scan 4 at 0.03 s"]
    client.ask("reverseContinue", threadId=1)
    client.event("stopped")
    assert client.line()[1] == "scan 3 at 0.02 s, run again"


def test_requests_that_cannot_be_served_say_why(client: Client, program: Path, tmp_path: Path) -> None:
    assert "not supported" in client.refused("attach")
    assert "launch first" in client.refused("continue", threadId=1)
    assert "program" in client.refused("launch")
    assert "there is no file" in client.refused("launch", program=str(tmp_path / "none.py"))
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\nraise ValueError('no good')\n")
    assert client.refused("launch", program=str(broken)) == "broken.py, line 2: ValueError: no good"
    assert "dt is" in client.refused("launch", program=str(program), dt=-1)
    launched(client, program)
    client.event("stopped")
    assert "already" in client.refused("launch", program=str(program))
    assert "granularity" in client.refused("next", threadId=1, granularity=7)
    assert "no group" in client.refused("variables", variablesReference=77)
    assert "memory" in client.refused("setVariable", variablesReference=4, name="x", value="1")
    assert "no DINT" in client.refused("setVariable", variablesReference=1, name="Starts", value="x")
    assert "read-only" in client.refused("setVariable", variablesReference=3, name="fault.out_of_range", value="1")
    assert "not forced" in client.refused("evaluate", expression="unforce Motor", context="repl")
    assert "type the tag" in client.refused("evaluate", expression="force", context="repl")
    assert "cannot be computed" in client.refused("evaluate", expression="Starts // Twice", context="watch")
    assert "no condition" in client.refused("evaluate", expression="(" * 500, context="hover")
    body = b'{"seq": 1, "type": "event"}'
    client.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert "ignored" in [client.event("output"), client.event("output")][-1]["output"]
    assert client.value("Starts") == "0"


def test_the_end_of_the_stream_ends_the_server(client: Client, program: Path) -> None:
    launched(client, program, stopOnEntry=False)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.ended() == 0


def test_what_is_no_message_ends_the_session(client: Client) -> None:
    client.write(b"Content-Length: 999999999999\r\n\r\n")
    assert "session ends" in client.event("output")["output"]
    assert client.ended() == 0


def test_a_program_that_never_comes_back_is_ended(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "endless.py"
    path.write_text("import threading\nthreading.Event().wait()\n")
    client.ask("initialize")
    client.post("launch", program=str(path))
    client.post("disconnect")
    assert client.ended() == 1


def test_terminate_tells_and_waits_for_disconnect(client: Client, program: Path) -> None:
    launched(client, program, stopOnEntry=False, speed=1)
    client.ask("terminate")
    client.event("terminated")
    assert "launch first" in client.refused("continue", threadId=1)
    client.ask("disconnect")
    assert client.ended() == 0
