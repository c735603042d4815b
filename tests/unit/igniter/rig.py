# SPDX-License-Identifier: Apache-2.0
"""A machine with everything in order, for tests that put one thing out of order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pilotlight.igniter.arming import Inputs, Limits
from pilotlight.igniter.bank import Policy
from pilotlight.igniter.channel import MS, Rules
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.machine import Machine

TICK = 4 * MS
SESSION, CODE, TOKEN = 77, 1234, 99
LIMITS = Limits(countdown_ns=100 * MS, confirm_ns=400 * MS, armed_ns=2000 * MS, lease_ns=300 * MS)
RULES = Rules(off_means_open=True)


class Rig:
    """A machine, its time, and what its ticks read."""

    def __init__(
        self, limits: Limits = LIMITS, rules: Rules = RULES, policy: Policy = Policy.GLOBAL, enabled: int = 0b1111
    ) -> None:
        self.machine = Machine(rules, limits, policy, enabled)
        self.now = 1000 * MS
        self.inputs = Inputs(self.now, 0b1111, 0, True, self.now, self.now)
        self.sequence = 0
        self.outputs = 0
        self.shots: list[Any] = []
        self.machine.carry_out(Command(Kind.FACTS))

    def tick(self, count: int = 1, **changes: Any) -> int:
        """So many ticks with parent and guard alive unless `changes` say otherwise; the outputs after the last."""
        self.inputs = replace(self.inputs, **changes)
        for _ in range(count):
            self.now += TICK
            alive = {name: self.now for name in ("supervisor_ns", "guard_ns") if name not in changes}
            self.inputs = replace(self.inputs, now_ns=self.now, outputs=changes.get("outputs", self.outputs), **alive)
            self.machine.tick(self.inputs)
            self.write()
        return self.outputs

    def do(self, kind: Kind, **arguments: Any) -> Verdict:
        """Carry out a command of the session, numbered and stamped unless said otherwise."""
        verdict = self.machine.carry_out(self.command(kind, **arguments))
        self.write()
        return verdict

    def command(self, kind: Kind, **arguments: Any) -> Command:
        """A command of the session, numbered and stamped unless said otherwise."""
        self.sequence += 1
        given = {"session": SESSION, "sequence": self.sequence, "stamp_ns": self.now} | arguments
        return Command(kind, **given)

    def keep(self, count: int) -> int:
        """So many ticks with the lease kept."""
        for _ in range(count):
            self.do(Kind.KEEP)
            self.tick()
        return self.outputs

    def prepare(self, mask: int = 0b1111, forced: int = 0, **changes: Any) -> Verdict:
        """A session and the first step of arming, ten ticks later."""
        self.tick(10, **changes)
        if not self.machine.session:
            assert self.do(Kind.OPEN) is Verdict.ACCEPTED
        return self.do(Kind.PREPARE, mask=mask, checks=forced, secret=CODE)

    def arm(self, mask: int = 0b1111, forced: int = 0) -> None:
        """Both steps."""
        assert self.prepare(mask, forced) is Verdict.ACCEPTED
        self.keep(26)
        assert self.do(Kind.ARM, secret=CODE, token=TOKEN) is Verdict.ACCEPTED

    def fire(self, mask: int = 0b0001, duration: int = 100, **arguments: Any) -> Verdict:
        """Fire with the right token unless said otherwise."""
        return self.do(Kind.FIRE, **({"mask": mask, "durations_ms": (duration,) * 4, "secret": TOKEN} | arguments))

    def write(self) -> None:
        """The end of a tick: the outputs, and what the shots come to by them."""
        self.outputs = self.machine.outputs()
        self.machine.shots.written(self.now + 1000, self.outputs)
        self.shots += self.machine.shots.take()
