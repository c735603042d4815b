# SPDX-License-Identifier: Apache-2.0
"""What must hold on every appliance: the same scenarios in the container and in the emulated machine."""

import json
import re
import shlex
from pathlib import Path

from pilotlight.plc.loading import load_program
from pilotlight.plc.package import write_package

from tests.programs.make import zip_of
from tests.support.appliance import (
    Appliance,
    bus,
    bus_property,
    run,
    unit_property,
    wait_until_active,
)
from tests.support.editor import Editor, deadline

MOTOR = Path(__file__).parents[2] / "examples/motor.py"

# Runs on the appliance: drives nothing, only waits for the input's and then the output's change in the journal of
# segment plc and prints the scan counts at both.
WATCH_FOLLOW = """
import json, sys, time
from pilotlight.tags import SegmentReader
reader = SegmentReader.open("plc")
names = [tag.name for tag in reader.directory]
count, source, sink = (names.index(name) for name in ("Scan.Count", "Line.start", "Line.lamp"))
cursor = reader.changes(None).cursor
print("READY", flush=True)
end, scan, at = time.monotonic() + 60, None, {}
while time.monotonic() < end and len(at) < 2:
    reader.wait(1.0)
    changes = reader.changes(cursor)
    cursor = changes.cursor
    batch = []
    for change in changes.entries:
        if change.index == count:
            scan = change.value
        if change.index in (source, sink):
            batch.append(change)
        for waiting in [b for b in batch if scan is not None]:
            at.setdefault(names[waiting.index], scan)
            batch.remove(waiting)
print(json.dumps(at))
"""


def wait_for_output(appliance: Appliance, wanted: bool, patience_s: float = 10.0) -> None:
    for _ in deadline(patience_s, every_s=0.05):
        if appliance.output() == wanted:
            return
    raise AssertionError(f"the output line is still {not wanted} after {patience_s} s")


def load_and_run(appliance: Appliance, editor: Editor, program: str) -> None:
    """Upload a sample program as the Editor does and see it run."""
    status = editor.build(zip_of(program))
    assert status["status"] == "SUCCESS", status
    if editor.state() != "RUNNING":
        assert editor.start() in ("START:OK", "START:ERROR_ALREADY_RUNNING")
    editor.wait_for_state("RUNNING")


def output_follows_input(appliance: Appliance, editor: Editor) -> None:
    """The line of `%QX0.0` follows the line of `%IX0.0`; every door shows the same."""
    load_and_run(appliance, editor, "follow")
    appliance.set_input(False)
    wait_for_output(appliance, False)
    appliance.set_input(True)
    wait_for_output(appliance, True)
    lamp = "Line.lamp"
    # D-Bus
    assert bus_property(appliance, "runtime", "State") == "RUNNING"
    # the tool for tags
    read = run(appliance, f"pilotlight tags read plc.{lamp} --json")
    assert json.loads(read.splitlines()[0])["value"] is True, read
    # the text socket
    ask = (
        "import socket; s=socket.socket(socket.AF_UNIX); s.settimeout(10);"
        "s.connect('/run/pilotlight/runtime/plc_runtime.socket'); s.sendall(b'STATUS\\n'); print(s.recv(200).decode())"
    )
    assert run(appliance, f"python3 -c {shlex.quote(ask)}").strip() == "STATUS:RUNNING"
    # REST
    rows = editor.get("tags", segment="plc", search=lamp).json()
    values = {row["name"]: row["value"] for row in rows["tags"]}
    assert values[lamp] is True
    appliance.set_input(False)
    wait_for_output(appliance, False)


def example_is_changed_while_it_runs(appliance: Appliance, editor: Editor, folder: Path) -> None:
    """The motor of the examples, from its rungs to the line; changed online while it runs, and changed back when the
    change divides by null."""
    appliance.set_input(False)
    status = editor.build(package_of_motor(folder))
    assert status["status"] == "SUCCESS", status
    if editor.state() != "RUNNING":
        editor.start()
    editor.wait_for_state("RUNNING")
    for name in ("StopOk", "EmergencyOk", "OverloadOk", "Acknowledge"):
        bus(appliance, "runtime", "Force", "sv", name, "b", "true")
    assert not appliance.output()
    appliance.set_input(True)
    wait_for_output(appliance, True)
    appliance.set_input(False)
    assert tag(appliance, "Starts_Acc") == 1
    seconds = tag(appliance, "Seconds")

    status = editor.build(package_of_motor(folder, "with Rung(Motor):", 'out(Bool("Fan"))'), online=True)
    assert status["status"] == "SUCCESS", status
    assert (appliance.output(), tag(appliance, "Fan")) == (True, True)
    # Without a gap: the motor has not started anew, and its hours go on.
    assert tag(appliance, "Starts_Acc") == 1
    wait_for_change(appliance, "is kept")
    assert tag(appliance, "Seconds") > seconds + 5

    dividing = package_of_motor(folder, "with Rung():", 'calc(Seconds / Dint("Nought"), Dint("Share"))')
    status = editor.build(dividing, online=True)
    assert status["status"] == "SUCCESS", status
    wait_for_change(appliance, "changed back to .*: it has set fault.division_error")
    assert (appliance.output(), tag(appliance, "Fan"), tag(appliance, "Starts_Acc")) == (True, True, 1)
    assert editor.state() == "RUNNING"
    bus(appliance, "runtime", "Force", "sv", "OverloadOk", "b", "false")
    wait_for_output(appliance, False)
    bus(appliance, "runtime", "Stop")
    bus(appliance, "runtime", "ForgetRetained")


