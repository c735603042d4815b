# SPDX-License-Identifier: Apache-2.0
"""The debugger's Socket.IO, frame by frame as the Editor's client speaks it."""

import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from pilotlight.web import app

from tests.unit.web.conftest import Site
from tests.unit.web.fake_runtime import FakeRuntime


class Debugger:
    """A client of /api/debug over a websocket."""

    def __init__(self, site: Site, auth: Any, query: str = "") -> None:
        self.socket = websocket.create_connection(
            f"wss://127.0.0.1:{site.port}/socket.io/?EIO=4&transport=websocket{query}",
            sslopt={"cert_reqs": ssl.CERT_NONE},
            timeout=10,
            origin="file://",
        )
        assert json.loads(self.socket.recv()[1:])["pingInterval"] == 25000
        self.socket.send("40/api/debug," + json.dumps(auth))
        self.greeting = self.socket.recv()
        if self.greeting.startswith("42"):
            # The event of the accepted connection comes before its acknowledgement; clients hold it back.
            assert self.greeting == '42/api/debug,["connected",{"status":"ok"}]'
            assert self.socket.recv().startswith("40/api/debug,")

    def event(self) -> list[Any]:
        text = self.socket.recv()
        assert text.startswith("42/api/debug,"), text
        event: list[Any] = json.loads(text.removeprefix("42/api/debug,"))
        return event

    def emit(self, name: str, *content: Any) -> Any:
        self.socket.send("42/api/debug," + json.dumps([name, *content]))
        return self.event()[1]

    def command(self, frame: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.emit("debug_command", {"command": frame})
        return answer


@pytest.fixture
def debugger(site: Site) -> Iterator[Debugger]:
    made = Debugger(site, {"token": site.claim()})
    yield made
    made.socket.close()


def test_commands(debugger: Debugger, runtime: FakeRuntime) -> None:
    identity = {"success": True, "data": "45 7e" + " 30" * 32}
    assert debugger.command("45 DE AD 00 00") == identity
    assert debugger.command("45dead0000") == identity
    assert runtime.frames == [b"\x45\xde\xad\x00\x00"] * 2
    assert debugger.command("")["error"] == "Empty command"
    assert debugger.emit("debug_command")["error"] == "Empty command"
    assert debugger.emit("debug_command", ["x"])["error"] == "Empty command"
    for bad in ("zz", "4", 12, ["45"], "45 \ud800"):
        assert debugger.command(bad)["success"] is False
    assert "ERROR_PROCESSING" in debugger.command("99")["error"]


def test_bad_tokens_are_refused(site: Site) -> None:
    token = site.claim()
    for auth in ({"token": "bad"}, {}, None, {"token": 5}, [token]):
        refused = Debugger(site, auth)
        assert refused.greeting.startswith("44/api/debug,"), refused.greeting
        refused.socket.close()
    by_query = Debugger(site, {}, f"&token={token}")
    assert "connected" in by_query.greeting
    by_query.socket.close()


def test_viewers_look_only(site: Site, runtime: FakeRuntime) -> None:
    admin = site.claim()
    viewer = Debugger(site, {"token": site.add(admin, "vera", "viewer")})
    assert viewer.command("45 DE AD 00 00")["success"] is True
    assert viewer.command("42 00 01 01 00 01 01") == {"success": False, "error": "Your role may only look"}
    assert len(runtime.frames) == 1
    viewer.socket.close()


def test_session_that_ended(site: Site) -> None:
    token = site.claim()
    client = Debugger(site, {"token": token})
    site.call("POST", "/api/logout", token)
    assert client.command("45 DE AD 00 00") == {"success": False, "error": "Unauthorized"}
    assert client.emit("reauth", {"token": token})["success"] is False
    assert client.emit("reauth", {"token": site.login("ada", "correct horse")}) == {"success": True}
    assert client.command("45 DE AD 00 00")["success"] is True
    client.socket.close()


def test_whoever_shows_no_token_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "AUTHENTICATE_S", 0.2)
    token = site.claim()
    stranger = Debugger(site, {"token": "bad"})
    welcome = Debugger(site, {"token": token})
    while stranger.socket.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
        pass
    assert welcome.command("45 DE AD 00 00")["success"] is True
    welcome.socket.close()


def test_message_that_is_too_long_ends_the_connection(debugger: Debugger) -> None:
    debugger.socket.send("42/api/debug," + json.dumps(["debug_command", {"command": "00" * 20_000}]))
    with pytest.raises((websocket.WebSocketException, OSError)):
        debugger.socket.recv()


def test_polling_and_other_paths_are_refused(site: Site) -> None:
    assert site.call("GET", "/socket.io/?EIO=4&transport=polling").status_code == 404
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(f"wss://127.0.0.1:{site.port}/api/debug", sslopt={"cert_reqs": ssl.CERT_NONE})


def test_runtime_that_does_not_answer(launch: Any, bus: str) -> None:
    site = launch()
    client = Debugger(site, {"token": site.claim()})
    assert client.command("41") == {"success": False, "error": "No response from runtime"}
    client.socket.close()
