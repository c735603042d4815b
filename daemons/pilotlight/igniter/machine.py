# SPDX-License-Identifier: Apache-2.0
"""Decides when which output is on: arming in two steps, the lease, the windows, and what makes safe. No I/O.

The rule that everything else serves is `Machine.permitted`: no output is on unless the igniter is armed and its arming
has not run out, the kill switch is closed, the session's lease lives (a mailbox, once it has armed, has none), guard
and parent live, the interlocks hold, and the channel's own window is not over. `tick` applies it as its last act,
whatever came before. Times are CLOCK_MONOTONIC nanoseconds.
"""

from __future__ import annotations

from dataclasses import replace

from .arming import Cause, Inputs, Limits, Mode
from .bank import Bank, Policy
from .channel import Continuity, Rules
from .checks import FORCEABLE, TOLD, Check
from .commands import UNCOUNTED, Command, Kind, Verdict
from .records import Shots


class Machine:
    """The state of the igniter. `tick` first, then the commands, then `outputs` says what has to be on."""

    def __init__(self, rules: Rules, limits: Limits, policy: Policy, enabled: int, first_shot: int = 1) -> None:
        self.bank = Bank(rules, policy, enabled)
        self.shots = Shots(first_shot)
        self.mode = Mode.SAFE
        self.cause = Cause.START
        self.session = 0
        self.accepted = self.refused = 0
        """Commands that were carried out, and that were not."""
        self.facts = TOLD
        """Failing checks as the parent last told; all of them until it did."""
        self._measured = rules.off_means_open
        self._limits = limits
        self._in = Inputs(0, 0, None, None, 0, 0, False)
        self._lease_end = 0
        self._sequence = 0
        self._prepared_ns = 0
        self._armed_end = 0
        self._selected = 0
        self._forced = Check(0)
        self._connected = 0
        """The channels that were armed because their match is there, and have not fired since."""
        self._secret = 0
        self._boxed = False
        self._wanted = 0
        self._stray = True
        """Whether an output could not be read back, or read on at the start of this tick though it was off."""
        self._dropped = False
        """Whether an output read off at the start of this tick though it was on."""

    @property
    def inputs(self) -> Inputs:
        """What the last tick has read."""
        return self._in

    @property
    def now_ns(self) -> int:
        """The time of the last tick."""
        return self._in.now_ns

    def tick(self, inputs: Inputs) -> None:
        """One step in time: whatever forbids being armed makes safe, windows end, faults are found."""
        back = inputs.now_ns < self._in.now_ns
        self._stray = inputs.outputs is None or bool(inputs.outputs & ~self._wanted)
        self._dropped = inputs.outputs is not None and bool(self._wanted & ~inputs.outputs)
        if inputs.outputs is not None:
            self.shots.read(inputs.now_ns, inputs.outputs)
        self._in = inputs
        now = inputs.now_ns
        cause = Cause.CLOCK_BACK if back else self._hazard()
        if cause is not None and (self.mode is not Mode.SAFE or self.bank.active):
            self.make_safe(cause)
        if self.session and now >= self._lease_end:
            self.session = 0
        firing = self.bank.active
        self.bank.update(now, inputs.status)
        if (self.mode is Mode.ARMED and not self.bank.armed) or (self.mode is Mode.ARMING and self.bank.latched):
            self.make_safe(Cause.FAULT)
        if self.mode is Mode.ARMED and not self.bank.active and self._absent(self._connected):
            self.make_safe(Cause.CONTINUITY)
        self.shots.follow(now, self.bank, inputs.status, self.cause.name)
        if self.mode is Mode.ARMED and firing and not self.bank.active and not self._limits.stay_armed:
            self.make_safe(Cause.FIRED)
        if self.mode is Mode.ARMING and now >= self._prepared_ns + self._limits.countdown_ns + self._limits.confirm_ns:
            self.make_safe(Cause.ARMING_TIMEOUT)

    def permitted(self) -> int:
        """The channels that may be on at this moment; see the head of this module."""
        if self.mode is not Mode.ARMED or not self.bank.armed or self._hazard() is not None:
            return 0
        return self.bank.window(self._in.now_ns) & self._selected & self.bank.enabled

    def outputs(self) -> int:
        """What the outputs have to be now: what is wanted and permitted."""
        wanted = self.bank.active
        if wanted & ~self.permitted():
            self.make_safe(self._hazard() or Cause.FAULT)
        self._wanted = self.bank.active & self.permitted()
        return self._wanted

    def reconsider(self, now_ns: int, kill_closed: bool | None) -> int:
        """`outputs` once more, just before one is switched on, by the present time and the kill switch as it is now."""
        waited = now_ns - self._in.now_ns
        self._in = replace(self._in, now_ns=now_ns, kill_closed=kill_closed)
        if not 0 <= waited <= self._limits.late_ns:
            self.make_safe(Cause.CLOCK_BACK if waited < 0 else Cause.LATE)
        return self.outputs()

    def settled(self, command: Command, verdict: Verdict) -> Verdict:
        """What has become of a command once `outputs` is known: one that fired in vain was not carried out."""
        fired = verdict is Verdict.ACCEPTED and command.kind in (Kind.FIRE, Kind.BOX_FIRE)
        if not fired or not command.mask & ~self._wanted:
            return verdict
        self.accepted -= 1
        self.refused += 1
        return Verdict.UNDONE

    def make_safe(self, cause: Cause) -> None:
        """All off, nothing armed, code and token forgotten."""
        self.mode = Mode.SAFE
        self.cause = cause
        self._secret = self._selected = self._connected = 0
        self._forced = Check(0)
        self._boxed = False
        if self.bank.armed or self.bank.active:
            self.bank.disarm(self._in.now_ns)
        self.shots.follow(self._in.now_ns, self.bank, self._in.status, cause.name)

    def failing(self, selected: int) -> Check:
        """The arming checks that fail for the channels in `selected`."""
        found = self.facts
        bank, inputs = self.bank, self._in
        if not selected or selected & ~bank.enabled:
            found |= Check.LINES
        if inputs.kill_closed is not True:
            found |= Check.KILL_SWITCH
        if not self._watched():
            found |= Check.WATCHDOGS
        if self._stray:
            found |= Check.OUTPUTS_OFF
        if bank.latched or bank.faulted & selected:
            found |= Check.NO_FAULT
        if not inputs.real_time:
            found |= Check.REAL_TIME
        present = [channel.continuity is Continuity.PRESENT for channel in bank.channels]
        if not self._measured or any(selected >> n & 1 and not found for n, found in enumerate(present)):
            found |= Check.CONTINUITY
        return found

    def carry_out(self, command: Command) -> Verdict:
        """Do what a command says, or say why not, and count it. Nothing is carried out in part."""
        verdict = self._verdict(command)
        if command.kind not in UNCOUNTED:
            if verdict is Verdict.ACCEPTED:
                self.accepted += 1
            else:
                self.refused += 1
        return verdict

    def _verdict(self, command: Command) -> Verdict:
        kind = command.kind
        if kind is Kind.FACTS:
            self.facts = Check(command.checks) & TOLD
            # At once: they may be told otherwise before the next tick.
            if self.facts & (Check.INTERLOCKS | Check.PERSISTENCE) and self.mode is not Mode.SAFE:
                self.make_safe(Cause.INTERLOCK)
            return Verdict.ACCEPTED
        if kind is Kind.DISARM:
            if self.mode is not Mode.SAFE or self.bank.active:
                self.make_safe(Cause.COMMAND)
            return Verdict.ACCEPTED
        if kind is Kind.OPEN:
            return self._open(command)
        if kind is Kind.LOOK:
            return Verdict.ACCEPTED
        if kind is Kind.REFUSED:
            return Verdict.REFUSED
        if kind is Kind.BOX_ARM:
            return self._box_arm(command)
        if kind is Kind.BOX_FIRE:
            return self._box_fire(command)
        if kind is Kind.BOX_CLEAR:
            return self._box_clear()
        refused = self._authentic(command)
        if refused is not Verdict.ACCEPTED:
            return refused
        return self._in_session(command)

    def _in_session(self, command: Command) -> Verdict:
        kind = command.kind
        if kind is Kind.CLOSE:
            self.session = 0
            self.make_safe(Cause.COMMAND)
        elif kind is Kind.PREPARE:
            return self._prepare(command)
        elif kind is Kind.ARM:
            return self._arm(command)
        elif kind is Kind.FIRE:
            if self.mode is not Mode.ARMED or self._boxed:
                return Verdict.WRONG_STATE
            if command.secret != self._secret:
                self.make_safe(Cause.WRONG_SECRET)
                return Verdict.WRONG_TOKEN
            return self._fire(command)
        elif kind is Kind.CLEAR:
            if self.mode is not Mode.SAFE:
                return Verdict.WRONG_STATE
            self.bank.clear_fault(self.now_ns)
        return Verdict.ACCEPTED

    def _open(self, command: Command) -> Verdict:
        if self.session or self._boxed or not command.session:
            return Verdict.BUSY
        self.session = command.session
        self._sequence = 0
        self._lease_end = self.now_ns + self._limits.lease_ns
        return Verdict.ACCEPTED

    def _authentic(self, command: Command) -> Verdict:
        """Whether the command is of the living session, new and recent; if so the lease goes on."""
        if not self.session or command.session != self.session:
            return Verdict.NO_SESSION
        if not 0 <= self.now_ns - command.stamp_ns <= self._limits.fresh_ns:
            return Verdict.STALE
        if command.sequence <= self._sequence:
            return Verdict.REPEATED
        self._sequence = command.sequence
        self._lease_end = self.now_ns + self._limits.lease_ns
        return Verdict.ACCEPTED

    def _prepare(self, command: Command) -> Verdict:
        if self.mode is not Mode.SAFE:
            return Verdict.WRONG_STATE
        self._forced = Check(command.checks) & FORCEABLE
        if self.failing(command.mask) & ~self._forced:
            return Verdict.CHECKS
        self.mode = Mode.ARMING
        self._selected = command.mask
        self._secret = command.secret
        self._prepared_ns = self.now_ns
        return Verdict.ACCEPTED

    def _arm(self, command: Command) -> Verdict:
        if self.mode is not Mode.ARMING:
            return Verdict.WRONG_STATE
        refused = Verdict.ACCEPTED
        if command.secret != self._secret:
            refused = Verdict.WRONG_CODE
        elif self.now_ns < self._prepared_ns + self._limits.countdown_ns:
            refused = Verdict.TOO_EARLY
        elif self.failing(self._selected) & ~self._forced:
            refused = Verdict.CHECKS
        elif not self.bank.arm(self.now_ns, self._selected):
            refused = Verdict.REFUSED
        if refused is not Verdict.ACCEPTED:
            self.make_safe(Cause.WRONG_SECRET if refused is Verdict.WRONG_CODE else Cause.COMMAND)
            return refused
        self._armed(command.token)
        return Verdict.ACCEPTED

    def _box_arm(self, command: Command) -> Verdict:
        """Arm all channels in one step, for as long as arming lasts. A session in being keeps the igniter to itself."""
        if self.session:
            return Verdict.BUSY
        if self.mode is not Mode.SAFE:
            return Verdict.WRONG_STATE
        selected = self.bank.enabled
        if self.failing(selected) & ~(Check(command.checks) & FORCEABLE):
            return Verdict.CHECKS
        if not self.bank.arm(self.now_ns, selected):
            return Verdict.REFUSED
        self._selected = selected
        self._boxed = True
        self._forced = Check(command.checks) & FORCEABLE
        self._armed(0)
        return Verdict.ACCEPTED

    def _box_fire(self, command: Command) -> Verdict:
        if self.session:
            return Verdict.BUSY
        return self._fire(command) if self._boxed else Verdict.WRONG_STATE

    def _box_clear(self) -> Verdict:
        if self.session:
            return Verdict.BUSY
        self.make_safe(Cause.COMMAND)
        self.bank.clear_fault(self.now_ns)
        return Verdict.ACCEPTED

    def _armed(self, token: int) -> None:
        self.mode = Mode.ARMED
        self._secret = token
        self._armed_end = self.now_ns + self._limits.armed_ns
        self._connected = 0 if self._forced & Check.CONTINUITY else self._selected

    def _fire(self, command: Command) -> Verdict:
        mask, now = command.mask, self.now_ns
        channels = [c for n, c in enumerate(self.bank.channels) if mask >> n & 1]
        windows = [c.window_ms(command.durations_ms[n]) for n, c in enumerate(self.bank.channels)]
        if self._hazard() is not None or not self.bank.armed:
            return Verdict.WRONG_STATE
        if not channels or mask & ~self._selected:
            return Verdict.BAD_CHANNELS
        if not all(window for n, window in enumerate(windows) if mask >> n & 1):
            return Verdict.BAD_WINDOW
        if not self.bank.fire(now, mask, command.durations_ms):
            return Verdict.BAD_CHANNELS
        self._connected &= ~mask
        for number, window in enumerate(windows):
            if mask >> number & 1:
                self.shots.begin(number, now, window)
        return Verdict.ACCEPTED

    def _absent(self, mask: int) -> bool:
        """Whether a channel of `mask` has been found without a match."""
        return any(mask >> n & 1 and c.continuity is Continuity.OPEN for n, c in enumerate(self.bank.channels))

    def _watched(self) -> bool:
        limits, inputs = self._limits, self._in
        parent = 0 <= inputs.now_ns - inputs.supervisor_ns <= limits.supervisor_ns
        return parent and 0 <= inputs.now_ns - inputs.guard_ns <= limits.guard_ns

    def _hazard(self) -> Cause | None:
        """What forbids that anything is armed at this moment; None when nothing does."""
        inputs, now = self._in, self._in.now_ns
        if inputs.kill_closed is not True:
            return Cause.KILL_SWITCH
        if not self._watched():
            return Cause.WATCHDOGS
        if self.facts & (Check.INTERLOCKS | Check.PERSISTENCE):
            return Cause.INTERLOCK
        if self._stray:
            return Cause.LINES
        if self._dropped:
            return Cause.SWITCHED_OFF
        if not self._boxed and (not self.session or now >= self._lease_end):
            return Cause.LEASE
        if self.mode is Mode.ARMED and now >= self._armed_end:
            return Cause.ARMING_TIMEOUT
        return None
