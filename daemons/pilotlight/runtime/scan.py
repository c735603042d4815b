# SPDX-License-Identifier: Apache-2.0
"""The scan process: load a program, give up everything that is not needed, run the cycle.

Started by the supervisor as `python3 -m pilotlight.runtime.scan <job>`, never by hand. It ends by itself with outputs
safe when its supervisor is gone, and without touching outputs when a successor takes over.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from pilotlight.io import inherit, jobs, uapi
from pilotlight.io.lines import Bank
from pilotlight.io.realtime import become_real_time
from pilotlight.runtime import commands, filters, sandbox
from pilotlight.runtime.commands import Report
from pilotlight.runtime.cycle import Cycle, EndError, Parts
from pilotlight.runtime.idle import EmptyProgram
from pilotlight.runtime.job import Job, points
from pilotlight.runtime.native import NativeProgram, Program, ProgramError
from pilotlight.runtime.scantags import DescriptionError, OwnTags, program_tag
from pilotlight.runtime.schedule import base_period
from pilotlight.tags import CommandRing, SegmentWriter

EXIT_FINISHED, EXIT_ENDED, EXIT_FAILED, EXIT_LINES = 0, 3, 4, 5
_IOCTLS = (uapi.GET_VALUES, uapi.SET_VALUES)
_BURST_MARGIN_US = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Run the process; returns its exit code."""
    job = jobs.decode(Job, arguments)
    tell = _teller(job.reports)
    try:
        outputs = inherit.bank(job.outputs)
        cycle = _prepare(job, tell, outputs)
    except (ProgramError, DescriptionError, OSError, ValueError) as error:
        tell(Report.FAILED, 0, 0, str(error))
        return EXIT_FAILED
    tell(Report.READY, 0, 0, "")
    return _run(cycle, outputs, job.safe, tell)


def _run(cycle: Cycle, outputs: Bank, safe: int, tell: Callable[[Report, int, int, str], None]) -> int:
    try:
        cycle.loop()
    except EndError as end:
        if end.lines_kept:
            return EXIT_FINISHED
        outputs.write(safe)
        tell(Report.ENDED, 0, 0, end.text)
        return EXIT_ENDED
    except OSError as error:
        tell(Report.ENDED, 0, 0, f"a line cannot be read or written: {error}")
        outputs.write(safe)
    return EXIT_LINES


def _prepare(job: Job, tell: Callable[[Report, int, int, str], None], outputs: Bank) -> Cycle:
    sandbox.name_process("pilotlight-scan")
    sandbox.end_with_parent(job.parent, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _supervisor_ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inputs = inherit.bank(job.inputs)
    writer = SegmentWriter.attach(job.segment)
    ring = CommandRing.attach(job.ring)
    saved, carried = _memory(job.saved), _memory(job.carried)
    kept = _confine(job, tell)
    program: Program = NativeProgram.load(Path(job.program)) if job.program else EmptyProgram(job.period_ns)
    count = len(program.variables)
    for index, variable in enumerate(program.variables):
        if index >= len(writer.directory) or program_tag(variable) != writer.directory[index]:
            raise DescriptionError(f"the segment does not fit variable {variable.name}: build the program again")
    base_period(program.tasks)
    tags = OwnTags(writer.directory, writer.image, count, inputs.count, outputs.count)
    program.prepare(writer.image, [writer.directory.offset(index) for index in range(count)])
    program.bind(0, points(job.input_points))
    program.bind(1, points(job.output_points))
    parts = Parts(
        program, writer, tags, ring, inputs, outputs, job.safe, job.limit_ns, job.supervisor_ns, tell,
        saved, carried,
    )  # fmt: skip
    cycle = Cycle(parts)
    cycle.publish_initial()
    for refused in become_real_time(job.priority):
        tell(Report.NOTICE, 0, 0, refused)
    sandbox.give_up_capabilities(kept)
    sandbox.install(filters.running(job.reports, os.getpid(), _IOCTLS))
    return cycle


def _memory(descriptor: int) -> mmap.mmap | None:
    return None if descriptor < 0 else mmap.mmap(descriptor, 0)


def _confine(job: Job, tell: Callable[[Report, int, int, str], None]) -> int:
    """Give up everything but loading the program; the capabilities that are left."""
    if job.cpu >= 0:
        os.sched_setaffinity(0, {job.cpu})
    sandbox.limit(job.memory, (job.limit_ns + job.supervisor_ns) // 1000 + _BURST_MARGIN_US)
    kept = sandbox.give_up_privileges()
    if not sandbox.restrict_files(Path(path) for path in job.readable):
        tell(Report.NOTICE, 0, 0, "the kernel has no Landlock: files are protected by the system-call filter alone")
    sandbox.install(filters.loading(job.reports, os.getpid(), _IOCTLS))
    return kept


def _teller(fd: int) -> Callable[[Report, int, int, str], None]:
    os.set_blocking(fd, False)

    def tell(kind: Report, command: int, value: int, text: str) -> None:
        try:
            os.write(fd, commands.report(kind, command, value, text))
        except BlockingIOError:
            # The pipe holds 256 reports; a supervisor that has not read them notices by the missing answer.
            return

    return tell


def _supervisor_ended(_: int, __: FrameType | None) -> None:
    raise EndError("the supervisor has ended")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
