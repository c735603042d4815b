# SPDX-License-Identifier: Apache-2.0
"""Calls over a real bus: results, errors by name, deferred replies, descriptors, timeouts, callers, changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib
from pilotlight.daemon import (
    Busy,
    Caller,
    Client,
    DaemonError,
    Fd,
    InvalidArgument,
    NotPermitted,
    Service,
    Timeout,
    Unavailable,
    WrongState,
)
from pilotlight.daemon import dispatch as dispatch_module
from pilotlight.daemon.bus import Bus
from pilotlight.daemon.connection import connect, shared
from pilotlight.daemon.identity import CACHE_LIMIT, CallerCache

from tests.unit.daemon.example import Example, Odd

_NAME = "io.pilotlight.Example1"


@pytest.fixture
def example(serve: Callable[..., None]) -> Example:
    service = Example()
    serve(service)
    return service


@pytest.fixture
def client(example: Example) -> Client:
    return Client(_NAME)


def test_results_come_back_as_plain_values(client: Client) -> None:
    assert client.call("Add", 2, 3) == 5
    assert client.call("Bytes", b"\0\xff") == b"\xff\0"
    assert client.call("Bytes", b"") == b""
    nested = {"b": True, "i": -1, "f": 0.5, "s": "é", "y": b"\0\xff", "n": {"d": [1, 2], "e": []}}
    assert client.call("Pair") == ("one", [nested])


def test_status_is_the_same_everywhere(example: Example, client: Client) -> None:
    example.trouble = ["it rains"]
    status = client.call("Status")
    assert status["Daemon"] == "example"
    assert (status["Healthy"], status["Problems"]) == (False, ["it rains"])
    assert status["Version"] == client.get("Version")
    assert status["Count"] == 0
    example.trouble = []
    assert client.call("Status")["Healthy"] is True


def test_properties(client: Client) -> None:
    assert client.get("Big") == ["a"]
    assert client.get_all().keys() == {"Version", "Count", "Big", "Quiet"}
    with pytest.raises(InvalidArgument, match="Nothing"):
        client.get("Nothing")


def test_methods_run_in_the_asyncio_thread(example: Example, client: Client) -> None:
    client.call("Add", 1, 1)
    assert example.thread_of_call is not None
    assert example.thread_of_call.name == "serve"


def test_errors_keep_their_name_and_sentence(client: Client) -> None:
    with pytest.raises(Odd) as odd:
        client.call("Fail", "odd")
    assert (odd.value.dbus_name, str(odd.value)) == ("io.pilotlight.Error.Odd", "odd things")
    with pytest.raises(WrongState, match=r"^not now$"):
        client.call("Fail", "state")


def test_an_unknown_exception_is_failed_and_logged_once(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DaemonError) as failed:
        client.call("Fail", "bug")
    assert failed.value.dbus_name == "io.pilotlight.Error.Failed"
    assert "internal error (ZeroDivisionError)" in str(failed.value)
    assert "a bug" not in str(failed.value)
    assert capfd.readouterr().err.count("ZeroDivisionError: a bug\n") == 1


def test_a_result_of_the_wrong_type_is_a_failure_not_a_hang(client: Client) -> None:
    with pytest.raises(DaemonError, match="internal error"):
        client.call("Wrong")


def test_an_error_name_that_nobody_defined_is_kept() -> None:
    error = DaemonError.from_bus("io.pilotlight.Error.Elsewhere", "text")
    assert type(error) is DaemonError
    assert error.dbus_name == "io.pilotlight.Error.Elsewhere"


def test_deferred_reply_from_another_thread(client: Client) -> None:
    assert client.call("Later", {"a": [1.5]}) == {"a": [1.5]}


def test_a_forgotten_reply_is_an_error_at_once(client: Client) -> None:
    with pytest.raises(DaemonError, match="dropped without an answer"):
        client.call("Forget")


def test_a_second_answer_is_without_effect(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts: list[bool] = []

    def twice(self: Example, reply: Any, value: Any) -> None:
        verdicts.extend((reply.send(value), reply.send("other"), reply.fail(ValueError("late"))))

    twice._pilotlight_deferred = True  # type: ignore[attr-defined]
    monkeypatch.setattr(Example, "Later", twice)
    assert client.call("Later", "first") == "first"
    client.call("Add", 1, 1)
    assert verdicts == [True, False, False]


def test_async_methods_know_their_caller_and_do_not_block_others(client: Client) -> None:
    async def both() -> tuple[str, int]:
        slow = asyncio.ensure_future(client.acall("Sleep", 0.2))
        quick = await client.acall("Add", 1, 2)
        assert not slow.done()
        return await slow, quick

    assert asyncio.run(both()) == ("root", 3)


def _open_pipes() -> int:
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += str(descriptor.readlink()).startswith("pipe:")
    return found


def test_descriptors_go_both_ways_and_none_is_left_open(client: Client) -> None:
    before = _open_pipes()
    for _ in range(5):
        read, write = os.pipe()
        os.write(write, b"hello")
        os.close(write)
        assert client.call("Read", Fd(read)) == b"hello"
        os.close(read)
        got = client.call("Open", b"there")
        assert os.read(got, 10) == b"there"
        os.close(got)
    client.call("Add", 1, 1)
    assert _open_pipes() == before


def test_a_late_answer_is_a_timeout(client: Client) -> None:
    with pytest.raises(Timeout, match=r"did not answer within 0\.05 s"):
        client.call("Sleep", 0.5, timeout=0.05)


def test_a_stopped_service_is_a_timeout_not_a_hang(serve: Callable[..., None]) -> None:
    released = threading.Event()

    class Stuck(Example):
        def Add(self, a: int, b: int) -> int:
            released.wait(10)
            return 0

    Stuck.__module__ = Example.__module__
    serve(Stuck())
    client = Client(_NAME, timeout=0.2)
    with pytest.raises(Timeout):
        client.call("Add", 1, 2)
    with pytest.raises(Timeout):
        client.get("Count")
    released.set()


def test_infinite_timeouts_cannot_be_asked_for(client: Client) -> None:
    for timeout in (0, -1, float("inf"), float("nan"), 4000):
        with pytest.raises(ValueError, match="timeout"):
            Client(_NAME, timeout=timeout)
        with pytest.raises(ValueError, match="timeout"):
            client.call("Add", 1, 2, timeout=timeout)


def test_a_lost_connection_is_replaced(client: Client) -> None:
    assert client.call("Add", 1, 2) == 3
    connection, lost = shared(), threading.Event()
    connection.connect("closed", lambda *_: lost.set())
    # The stream is closed when this returns; that the connection is, GLib's worker learns after it.
    connection.close_sync(None)
    assert lost.wait(10)
    assert client.call("Add", 1, 2) == 3
    assert shared() is not connection


def test_nobody_there_is_unavailable(bus: str) -> None:
    with pytest.raises(Unavailable) as error:
        Client("io.pilotlight.Absent1").call("Status")
    assert error.value.dbus_name == "org.freedesktop.DBus.Error.ServiceUnknown"


def test_no_bus_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTLIGHT_BUS", "unix:path=/nonexistent")
    with pytest.raises(Unavailable, match="no message bus"):
        Client(_NAME).call("Status")


@pytest.mark.parametrize("args", [("x", 1), (1,), (1, 2, 3), (1 << 40, 0)])
def test_arguments_are_checked_before_anything_is_sent(client: Client, args: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidArgument, match="nothing was called"):
        client.call("Add", *args)


def test_unknown_methods_are_named(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="no method Nope"):
        client.call("Nope")


def _as_nobody(bus: str, method: str) -> str:
    """Call as user nobody with D-Bus's own tool; what it printed."""
    done = subprocess.run(
        [
            "dbus-send",
            f"--bus={bus}",
            f"--dest={_NAME}",
            "--print-reply",
            "/io/pilotlight/Example1",
            f"{_NAME}.{method}",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        user="nobody",
        group="nogroup",
        extra_groups=[],
        check=False,
    )
    return done.stdout + done.stderr


def test_a_command_is_for_root_and_its_group_only(bus: str, client: Client) -> None:
    assert client.call("Secret") == "root"
    refusal = _as_nobody(bus, "Secret")
    assert "io.pilotlight.Error.NotPermitted" in refusal
    assert "user nobody is not in group pilotlight-operator; nothing was done" in refusal
    assert 'string "nobody"' in _as_nobody(bus, "Special")
    assert "Healthy" in _as_nobody(bus, "Status")


def test_a_service_hears_of_who_is_not_in_the_group(bus: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, str, str]] = []

    def denied(self: Service, method: str, group: str, who: Caller) -> None:
        heard.append((method, group, who.user))

    monkeypatch.setattr(Service, "denied", denied)
    assert client.call("Secret") == "root"
    assert heard == []
    _as_nobody(bus, "Secret")
    assert heard == [("Secret", "pilotlight-operator", "nobody")]