def package_of_motor(folder: Path, *rung: str) -> bytes:
    """The example as a package, with a further rung when one is given."""
    source = MOTOR.read_text()
    more = "".join(f"\n{' ' * 4 * depth}{line}" for depth, line in enumerate(rung, 1))
    path = folder / "motor.py"
    path.write_text(source.replace("\nPERIOD_MS", f"{more}\n\nPERIOD_MS", 1))
    return write_package(load_program(path).package("motor"))


def tag(appliance: Appliance, name: str) -> int:
    """The value of a tag of segment `plc`, by the tool for tags."""
    value: int = json.loads(run(appliance, f"pilotlight tags read plc.{name} --json").splitlines()[0])["value"]
    return value


def wait_for_change(appliance: Appliance, pattern: str) -> None:
    """Wait until the runtime says so of the last online change."""
    said = ""
    for _ in deadline(60, every_s=0.5):
        said = str(bus_property(appliance, "runtime", "LastChange"))
        if re.search(pattern, said):
            return
    raise AssertionError(f"the last change: {said}")


def scans_between_input_and_output(appliance: Appliance) -> int:
    """Drive the input once while a watcher on the appliance reads the journal; scans from input to output."""
    run(appliance, f"rm -f /tmp/follow.txt; (python3 -c {shlex.quote(WATCH_FOLLOW)} >/tmp/follow.txt 2>&1 &)")
    for _ in deadline(60, every_s=0.1):
        if "READY" in appliance.execute("cat /tmp/follow.txt")[1]:
            break
    appliance.set_input(not appliance.output())
    text = ""
    for _ in deadline(60, every_s=0.1):
        text = run(appliance, "cat /tmp/follow.txt")
        if "{" in text:
            break
    at = json.loads(text[text.index("{") :])
    return int(at["Line.lamp"]) - int(at["Line.start"])


def killed_daemon_comes_back(appliance: Appliance, daemon: str, signal: str, patience_s: float) -> None:
    """A daemon ended by SIGKILL or frozen by SIGSTOP is back within its watchdog time and its start."""
    before = unit_property(appliance, daemon, "MainPID")
    run(appliance, f"kill -{signal} {before}")
    wait_until_active(appliance, daemon, before, patience_s)


def outputs_are_safe_while_runtime_is_away(
    appliance: Appliance, editor: Editor, signal: str, patience_s: float
) -> None:
    """With the output on, the runtime is killed or frozen: the line goes off, and the program runs again afterwards.

    The program is one that loads slowly: the runtime is away for long enough to look at the line.
    """
    load_and_run(appliance, editor, "slow")
    appliance.set_input(True)
    wait_for_output(appliance, True)
    before = unit_property(appliance, "runtime", "MainPID")
    run(appliance, f"kill -{signal} {before}")
    wait_for_output(appliance, False, patience_s)
    wait_until_active(appliance, "runtime", before, patience_s)
    editor.wait_for_state("RUNNING", patience_s)
    wait_for_output(appliance, True, patience_s)
    appliance.set_input(False)
    wait_for_output(appliance, False)


def restart_during_a_start_keeps_the_program_running(appliance: Appliance, editor: Editor, patience_s: float) -> None:
    """The runtime is told to restart while it brings its program back: that is no fault of the program."""
    load_and_run(appliance, editor, "slow")
    appliance.set_input(True)
    wait_for_output(appliance, True)
    starting = "systemctl show -P ActiveState pilotlight-runtime | grep -qx activating"
    run(appliance, "systemctl restart --no-block pilotlight-runtime")
    run(appliance, f"timeout {patience_s} sh -c 'until {starting} && pgrep -f runtime.[s]can; do sleep 0.1; done'")
    before = unit_property(appliance, "runtime", "MainPID")
    run(appliance, "systemctl restart --no-block pilotlight-runtime")
    wait_until_active(appliance, "runtime", before, patience_s)
    editor.wait_for_state("RUNNING", patience_s)
    wait_for_output(appliance, True, patience_s)
    appliance.set_input(False)


def faulting_program_stops_safe(appliance: Appliance, editor: Editor, program: str, reason: str) -> None:
    """A program that faults once its input is on ends STOPPED with outputs safe and the reason kept."""
    appliance.set_input(False)
    load_and_run(appliance, editor, program)
    appliance.set_input(True)
    editor.wait_for_state("STOPPED")
    wait_for_output(appliance, False)
    assert re.search(reason, bus_property(appliance, "runtime", "LastFault"))
    log = " ".join(row["message"] for row in editor.get("runtime-logs").json()["runtime-logs"])
    assert re.search(reason, log)
    appliance.set_input(False)


def program_that_does_not_build_changes_nothing(appliance: Appliance, editor: Editor) -> None:
    """A failed build leaves the running program running."""
    load_and_run(appliance, editor, "follow")
    identity = bus_property(appliance, "runtime", "Identity")
    pid = bus_property(appliance, "runtime", "ScanPid")
    status = editor.build(zip_of("broken"))
    assert status["status"] == "FAILED"
    assert status["exit_code"] not in (0, None)
    assert any("error" in str(line).lower() for line in status["logs"])  # type: ignore[attr-defined]
    assert editor.state() == "RUNNING"
    assert bus_property(appliance, "runtime", "Identity") == identity
    assert bus_property(appliance, "runtime", "ScanPid") == pid


def programs(appliance: Appliance) -> list[str]:
    """Ids of the stored programs."""
    return sorted(program["Id"]["data"] for program in bus(appliance, "runtime", "Programs")[0])
