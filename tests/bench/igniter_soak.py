# SPDX-License-Identifier: Apache-2.0
"""Hours of simulated time for the igniter's decisions: random shots, random failures, and a judge who must be able to
explain every state from what was done. The same seed is the same run."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from itertools import count

from pilotlight.igniter.arming import Cause, Inputs, Limits, Mode
from pilotlight.igniter.bank import ALL, Policy
from pilotlight.igniter.channel import MS, End, Rules
from pilotlight.igniter.checks import FORCEABLE, Check
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.machine import Machine

TICK_NS, LATE_NS = 4 * MS, 3 * MS
"""A tick, and how much later it may come."""
LIMITS = Limits(
    countdown_ns=100 * MS, confirm_ns=500 * MS, armed_ns=1500 * MS, lease_ns=400 * MS, fresh_ns=100 * MS,
    supervisor_ns=200 * MS, guard_ns=100 * MS,
)  # fmt: skip
RULES = Rules(default_fire_ms=50, max_fire_ms=200, off_means_open=True)
FAILURES = (
    "kill", "unreadable kill", "parent", "guard", "lines", "stray", "interlock", "persistence", "status", "clock",
    "off",
)  # fmt: skip
STRAY, DROPPED = 0b1000, 0b0001
"""The output that reads on by itself, and the one that somebody else switches off."""
BESIDE = frozenset({Kind.DISARM, Kind.BOX_ARM, Kind.BOX_FIRE, Kind.BOX_CLEAR})
"""What is asked for without a session."""
FORGET_NS = 2 * TICK_NS
"""So long what was done may still be the reason for a state."""


class Soak:
    """An igniter that is never started anew, its holder, its failures and its judge."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self._chance = random.Random(seed)
        self._machine = Machine(RULES, LIMITS, policy, ALL)
        self.causes: Counter[Cause] = Counter()
        self.shots = self.unexplained = self.ticks = self.digest = 0
        self.excess_ms: list[float] = []
        """For each tenth of the time: the mean excess of windows that ran to their end over what was asked."""
        self.worst_ms = 0.0
        self._now = 1000 * MS
        self._secrets = count(1)
        self._session = self._sequence = self._code = self._token = self._selected = self._granted = 0
        self._levels = 0
        self._boxed = False
        """Whether the mailbox was the last that armed."""
        self._acts: list[tuple[int, Kind]] = []
        self._kept_ns = 0
        self._keeps = True
        self._failing: dict[str, int] = {}
        self._next_failure = self._now
        self._alive = {"parent": self._now, "guard": self._now}
        self._lease_end = self._armed_end = self._prepared = 0
        self._windows = [0, 0, 0, 0]
        self._reasons: dict[Cause, int] = {}
        self._sum = self._count = 0.0

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        begun, tenth = self._now, int(seconds * 1e8)
        for part in range(1, 11):
            self._sum = self._count = 0
            while self._now < begun + part * tenth:
                self._tick()
            self.excess_ms.append(self._sum / max(1, self._count))

    def _tick(self) -> None:
        self.ticks += 1
        chance, machine = self._chance, self._machine
        self._now += TICK_NS + (chance.randrange(LATE_NS) if chance.random() < 0.1 else 0)
        if self._now >= self._next_failure:
            self._fail()
        before, firing = machine.mode, self._levels
        machine.tick(self._read())
        if firing & ~machine.bank.active:
            self._blame(Cause.FIRED)
        self._hold()
        self._levels = machine.outputs()
        machine.shots.written(self._now, self._levels)
        self._judge(before)

    def _fail(self) -> None:
        chance = self._chance
        self._next_failure = self._now + chance.randrange(20 * MS, 4000 * MS)
        self._failing[chance.choice(FAILURES)] = self._now + chance.randrange(4 * MS, 400 * MS)

    def _fails(self, name: str) -> bool:
        return self._failing.get(name, 0) > self._now

    def _read(self) -> Inputs:
        """What the lines and the others say, and whom to blame for what follows from it."""
        now, fails = self._now, self._fails
        for name in ("parent", "guard"):
            if not fails(name):
                self._alive[name] = now
        closed = None if fails("unreadable kill") else not fails("kill")
        outputs = None if fails("lines") else self._levels | (STRAY if fails("stray") else 0)
        if fails("off") and outputs is not None:
            if self._levels & DROPPED:
                self._blame(Cause.SWITCHED_OFF)
            outputs &= ~DROPPED
        status = ALL & ~0b0001 if fails("status") else ALL
        clock = now
        if self._failing.pop("clock", 0):
            clock = now - 100 * MS
            self._blame(Cause.CLOCK_BACK)
            self._blame(Cause.WATCHDOGS)
        if not closed:
            self._blame(Cause.KILL_SWITCH)
        if now - self._alive["parent"] > LIMITS.supervisor_ns or now - self._alive["guard"] > LIMITS.guard_ns:
            self._blame(Cause.WATCHDOGS)
        if fails("lines") or fails("stray"):
            self._blame(Cause.LINES)
        if fails("status"):
            self._blame(Cause.FAULT)
        if now >= self._lease_end:
            self._blame(Cause.LEASE)
        if now >= self._armed_end or now >= self._prepared + LIMITS.countdown_ns + LIMITS.confirm_ns:
            self._blame(Cause.ARMING_TIMEOUT)
        return Inputs(clock, status, outputs, closed, self._alive["parent"], self._alive["guard"])

    def _hold(self) -> None:
        """The holder's acts, and the parent's facts."""
        facts = Check.INTERLOCKS if self._fails("interlock") else Check(0)
        if self._fails("persistence"):
            facts |= Check.PERSISTENCE
        if facts:
            self._blame(Cause.INTERLOCK)
        self._machine.carry_out(Command(Kind.FACTS, checks=int(facts)))
        if not self._acts:
            self._plan()
        if self._keeps and self._now - self._kept_ns >= 100 * MS:
            self._send(Kind.KEEP)
        while self._acts and self._acts[0][0] <= self._now:
            self._act(self._acts.pop(0)[1])

    def _plan(self) -> None:
        """The next shot, as planned; what becomes of it is another matter."""
        chance = self._chance
        if chance.random() < 0.2:
            steps = [(0, Kind.CLOSE), (8, Kind.BOX_CLEAR), (60, Kind.BOX_ARM), (chance.choice([0, 8]), Kind.BOX_FIRE)]
            steps += [(chance.choice([20, 100, 400]), chance.choice([Kind.DISARM, Kind.BOX_CLEAR, Kind.BOX_FIRE]))]
            self._take_up(steps)
            return
        steps = [(0, Kind.CLOSE), (0, Kind.OPEN), (8, Kind.CLEAR), (60, Kind.PREPARE), (110, Kind.ARM)]
        steps += [(chance.choice([0, 8, 300]), Kind.FIRE)] * chance.choice([1, 1, 2])
        steps += [(chance.choice([20, 100, 400]), chance.choice([Kind.DISARM, Kind.CLEAR, Kind.KEEP]))]
        if chance.random() < 0.1:
            steps[4] = (chance.choice([0, 50, 700]), Kind.ARM)
        if chance.random() < 0.05:
            steps.insert(5, (1600, Kind.KEEP))
        self._take_up(steps)

    def _take_up(self, steps: list[tuple[int, Kind]]) -> None:
        """These acts are to come, each so many milliseconds after the one before."""
        at = self._now + self._chance.randrange(500 * MS)
        for pause, kind in steps:
            at += pause * MS
            self._acts.append((at, kind))
        self._keeps = self._chance.random() > 0.05

    def _act(self, kind: Kind) -> None:
        wrong = self._chance.random() < 0.03
        if kind is Kind.OPEN:
            self._session, self._sequence = next(self._secrets), 0
            self._send(kind)
        elif kind is Kind.PREPARE:
            self._selected, self._code = self._chance.choice([1, 2, 5, ALL]), next(self._secrets)
            self._send(kind, mask=self._selected, checks=int(FORCEABLE), secret=self._code)
        elif kind is Kind.ARM:
            self._token = next(self._secrets)
            self._wrong(wrong)
            self._send(kind, secret=self._code + wrong, token=self._token)
        elif kind is Kind.BOX_ARM:
            self._send(kind, checks=int(FORCEABLE))
        elif kind is Kind.BOX_FIRE:
            self._send(kind, mask=self._chance.choice([1, 2, 5, ALL]), window=self._chance.choice([0, 8, 50, 200, 201]))
        elif kind is Kind.FIRE:
            window = self._chance.choice([0, 8, 50, 200, 201])
            self._wrong(wrong)
            self._send(kind, mask=self._selected, secret=self._token + wrong, window=window)
        else:
            self._send(kind)

    def _wrong(self, wrong: bool) -> None:
        if wrong:
            self._blame(Cause.WRONG_SECRET)

    def _send(
        self, kind: Kind, mask: int = 0, checks: int = 0, secret: int = 0, token: int = 0, window: int = 0
    ) -> None:
        """Send a command of the session, a few of them too late or twice, and note what an accepted one allows."""
        self._sequence += self._chance.random() > 0.01
        stamp = self._now - (150 * MS if self._chance.random() < 0.01 else 0)
        if kind in (Kind.CLOSE, Kind.DISARM, Kind.ARM, Kind.BOX_CLEAR):
            self._blame(Cause.COMMAND)
        verdict = self._machine.carry_out(
            Command(kind, mask=mask, checks=checks, sequence=self._sequence, secret=secret, session=self._session,
                    stamp_ns=min(stamp, self._machine.now_ns), token=token, durations_ms=(window,) * 4)
        )  # fmt: skip
        self.digest = zlib.crc32(bytes((kind, verdict)), self.digest)
        if verdict is not Verdict.ACCEPTED:
            return
        if kind is Kind.CLOSE:
            self._lease_end = 0
        elif kind not in BESIDE:
            self._lease_end, self._kept_ns = self._now + LIMITS.lease_ns, self._now
        if kind is Kind.PREPARE:
            self._prepared, self._granted = self._now, mask
        elif kind in (Kind.ARM, Kind.BOX_ARM):
            self._armed_end, self._boxed = self._now + LIMITS.armed_ns, kind is Kind.BOX_ARM
            self._granted = ALL if self._boxed else self._granted
        elif kind in (Kind.FIRE, Kind.BOX_FIRE):
            for channel in range(4):
                if mask >> channel & 1:
                    self._windows[channel] = self._now + (window or RULES.default_fire_ms) * MS

    def _blame(self, cause: Cause) -> None:
        self._reasons[cause] = self._now

    def _judge(self, before: Mode) -> None:
        """Count what cannot be explained, and follow the shots."""
        machine, now, on = self._machine, self._now, self._levels
        self.digest = zlib.crc32(bytes((machine.mode, machine.cause, on, machine.bank.faulted)), self.digest)
        if machine.mode is Mode.SAFE and before is not Mode.SAFE:
            self.causes[machine.cause] += 1
            self.unexplained += now - self._reasons.get(machine.cause, -FORGET_NS) >= FORGET_NS
        if on:
            self.unexplained += not self._allowed(on)
        for shot in machine.shots.take():
            self.shots += 1
            if shot.end is End.COMPLETED:
                excess = (shot.off_ns - shot.on_ns) / MS - shot.window_ms
                self.worst_ms = max(self.worst_ms, excess)
                self.unexplained += excess < 0
                self._sum += excess
                self._count += 1

    def _allowed(self, on: int) -> bool:
        """Whether everything allows that these outputs are on."""
        now, hazards = self._now, ("kill", "unreadable kill", "lines", "interlock", "persistence")
        return (
            now < self._armed_end
            and (self._boxed or now < self._lease_end)
            # One that is to be on cannot be told from one that is on by itself.
            and not (self._fails("stray") and STRAY & ~on)
            and not any(self._fails(name) for name in hazards)
            and now - self._alive["parent"] <= LIMITS.supervisor_ns
            and now - self._alive["guard"] <= LIMITS.guard_ns
            and not on & ~self._granted
            and all(now < self._windows[channel] for channel in range(4) if on >> channel & 1)
        )
