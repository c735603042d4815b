# SPDX-License-Identifier: Apache-2.0
"""Why a tag has its value: the scan that changed it is run again, and the writing instruction asked for reasons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from pilotlight.plc import ir
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.runner.causes import Cause, Contact, Site
from pilotlight.plc.runner.contributing import Contributions, Part
from pilotlight.plc.runner.replay import Replay
from pilotlight.plc.runner.scanner import Scanner
from pilotlight.plc.runner.tracing import ScanTrace, Write, trace_of
from pilotlight.tags import Value

DEPTH = 8
"""How many causes deep the tree goes, unless told otherwise."""
MOST_CAUSES = 200
"""Causes of one tree."""
MOST_CONTACTS = 32
"""Contacts of one cause."""
_TRACES = 8


class Explainer:
    """Explains values of a runner from its history, once: one explainer makes one tree."""

    def __init__(self, runner: Scanner) -> None:
        self._runner = runner
        self._history = runner.history
        self._program = runner.logic.ir
        self._of = Expressions(self._program)
        self._replay = Replay(runner)
        self._traces: OrderedDict[int, ScanTrace] = OrderedDict()
        self._told: set[tuple[int, int, int]] = set()

    def explain(self, slot: int, scan_id: int, depth: int) -> Cause:
        """Why a cell has the value it had at the end of a scan, so many causes deep."""
        changed = self._history.last_change(slot, scan_id)
        if changed is None:
            oldest = self._history.oldest_scan_id
            value = self._value(slot, self._history.image(scan_id)[slot])
            kind = "forgotten" if oldest else "start"
            return Cause(self._name(slot), value, value, kind, oldest, self._history.time_of(oldest))
        if not self._history.inputs.covers(changed):
            was, now = self._history.image(changed - 1)[slot], self._history.image(changed)[slot]
            return self._made("unclear", slot, changed, now, was)
        trace = self._trace(changed)
        return self._change(slot, changed, trace, len(trace.writes), depth, final=True)

    def _change(self, slot: int, scan_id: int, trace: ScanTrace, behind: int, depth: int, *, final: bool) -> Cause:
        """The cause of a change within a scan: by the newest of the first `behind` writes, or before the logic."""
        now, was = trace.after[slot] if final else trace.begun[slot], trace.before[slot]
        if final and slot in trace.conditions.after:
            return self._made("force", slot, scan_id, now, was)
        number = trace.last_write(slot, behind)
        if number is None:
            kinds = ((trace.conditions.before, "force"), (trace.patches, "patch"))
            kind = next((kind for given, kind in kinds if slot in given), "system" if trace.exact else "unclear")
            return self._made(kind, slot, scan_id, now, was)
        write = trace.writes[number]
        now, was = write.numbers[slot], write.image[slot]
        site = self._site(write)
        if (slot, scan_id, number) in self._told:
            return self._made("above", slot, scan_id, now, was, site)
        self._told.add((slot, scan_id, number))
        contacts: list[Contact] = []
        for part, before in self._parts(write, number):
            contacts.append(self._contact(part, scan_id, trace, before, depth - 1))
        return self._made("rung", slot, scan_id, now, was, site, tuple(contacts))

    def _parts(self, write: Write, number: int) -> Iterator[tuple[Part, int]]:
        """What had a part in a write, each once, with the number of writes before it was looked at."""
        found: dict[tuple[int, str], tuple[Part, int]] = {}
        for level in write.levels:
            seen = Contributions(self._program, self._of, level.image)
            for part in seen.of_power(level.rung, level.power):
                found.setdefault((part.slot, part.role), (part, level.writes))
        last = write.levels[-1]
        for part in Contributions(self._program, self._of, last.image).of_pins(last.rung, write.step, write.powers):
            found.setdefault((part.slot, part.role), (part, last.writes))
        if write.powers[write.step.enable]:
            for part in Contributions(self._program, self._of, write.image).of_operands(write.step):
                found.setdefault((part.slot, part.role), (part, number))
        yield from list(found.values())[:MOST_CONTACTS]

    def _contact(self, part: Part, scan_id: int, trace: ScanTrace, behind: int, depth: int) -> Contact:
        """A value that had a part when so many writes of its scan had been made."""
        slot = part.slot
        write = trace.last_write(slot, behind)
        number = trace.begun[slot] if write is None else trace.writes[write].numbers[slot]
        within = write is not None or number != trace.before[slot]
        cause = None
        if depth > 0 and len(self._told) < MOST_CAUSES:
            if within:
                cause = self._change(slot, scan_id, trace, behind, depth, final=False)
            else:
                cause = self.explain(slot, scan_id - 1, depth)
        proximate = number != trace.before[slot]
        return Contact(self._name(slot), self._value(slot, number), part.role, proximate, part.text, cause)

    def _trace(self, scan_id: int) -> ScanTrace:
        trace = self._traces.get(scan_id)
        if trace is None:
            trace = self._traces[scan_id] = trace_of(self._replay, self._program, scan_id)
            if len(self._traces) > _TRACES:
                self._traces.popitem(last=False)
        return trace

    def _made(
        self, kind: str, slot: int, scan_id: int, now: int | float, was: int | float, site: Site | None = None,
        contacts: tuple[Contact, ...] = (),
    ) -> Cause:  # fmt: skip
        values = self._value(slot, now), self._value(slot, was)
        return Cause(self._name(slot), *values, kind, scan_id, self._history.time_of(scan_id), site, contacts)

    def _site(self, write: Write) -> Site:
        level, text = write.levels[-1], ir.instruction_text(self._program, write.step)
        rung = level.rung
        return Site(level.section, level.number, text, rung.comment, rung.file, write.step.line or rung.line)

    def _name(self, slot: int) -> str:
        return self._runner.names.cells[slot].name

    def _value(self, slot: int, number: int | float) -> Value:
        return self._runner.names.value(slot, number)


def why(runner: Scanner, slot: int, scan_id: int, depth: int) -> Cause:
    """Why a cell had its value at the end of a retained scan. ValueError for a depth below 1, KeyError as history."""
    if depth < 1:
        raise ValueError("why() goes at least one cause deep")
    if not runner.history.contains(scan_id):
        raise KeyError(scan_id)
    return Explainer(runner).explain(slot, scan_id, depth)
