# SPDX-License-Identifier: Apache-2.0
"""Guessing passwords gets slow; the owner is not locked out; the tables stay small."""

from hypothesis import given
from hypothesis import strategies as st
from pilotlight.web.throttle import LoginThrottle, Policy, Throttle, network_of

from tests.unit.web.conftest import ADMIN, Site


def test_wait_doubles_up_to_its_limit() -> None:
    throttle = Throttle(Policy(free=3, first_s=1, longest_s=10))
    waits, now = [], 100.0
    for _ in range(8):
        throttle.attempt("a", now)
        wait = throttle.wait_s("a", now)
        waits.append(wait)
        now += wait
    assert waits == [0, 0, 1, 2, 4, 8, 10, 10]
    assert throttle.wait_s("b", now) == 0
    throttle.success("a")
    assert throttle.wait_s("a", now) == 0


def test_an_hour_forgets() -> None:
    throttle = Throttle(Policy(free=1, first_s=5, longest_s=10))
    throttle.attempt("a", 0.0)
    throttle.attempt("a", 10.0)
    throttle.attempt("a", 4000.0)
    assert throttle.wait_s("a", 4000.0) == 5


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 1e6)), max_size=25))
def test_table_is_bounded(attempts: list[tuple[str, float]]) -> None:
    throttle = Throttle(Policy(free=2, first_s=1, longest_s=60), capacity=5)
    for key, now in attempts:
        throttle.attempt(key, now)
        assert 0 <= throttle.wait_s(key, now) <= 60
        assert len(throttle) <= 5


def test_strangers_do_not_lock_the_owner_out() -> None:
    throttle = LoginThrottle()
    assert throttle.admit("ada", "10.0.0.1", 0.0) == 0
    throttle.success("ada", "10.0.0.1")
    for n in range(50):
        throttle.admit("ada", f"10.9.9.{n}", 1.0)
    assert throttle.admit("ada", "10.0.0.2", 1.0) > 0
    assert throttle.admit("ada", "10.0.0.1", 1.0) == 0


def test_one_address_cannot_try_many_accounts() -> None:
    throttle = LoginThrottle()
    waits = [throttle.admit(f"user{n}", "2001:db8::1", 1.0) for n in range(12)]
    assert waits[:10] == [0.0] * 10
    assert waits[11] > 0
    assert throttle.admit("other", "2001:db8::ffff:1", 1.0) > 0
    assert throttle.admit("other", "2001:db9::1", 1.0) == 0


def test_networks() -> None:
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("2001:db8:0:1:2::3") == "2001:db8:0:1::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("testclient") == "testclient"


def test_over_https(site: Site) -> None:
    site.claim()
    site.backend.throttle = LoginThrottle()
    replies = [site.call("POST", "/api/login", json={"username": "nobody", "password": f"guess {n}"}) for n in range(6)]
    assert [reply.status_code for reply in replies] == [401] * 5 + [429]
    assert int(replies[5].headers["retry-after"]) >= 1
    assert "try again in" in replies[5].json()["msg"]
    assert site.call("POST", "/api/login", json=ADMIN).status_code == 200


def test_wrong_name_takes_as_long_as_wrong_password(site: Site) -> None:
    """Both are checked against a hash with the same parameters; nothing is decided before."""
    site.claim()
    hasher = site.backend.hasher
    seen: list[str] = []
    real = hasher._run

    async def spy(function: object, *arguments: str) -> object:
        seen.append(arguments[0].rpartition("$")[0].rpartition("$")[0])
        return await real(function, *arguments)

    hasher._run = spy  # type: ignore[method-assign,assignment]
    for name in ("ada", "nobody"):
        reply = site.call("POST", "/api/login", json={"username": name, "password": "wrong wrong"})
        assert (reply.status_code, reply.json()) == (401, "Wrong username or password")
    assert seen[0] == seen[1] == "$argon2id$v=19$m=19456,t=2,p=1"
