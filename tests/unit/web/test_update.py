# SPDX-License-Identifier: Apache-2.0
"""Updates over HTTPS, with the real orchestrator behind the real web."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import Request
from pilotlight.web import routes_update
from pilotlight.web.update_link import UpdateRefused, plain

from tests.support.editor import deadline
from tests.support.fake_rauc import FakeRauc, bundle
from tests.unit.web.conftest import Site
from tests.unit.web.wire import connect, read_all

STREAM = {"Content-Type": "application/octet-stream"}


def upload(site: Site, token: str, content: bytes, query: str = "name=new.raucb") -> Any:
    return site.call("POST", f"/api/update/bundle?{query}", token, content=content, headers=STREAM)


def wait_for(site: Site, token: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The status, once it is as wanted."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        status: dict[str, Any] = site.call("GET", "/api/update", token).json()
        if met(status):
            return status
        time.sleep(0.02)
    raise AssertionError(status)


def test_upload_follow_and_history(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    answer = upload(site, token, bundle("99.0.0", pad=3 << 20))
    assert answer.status_code == 200, answer.text
    status = wait_for(site, token, lambda s: s["state"] == "pending")
    assert (status["booted"], status["pending"], status["trial"]) == ("A", "B", False)
    last = status["last"]
    assert (last["id"], last["name"], last["version"]) == (answer.json()["id"], "new.raucb", "99.0.0")
    assert last["user"].startswith("ada through ")
    (slot_a, slot_b) = site.call("GET", "/api/update/slots", token).json()["slots"]
    assert slot_a["booted"] and slot_b["pending"] and slot_b["version"] == "99.0.0"
    assert [u["outcome"] for u in site.call("GET", "/api/update/history", token).json()["updates"]] == ["pending"]
    message = site.call("POST", "/api/update/rollback", token).json()["message"]
    assert "slot B is not tried" in message
    assert site.call("GET", "/api/update", token).json()["last"]["outcome"] == "withdrawn"


def test_an_older_version_needs_force(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    assert upload(site, token, bundle("0.0.1")).status_code == 200
    status = wait_for(site, token, lambda s: s["state"] == "idle" and "last" in s)
    assert status["last"]["outcome"] == "refused" and "older" in status["text"]
    assert upload(site, token, bundle("0.0.1"), "name=x&force=true").status_code == 200
    wait_for(site, token, lambda s: s["state"] == "pending")


def test_only_administrators_change_anything(site: Site, rauc: FakeRauc) -> None:
    admin = site.claim()
    user = site.add(admin, "uma", "user")
    assert site.call("GET", "/api/update", user).status_code == 200
    for method, path in (
        ("POST", "/api/update/bundle"),
        ("POST", "/api/update/url"),
        ("POST", "/api/update/rollback"),
        ("POST", "/api/update/reboot"),
        ("PUT", "/api/update/policy"),
    ):
        assert site.call(method, path, user, content=b"x" * 100_000).status_code in (403, 413)
    assert rauc.installed == [] and rauc.marks == []


def test_an_upload_that_is_not_what_it_says(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    head = (
        f"POST /api/update/bundle HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/octet-stream\r\n"
    )
    for rest, status in (
        ("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"411"),
        ("Content-Length: 0\r\n\r\n", b"507"),
    ):
        with connect(site.port) as connection:
            connection.sendall((head + rest).encode())
            assert connection.recv(65536).split(b" ")[1] == status
    with connect(site.port) as connection:
        connection.sendall((head + "Content-Length: 1000\r\n\r\nonly this").encode())
        connection.shutdown(1)
        read_all(connection)
    assert site.call("GET", "/api/update", token).json()["state"] == "idle"
    large = head + f"Content-Length: {1 << 40}\r\n\r\n"
    # Until the upload before is given up, which nobody who has left is told, another one is being uploaded.
    for _ in deadline(10.0, every_s=0.02):
        with connect(site.port) as connection:
            connection.sendall(large.encode())
            answer = read_all(connection)
        if answer.split(b" ")[1] != b"409":
            break
    assert answer.split(b" ")[1] == b"507" and b"is not taken" in answer
    assert upload(site, token, bundle("99.0.0")).status_code == 200
    wait_for(site, token, lambda s: s["state"] == "pending")


@pytest.mark.parametrize(("pieces", "words"), [([b"xx"], "cut off"), ([b"xx", b"xx"], "longer")])
def test_what_is_written_is_what_was_announced(pieces: list[bytes], words: str, tmp_path: Path) -> None:
    class Body:
        async def stream(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    with (tmp_path / "b").open("wb") as file, pytest.raises(UpdateRefused, match=words):
        asyncio.run(routes_update._receive(cast(Request, Body()), file.fileno(), 3, 10.0))


def test_one_upload_at_a_time(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    head = (
        f"POST /api/update/bundle HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n"
    )
    with connect(site.port) as connection:
        connection.sendall(head.encode() + b"the first piece")
        end = time.monotonic() + 10
        while not site.backend.bundle_lock.locked() and time.monotonic() < end:
            time.sleep(0.01)
        answer = upload(site, token, bundle("99.0.0"))
        assert answer.status_code == 409 and "being uploaded" in answer.json()["msg"]


def test_one_at_a_time(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    rauc.hold.clear()
    assert upload(site, token, bundle("99.0.0")).status_code == 200
    answer = upload(site, token, bundle("99.0.1"))
    assert answer.status_code == 409 and "one at a time" in answer.json()["msg"]
    goes_on, refused = site.call("GET", "/api/update/history", token).json()["updates"]
    assert goes_on["outcome"] == "installing"
    assert (refused["outcome"], refused["reason"]) == ("refused", answer.json()["msg"])
    assert refused["name"] == "new.raucb" and refused["user"].startswith("ada through ")
    assert site.call("POST", "/api/update/reboot", token).status_code == 409
    rauc.hold.set()
    wait_for(site, token, lambda s: s["state"] == "pending")


def test_from_an_address(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    address = "https://updates.example/b.raucb"
    rauc.urls[address] = bundle("99.0.0")
    answer = site.call("POST", "/api/update/url", token, json={"url": "http://updates.example/b"})
    assert answer.status_code == 400 and "https" in answer.json()["msg"]
    assert site.call("POST", "/api/update/url", token, json={"url": address}).status_code == 200
    assert wait_for(site, token, lambda s: s["state"] == "pending")["last"]["source"] == "url"


def test_policy_and_restart(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    body = {"policy": "window", "window": "Sat 02:00-03:00"}
    assert site.call("PUT", "/api/update/policy", token, json=body).status_code == 200
    status = site.call("GET", "/api/update", token).json()
    assert (status["reboot_policy"], status["reboot_window"]) == ("window", "Sat 02:00-03:00")
    answer = site.call("PUT", "/api/update/policy", token, json={"policy": "window", "window": "later"})
    assert answer.status_code == 400 and "no window" in answer.json()["msg"]
    assert site.call("POST", "/api/update/reboot", token).status_code == 200
    assert (Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator/reboot").exists()


def test_without_orchestrator_it_is_said(site: Site) -> None:
    token = site.claim()
    for path in ("/api/update", "/api/update/slots", "/api/update/history"):
        answer = site.call("GET", path, token)
        assert answer.status_code == 503 and answer.json()["msg"]
    assert upload(site, token, b"x").status_code == 503


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_stream_tells_progress_as_it_happens(site: Site, rauc: FakeRauc) -> None:
    token = site.claim()
    rauc.hold.clear()
    headers = {"Authorization": f"Bearer {token}"}
    with site.http.stream("GET", "/api/update/stream", headers=headers) as response:
        events = _events(response.iter_lines())
        assert next(events)[1]["state"] == "idle"
        assert upload(site, token, bundle("99.0.0")).status_code == 200
        wait_for(site, token, lambda s: s["progress"] == 60)
        seen = next(content for _, content in events if content["state"] == "installing" and content["progress"] == 60)
        assert "Copying image" in seen["text"]
        rauc.hold.set()
        assert next(content for _, content in events if content["state"] == "pending")["progress"] == 100
        assert site.backend.streams == 1


@pytest.mark.parametrize(("name", "key"), [("State", "state"), ("RebootPolicy", "reboot_policy"), ("Id", "id")])
def test_names_of_json(name: str, key: str) -> None:
    assert plain({name: {name: 1}}) == {key: {key: 1}}
