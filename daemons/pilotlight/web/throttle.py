# SPDX-License-Identifier: Apache-2.0
"""Slows down guessing of passwords: per account and per address, in tables of bounded size."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """After `free` attempts each further one doubles the wait from `first_s` up to `longest_s` seconds."""

    free: int
    first_s: float
    longest_s: float


ACCOUNT = Policy(free=5, first_s=1.0, longest_s=60.0)
ADDRESS = Policy(free=10, first_s=1.0, longest_s=300.0)


@dataclass
class _Record:
    attempts: int = 0
    blocked_until: float = 0.0


class Throttle:
    """Attempts that have not succeeded, by key. The table forgets the key that was idle for longest when it
    is full."""

    def __init__(self, policy: Policy, capacity: int = 1024) -> None:
        self._policy = policy
        self._capacity = capacity
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until `key` may try again; 0 when it may try now."""
        record = self._records.get(key)
        return max(0.0, record.blocked_until - now) if record else 0.0

    def attempt(self, key: str, now: float) -> None:
        """Counts an attempt before its outcome is known, so that many at the same time do not slip
        through."""
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        # An hour without an attempt is a clean slate.
        if record.blocked_until and now - record.blocked_until > 3600.0:
            record.attempts = 0
        record.attempts += 1
        beyond = record.attempts - self._policy.free
        if beyond >= 0:
            pause = self._policy.first_s * 2.0 ** min(beyond, 20)
            record.blocked_until = now + min(pause, self._policy.longest_s)
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def success(self, key: str) -> None:
        """Forgets the attempts of `key`."""
        self._records.pop(key, None)


class LoginThrottle:
    """Both limits together.

    An address from which an account has logged in before is not held up by what strangers try on that
    account: otherwise anyone could lock the owner out.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._accounts = Throttle(ACCOUNT, capacity)
        self._addresses = Throttle(ADDRESS, capacity)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._capacity = capacity

    def admit(self, account: str, address: str, now: float) -> float:
        """0 and the attempt is counted, or the seconds to wait."""
        place = network_of(address)
        known = (account, place) in self._known
        wait = max(self._addresses.wait_s(place, now), 0.0 if known else self._accounts.wait_s(account, now))
        if wait == 0.0:
            self._addresses.attempt(place, now)
            if not known:
                self._accounts.attempt(account, now)
        return wait

    def success(self, account: str, address: str) -> None:
        """The password was right: both counts are cleared and the address is known for this account."""
        place = network_of(address)
        self._accounts.success(account)
        self._addresses.success(place)
        self._known[account, place] = None
        self._known.move_to_end((account, place))
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


def plain_address(address: str) -> str:
    """An address as people write it: IPv4 that arrived at an IPv6 socket is IPv4."""
    return address.removeprefix("::ffff:") if "." in address else address


def network_of(address: str) -> str:
    """The unit that is throttled: an IPv4 address, or the /64 of an IPv6 address."""
    address = plain_address(address)
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address
