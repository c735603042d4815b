# SPDX-License-Identifier: Apache-2.0
"""The control process: take over what the parent made, give up everything that is not needed, run the loop.

Started as `python3 -m pilotlight.runtime.control <job>` by `child.ControlProcess`, never by hand. However its loop
ends, the servos are put in failsafe first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pilotlight.io import inherit, jobs, uapi
from pilotlight.io.realtime import become_real_time
from pilotlight.runtime import commands, filters, sandbox
from pilotlight.runtime.commands import Report
from pilotlight.runtime.control.controljob import ControlJob
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.loading import ControlSettingsError, read
from pilotlight.runtime.control.opening import DEVICE_ERRORS, open_devices
from pilotlight.runtime.control.runner import EndError, LoopRunner, Parts
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.simlink import COMMANDS, STATE, SimulatorLink, box
from pilotlight.runtime.control.toml import LARGEST_FILE
from pilotlight.tags import CommandRing, SegmentError, SegmentWriter, now_ns
from pilotlight.tags.mailbox import Mailbox
from pilotlight.tags.messages import CONTROLLER_COMMAND, ESTIMATOR_STATE, SENSOR_SNAPSHOT, Format

EXIT_FINISHED, EXIT_ENDED, EXIT_FAILED = 0, 3, 4
_SPI_TRANSFER, _I2C_DEVICE, _I2C_TRANSFER, _I2C_BLOCK = 0x40206B00, 0x703, 0x707, 0x720
_IOCTLS = (uapi.GET_VALUES, _SPI_TRANSFER, _I2C_DEVICE, _I2C_TRANSFER, _I2C_BLOCK)
_BURST_MARGIN_US = 1_000_000
_ANY = ((),)
Tell = Callable[[Report, int, int, str], None]


def main(arguments: Sequence[str]) -> int:
    """Run the process; returns its exit code."""
    job = jobs.decode(ControlJob, arguments)
    tell = _teller(job.reports)
    try:
        runner = _prepare(job, tell)
    except (*DEVICE_ERRORS, ControlSettingsError, ImportError, SegmentError, OSError, ValueError) as error:
        tell(Report.FAILED, 0, 0, str(error))
        return EXIT_FAILED
    # The parent watches from READY on: the loop may begin that much later.
    runner.heartbeat(now_ns())
    tell(Report.READY, 0, 0, "")
    return _run(runner, tell)


def _run(runner: LoopRunner, tell: Tell) -> int:
    text, asked = "an error that nobody expected", False
    try:
        runner.run()
    except EndError as end:
        text, asked = end.text, end.asked
    except Exception as error:  # noqa: BLE001 - whatever it is, the servos go to failsafe and the parent is told
        text = f"{type(error).__name__}: {error}"
    finally:
        driven = runner.leave_safe()
    tell(Report.ENDED, 0, 0, text if driven else f"{text}; the servos did not take their failsafe position")
    return EXIT_FINISHED if asked else EXIT_ENDED


def _prepare(job: ControlJob, tell: Tell) -> LoopRunner:
    sandbox.name_process("pilotlight-ctl")
    sandbox.end_with_parent(job.parent, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _parent_ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings, _ = read(os.pread(job.config, LARGEST_FILE, 0).decode(), "control.toml")
    if settings.runtime.sim_mode and settings.sim_net.enabled and job.simulator < 0:
        raise ValueError("sim_net.enabled is true, and there is no bridge to a simulator; set it to false")
    if job.simulated:
        settings = replace(settings, runtime=replace(settings.runtime, sim_mode=True))
    link = None
    if job.simulator >= 0:
        link = SimulatorLink(box(STATE, job.simulator, False), box(COMMANDS, job.commands, True))
    switch = inherit.edge_input(job.switch) if job.switch else None
    parts = Parts(
        settings,
        open_devices(settings, switch, link),
        SegmentWriter.attach(job.segment),
        CommandRing.attach(job.ring),
        _box(settings.ipc.sensor_snapshot_shm, SENSOR_SNAPSHOT, job.sensor_box),
        _box(settings.ipc.estimator_state_shm, ESTIMATOR_STATE, job.estimator_box),
        _box(settings.ipc.controller_command_shm, CONTROLLER_COMMAND, job.controller_box),
        job.limit_ns,
        job.supervisor_ns,
        tell,
        CommandRing.attach(job.recording) if job.recording >= 0 else None,
        Latch(job.latched),
    )
    runner = LoopRunner(parts)
    kept = _confine(job, settings, tell)
    for refused in become_real_time(settings.threads.control_priority):
        tell(Report.NOTICE, 0, 0, refused)
    sandbox.give_up_capabilities(kept)
    rules = filters.running(job.reports, os.getpid(), _IOCTLS)
    # Edges of the kill switch are read, and pulses written, by descriptors that are open; nothing can be opened.
    sandbox.install({**rules, "read": _ANY, "pread64": _ANY, "pwrite64": _ANY})
    return runner


def _box(name: str, form: Format, fd: int) -> Mailbox:
    return Mailbox(name, form, Path("/dev/shm") / name[1:], fd, True)  # noqa: S108 - inherited, never opened by name


def _confine(job: ControlJob, settings: ControlSettings, tell: Tell) -> int:
    """Give up what the loop does not need; the capabilities that are left."""
    if settings.threads.control_cpu >= 0:
        os.sched_setaffinity(0, {settings.threads.control_cpu})
    sandbox.limit(job.memory, (job.limit_ns + job.supervisor_ns) // 1000 + _BURST_MARGIN_US)
    kept = sandbox.give_up_privileges()
    if not sandbox.restrict_files(Path(path) for path in job.readable):
        tell(Report.NOTICE, 0, 0, "the kernel has no Landlock: files are protected by the system-call filter alone")
    return kept


def _teller(fd: int) -> Tell:
    os.set_blocking(fd, False)

    def tell(kind: Report, order: int, value: int, text: str) -> None:
        try:
            os.write(fd, commands.report(kind, order, value, text))
        except BlockingIOError:
            # The pipe holds 256 reports; a parent that has not read them notices by the missing answer.
            return

    return tell


def _parent_ended(_: int, __: FrameType | None) -> None:
    raise EndError("the parent has ended")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
