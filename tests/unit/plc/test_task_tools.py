# SPDX-License-Identifier: Apache-2.0
"""Tasks in the tools: steps and traces, causes, going back, drawings, packages and the debugger."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.plc import (
    PLC,
    Bool,
    Dint,
    PLCRunner,
    Program,
    Rung,
    calc,
    call,
    copy,
    latch,
    out,
    rise,
    run_function,
    subroutine,
    task,
)
from pilotlight.plc.debugger.breakpoints import lines_of
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.ladder import flow_of_scan, ladder_svg, ladder_text
from pilotlight.plc.package import Package, PackageError, python_functions, with_files, write_package
from pilotlight.plc.runner.reverse import Stepper
from pilotlight.plc.runner.why import Explainer

from .dap import Client

MS = 1_000_000
In, Lamp = Bool("In"), Bool("Lamp")
Runs, Twice, Main = Dint("Runs"), Dint("Twice"), Dint("Main")


def plant() -> Program:
    """Every second scan of 10 ms the task `first` runs before the main program; it calls `double`."""
    with Program() as logic:
        with Rung():
            calc(Main + 1, Main)
        with task("first", period=20, priority=1):
            with Rung():
                calc(Runs + 1, Runs)
            with Rung(rise(In)):
                call("double")
        with task("last", period=40), Rung(Runs > 2):
            out(Lamp)
        with subroutine("double"), Rung():
            calc(Runs * 2, Twice)
    return logic


# ---- steps ----------------------------------------------------------------------------------------------------------


def test_steps_visit_the_tasks_that_are_due_in_their_order() -> None:
    with PLC(plant(), dt=0.010) as plc:
        seen = [[(context.task, number) for number, _rung, context in plc.debug.scan_steps()] for _ in range(5)]
    first, main, last = [("first", 0), ("first", 1)], ("main", 0), [("last", 0)]
    assert seen == [[*first, main, *last], [main], [*first, main], [main], seen[0]]


def test_steps_leave_the_image_that_a_scan_leaves() -> None:
    one, two, three = (PLC(plant(), dt=0.010) for _ in range(3))
    for scan in range(9):
        for plc in (one, two, three):
            plc.patch({"In": scan % 3 == 0})
        one.step()
        for rung in two.debug.scan_steps():
            assert rung[1] in (*plant().ir.rungs, *(rung for each in plant().ir.tasks for rung in each.rungs))
        for _ in three.debug.scan_steps_debug():
            pass
        assert one.current_state == two.current_state == three.current_state


def test_a_step_names_its_task_and_its_subroutine() -> None:
    with PLC(plant(), dt=0.010) as plc:
        plc.patch({"In": True})
        steps = [
            (step.task, step.subroutine_name, step.rung_index, step.depth, step.ctx.task if step.ctx else "")
            for step in plc.debug.scan_steps_debug()
            if step.kind == "rung"
        ]
    assert steps == [
        ("first", None, 0, 0, "first"), ("first", None, 1, 0, "first"), ("first", "double", 0, 1, "first"),
        ("main", None, 0, 0, "main"), ("last", None, 0, 0, "last"),
    ]  # fmt: skip


def test_traces_are_kept_by_task() -> None:
    runner = PLCRunner(plant())
    for scan in range(2):
        runner._period(10 * MS)
        for _ in runner.scan_steps_debug():
            event = runner.inspect_event()
            assert event is not None and event[0] == scan + 1
    assert event is not None and (event[1], event[2].task) == (0, "main")
    trace = runner.inspect(0, 1, task="first")
    assert (trace.task, {step.task for step in trace.events}) == ("first", {"first"})
    assert {step.task for step in runner.inspect(0, 1).events} == {"main"}
    with pytest.raises(KeyError):
        runner.inspect(0, 2, task="first")  # it was not due


def test_an_abandoned_scan_leaves_the_times_of_tasks() -> None:
    with PLC(plant(), dt=0.010) as plc:
        plc.run(3)
        before = plc.current_state
        steps = plc.debug.scan_steps_debug()
        next(steps)
        steps.close()
        assert dict(plc.current_state.memory) == dict(before.memory)
        plc.run(1)
        assert Runs.value == 2


# ---- causes, and back -----------------------------------------------------------------------------------------------


def test_a_cause_names_the_task() -> None:
    with PLC(plant(), dt=0.010) as plc:
        plc.run(2)
        plc.patch({"In": True})
        plc.run(8)
        cause = plc.why("Lamp")
        assert cause.site is not None and (cause.site.section, cause.site.rung) == ("last", 0)
        assert "by last rung 0" in cause.text and "first rung 0" in cause.text
        cause = plc.why("Twice")
        assert cause.site is not None and cause.site.section == "double" and cause.scan_id == 3
        assert {(contact.tag, contact.proximate) for contact in cause.contacts} == {("In", True), ("Runs", True)}


def test_back_and_forth_stands_at_the_same_stops() -> None:
    plc = PLC(plant(), dt=0.010)
    stepper = Stepper(plc)
    forth = []
    while stepper.scan_id < 6:
        if stepper.forward() is not None:
            forth.append((stepper.scan_id, stepper.steps[-1].task, stepper.steps[-1].kind, list(stepper.cells)))
    back = []
    while stepper.back():
        back.append((stepper.scan_id, stepper.steps[-1].task, stepper.steps[-1].kind, list(stepper.cells)))
    assert back[::-1] == forth and stepper.exact


def tasks_alone() -> Program:
    with Program() as logic, task("slow", period=30), Rung():
        calc(Runs + 1, Runs)
    return logic


def test_scans_without_a_stop_are_passed() -> None:
    plc = PLC(tasks_alone(), dt=0.010)
    stepper = Stepper(plc)
    stops = []
    for _ in range(15):
        if stepper.forward() is not None:
            stops.append((stepper.scan_id, stepper.steps[-1].kind))
    assert stops == [(scan, kind) for scan in (1, 4, 7) for kind in ("rung", "instruction")]
    newest = plc.history.newest_scan_id
    stepper.go_to(newest + 1)
    assert plc.history.newest_scan_id == newest and stepper.scan_id == newest + 1
    assert stepper.back() and (stepper.scan_id, stepper.steps[-1].kind) == (7, "instruction")
    assert stepper.back(lambda step: step.kind == "rung" and stepper.scan_id < 7) and stepper.scan_id == 4


def test_every_change_by_a_task_has_a_cause() -> None:
    plc = PLC(plant(), dt=0.010)
    for scan in range(12):
        plc.patch({"In": scan % 4 < 2})
        plc.step()
    for scan_id in range(1, 13):
        was, now = plc.history.image(scan_id - 1), plc.history.image(scan_id)
        for slot in [slot for slot, cell in enumerate(plc.names.cells) if not cell.internal and was[slot] != now[slot]]:
            cause = Explainer(plc).explain(slot, scan_id, 2)
            assert (cause.scan_id, cause.kind) in ((scan_id, "rung"), (scan_id, "patch"))


# ---- drawings, packages ---------------------------------------------------------------------------------------------


def test_drawings_name_tasks_with_their_times() -> None:
    text = ladder_text(plant().ir)
    headings = [line for line in text.splitlines() if line.startswith(("Rung", "Task", "Subroutine"))]
    assert headings == [
        "Rung 0", "Task first, every 20 ms, priority 1", "Rung 0", "Rung 1", "Task last, every 40 ms, priority 100",
        "Rung 0", "Subroutine double", "Rung 0",
    ]  # fmt: skip
    assert ">Task first, every 20 ms, priority 1</text>" in ladder_svg(plant().ir)


def test_a_task_that_was_not_due_has_no_power_in_the_drawing() -> None:
    interpreter = Interpreter(plant().ir)
    ran, rested = flow_of_scan(interpreter, 10 * MS), flow_of_scan(interpreter, 10 * MS)
    assert {section for section, _rung in ran.rungs} == {"", "first", "last"}
    assert {section for section, _rung in rested.rungs} == {""}
    drawn = ladder_text(plant().ir, rested).partition("Task first")
    assert "━" in drawn[0] and "━" not in drawn[2].partition("Task last")[0]


def test_packages_take_tasks_as_they_take_rungs() -> None:
    renamed = with_files(plant().ir, {__file__: "plant.py"})
    assert {rung.file for each in renamed.tasks for rung in each.rungs} == {"plant.py"}
    assert set(lines_of(plant().ir)) == {str(Path(__file__).resolve())}
    first, last = plant().ir.tasks
    assert {rung.line for rung in (*first.rungs, *last.rungs)} <= {line for line, _ in lines_of(plant().ir)[__file__]}
    with Program() as logic, task("slow", period=1), Rung():
        run_function(dict)
    assert len(python_functions(logic.ir)) == 1
    with pytest.raises(PackageError, match="Python functions"):
        write_package(Package("no", logic.ir))


# ---- the debugger ---------------------------------------------------------------------------------------------------

PROGRAM = """\
from pilotlight.plc import Bool, Dint, Program, Rung, calc, call, out, subroutine, task

