# SPDX-License-Identifier: Apache-2.0
"""Inside the machine: a line of gpio-sim as kill switch. Arguments: label of the chip, line, folder of its pull.

Prints what happened as JSON.
"""

import json
import os
import select
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pilotlight.io.edges import Edge, GpioEdges
from pilotlight.io.gpio import open_chip
from pilotlight.io.lines import Address, LineConfig
from pilotlight.runtime.commands import Report
from pilotlight.runtime.control.child import ControlProcess
from pilotlight.runtime.control.settings import REQUIRED
from pilotlight.tags import SegmentReader
from pilotlight.tags.mailbox import Places

CONFIG = "".join(f"[{name}]\n" for name in REQUIRED) + (
    "[threads]\ncontrol_priority = 0\n[timeouts]\nimu_stale_ms = 5000\nactuator_cmd_timeout_ms = 5000\n"
    "[actuator]\nstart_armed = true\n[killswitch]\nenabled = true\n"
)
PATIENCE_S = 60.0


class Switch:
    """The line from outside: open is high."""

    def __init__(self, pull: Path) -> None:
        self._pull = pull

    def open(self) -> None:
        self._pull.write_text("pull-up")

    def close(self) -> None:
        self._pull.write_text("pull-down")


def edges(line: GpioEdges, switch: Switch) -> dict[str, object]:
    """Three openings and closings, each awaited; then more at once than the kernel keeps."""
    poll = select.poll()
    poll.register(line.fileno(), select.POLLIN)
    quiet = poll.poll(0) == []
    before = time.monotonic_ns()
    found: list[Edge] = []
    for change in (switch.open, switch.close) * 3:
        change()
        poll.poll(10_000)
        found += line.edges()
    times = [edge.time_ns for edge in found]
    result = {
        "quiet": quiet,
        "levels": [edge.level for edge in found],
        "rising": times == sorted(times) and before <= times[0] and times[-1] <= time.monotonic_ns(),
    }
    for _ in range(40):
        switch.open()
        switch.close()
    kept = line.edges()
    return {**result, "kept": len(kept), "lost": line.lost, "level": line.level()}


def trip(line: GpioEdges, switch: Switch) -> dict[str, object]:
    """The control process with that line as its kill switch."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["PILOTLIGHT_RUN"] = name
        process = ControlProcess.spawn(CONFIG, line, Places(Path(name), Path(name)))
        try:
            until(process, "it is ready", lambda: reported(process, Report.READY))
            process.activate()
            reader = SegmentReader.open("control")

            def value(tag: str) -> object:
                return reader.read(tag)[0].value

            until(process, "it is armed", lambda: value("Controller.Armed") is True)
            switch.open()
            until(process, "it has tripped", lambda: value("Status.killswitch_trip_count") == 1)
            switch.close()
            until(process, "the servos are told", lambda: value("Servo.Reason") != 0)
            result = {name: value(name) for name in ("Servo.Reason", "Controller.Armed", "Status.killswitch_active")}
            reader.close()
        finally:
            process.close()
    return result


def reported(process: ControlProcess, kind: Report) -> bool:
    message = process.next_report()
    if message is not None and message.kind in (Report.FAILED, Report.ENDED):
        raise SystemExit(message.text)
    return message is not None and message.kind is kind


def until(process: ControlProcess, what: str, condition: Callable[[], bool]) -> None:
    """Wait as a living parent does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end or process.exit_code() is not None:
            raise SystemExit(f"not within {PATIENCE_S:g} s: {what} (exit code {process.exit_code()})")
        process.touch()
        time.sleep(0.01)


def main(chip: str, line: int, pull: Path) -> None:
    """Watch the line, then give it to the process."""
    switch = Switch(pull)
    switch.close()
    held = open_chip(chip).watch(LineConfig("kill", chip, line, Address.parse("%IX0.5")))
    found = edges(held, switch)
    held.close()
    # A process takes the line over with what is noted there: for this one, nothing.
    held = open_chip(chip).watch(LineConfig("kill", chip, line, Address.parse("%IX0.5")))
    print(json.dumps({"edges": found, "trip": trip(held, switch)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