class _Caller:
    """Connections that call, and the cache that remembers them."""

    def __init__(self, address: str) -> None:
        self.connection = connect().con
        self.cache = CallerCache(self.connection)
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.address = address

    def look_up(self, name: str) -> Any:
        from pilotlight.daemon.glib import post

        post(lambda: self.cache.look_up(name, self._answers.put))
        return self._answers.get(timeout=5)

    def settled(self) -> int:
        """Size of the cache after everything the bus has sent so far was delivered."""
        done = threading.Event()
        self.connection.call_sync(
            "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, Gio.DBusCallFlags.NONE, 5000, None
        )
        GLib.idle_add(done.set, priority=GLib.PRIORITY_LOW)
        assert done.wait(5)
        return len(self.cache)


@pytest.fixture
def caller(example: Example, bus: str) -> Iterator[_Caller]:
    made = _Caller(bus)
    yield made
    made.connection.close_sync(None)


def test_a_caller_is_asked_for_once_and_forgotten_when_gone(caller: _Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = connect().con
    who = caller.look_up(peer.get_unique_name())
    assert (who.uid, who.user) == (0, "root")
    assert "root" in who.groups
    assert caller.look_up(peer.get_unique_name()) is who
    assert caller.settled() == 1
    gone = threading.Event()
    caller.connection.signal_subscribe(
        None, None, "NameOwnerChanged", None, peer.get_unique_name(), Gio.DBusSignalFlags.NONE, lambda *_: gone.set()
    )
    peer.close_sync(None)
    assert gone.wait(5)
    assert caller.settled() == 0


def test_a_name_that_is_gone_is_nobody(caller: _Caller) -> None:
    assert caller.look_up(":1.99999") is None


def test_the_cache_of_callers_is_bounded(caller: _Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotlight.daemon.identity.CACHE_LIMIT", 3)
    peers = [connect().con for _ in range(5)]
    for peer in peers:
        caller.look_up(peer.get_unique_name())
    assert caller.settled() == 3
    assert CACHE_LIMIT == 256
    for peer in peers:
        peer.close_sync(None)


def test_too_many_open_calls_are_refused(example: Example, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "CALLS_LIMIT", 4)

    async def flood() -> list[Any]:
        return await asyncio.gather(*(client.acall("Sleep", 0.3) for _ in range(6)), return_exceptions=True)

    answers = asyncio.run(flood())
    assert [type(a) for a in answers].count(Busy) == 2
    assert answers.count("root") == 4
    assert client.call("Add", 1, 1) == 2


def test_an_urgent_call_is_served_beside_too_many(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "CALLS_LIMIT", 2)

    async def flood() -> list[Any]:
        waiting = [client.acall("Sleep", 0.3) for _ in range(4)]
        return await asyncio.gather(*waiting, client.acall("Bytes", b"ab"), return_exceptions=True)

    *answers, last = asyncio.run(flood())
    assert [type(answer) for answer in answers].count(Busy) == 2
    assert last == b"ba"


def _changes(bus: str) -> tuple[Any, queue.SimpleQueue[tuple[str, Any]]]:
    received: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    connection = connect().con
    connection.signal_subscribe(
        None,
        None,
        None,
        "/io/pilotlight/Example1",
        None,
        Gio.DBusSignalFlags.NONE,
        lambda c, s, p, i, name, body: received.put((name, body.unpack())),
    )
    # The subscription is in force once the bus answered something sent after it.
    connection.call_sync(
        "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, Gio.DBusCallFlags.NONE, 5000, None
    )
    return connection, received


def test_changes_are_announced_as_the_file_says(example: Example, bus: str) -> None:
    connection, received = _changes(bus)
    example.Count = 7
    example.changed("Count", "Big", "Quiet")
    assert received.get(timeout=5) == ("PropertiesChanged", (_NAME, {"Count": 7}, ["Big"]))
    example.changed("Quiet")
    example.emit("Happened", "this", {"n": 1})
    assert received.get(timeout=5) == ("Happened", ("this", {"n": 1}))
    with pytest.raises(ValueError, match="constant"):
        example.changed("Version")
    connection.close_sync(None)


def test_the_name_has_one_owner(example: Example) -> None:
    second = Bus.connect(lambda function, *args, context=None: function(*args))
    with pytest.raises(Unavailable, match="another process owns"):
        second.export(Example())
    second.close()


def test_not_permitted_is_what_the_bus_policy_says_too() -> None:
    assert type(DaemonError.from_bus("org.freedesktop.DBus.Error.AccessDenied", "no")) is NotPermitted


@pytest.mark.parametrize(("vanished", "error", "counts"), [(True, None, 1), (False, "no message", 1), (False, None, 0)])
def test_a_bus_that_vanishes_or_talks_nonsense_is_lost(
    bus: str, monkeypatch: pytest.MonkeyPatch, vanished: bool, error: str | None, counts: int
) -> None:
    opened = connect()
    monkeypatch.setattr("pilotlight.daemon.bus.connect", lambda: opened)
    losses: list[str] = []
    made = Bus.connect(lambda function, *args: function(*args), lambda: losses.append("lost"))
    opened.con.emit("closed", vanished, GLib.Error(error) if error else None)
    assert len(losses) == counts
    made.close()