Runs, Twice, Lamp = Dint("Runs"), Dint("Twice"), Bool("Lamp")
with Program() as logic:
    with Rung():
        out(Lamp)
    with task("slow", period=30):
        with Rung():
            calc(Runs + 1, Runs)
            call("double")
    with subroutine("double"):
        with Rung():
            calc(Runs * 2, Twice)
"""
MAIN, SLOW, DOUBLE = 5, 8, 12


def frames(client: Client) -> list[str]:
    return [frame["name"] for frame in client.ask("stackTrace", threadId=1)["stackFrames"]]


def test_the_debugger_stops_in_tasks_and_names_them(tmp_path: Path) -> None:
    path = tmp_path / "plant.py"
    path.write_text(PROGRAM)
    with Client() as client:
        client.ask("initialize", adapterID="pilotlight", linesStartAt1=True)
        client.ask("launch", program=str(path), stopOnEntry=True, dt=0.01, speed=0)
        client.event("initialized")
        lines = [{"line": DOUBLE}]
        (made,) = client.ask("setBreakpoints", source={"path": str(path)}, breakpoints=lines)["breakpoints"]
        assert made["verified"]
        client.ask("configurationDone")
        client.event("stopped")
        assert frames(client)[0].startswith("main, rung 0 (")
        client.ask("continue", threadId=1)
        assert client.event("stopped")["reason"] == "breakpoint"
        assert [name.partition(" (")[0] for name in frames(client)] == [
            "double, rung 0", "slow, rung 0: call", "scan 1 at 0 s",
        ]  # fmt: skip
        client.ask("stepOut", threadId=1)
        client.event("stopped")
        assert client.line() == (MAIN, "scan 2 at 0.01 s")
        client.ask("continue", threadId=1)
        client.event("stopped")
        assert client.line() == (DOUBLE, "scan 4 at 0.03 s")
        client.ask("stepBack", threadId=1)
        client.event("stopped")
        assert client.line() == (SLOW, "scan 4 at 0.03 s")
        assert frames(client)[0].startswith("slow, rung 0 (") and client.value("Runs") == "1"


def test_the_debugger_steps_through_a_program_of_tasks_alone(tmp_path: Path) -> None:
    path = tmp_path / "plant.py"
    path.write_text("".join(line for line in PROGRAM.splitlines(True) if "out(Lamp)" not in line).replace(
        "    with Rung():\n    with task", "    with task"))  # fmt: skip
    with Client() as client:
        client.ask("initialize", adapterID="pilotlight", linesStartAt1=True)
        client.ask("launch", program=str(path), stopOnEntry=True, dt=0.01, speed=0)
        client.event("initialized")
        client.ask("configurationDone")
        client.event("stopped")
        stops = []
        for _ in range(4):
            client.ask("next", threadId=1)
            client.event("stopped")
            stops.append(frames(client)[-1])
        assert stops == [f"scan {scan} at {(scan - 1) / 100:g} s" for scan in (1, 4, 7, 10)]
        client.ask("stepBack", threadId=1)
        client.event("stopped")
        assert frames(client)[-1] == "scan 7 at 0.06 s, run again"


def test_latched_in_a_task_stays(tmp_path: Path) -> None:
    with Program() as logic, task("slow", period=50), Rung(In):
        latch(Lamp)
        copy(Main, Twice)
    with PLC(logic, dt=0.010) as plc:
        plc.run(2)
        In.value = True
        assert plc.run_until(Lamp, max_cycles=5)
        assert plc.current_state.scan_id == 6
