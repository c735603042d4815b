# SPDX-License-Identifier: Apache-2.0
"""What the OpenPLC Editor does, in its order, over real TLS, and the shapes it insists on."""

from collections.abc import Callable

import httpx
import pytest
from pilotlight.web import dialect

from tests.support.editor import Editor
from tests.unit.web.conftest import ADMIN, Site
from tests.unit.web.fake_runtime import FakeRuntime


def test_editor_claims_uploads_builds_and_starts(site: Site, runtime: FakeRuntime) -> None:
    with Editor(site.url) as editor:
        assert not editor.claimed()
        editor.connect()
        assert editor.claimed()
        assert editor.state() == "EMPTY"
        assert editor.start() == "START:ERROR"
        assert editor.stop() == "STOP:OK"
        assert editor.build(b"PK-not-really")["status"] == "SUCCESS"
        assert runtime.archives == [b"PK-not-really"]
        assert runtime.archive_is_sealed
        assert runtime.options == {"name": "program", "user": "engineer", "online": False}
        assert editor.state() == "RUNNING"
        assert editor.start() == "START:ERROR_ALREADY_RUNNING"
        assert editor.stop() == "STOP:OK"
        assert editor.stop() == "STOP:ERROR"
        assert editor.start() == "START:OK"


def test_shapes_of_polling(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    runtime.state = "RUNNING"
    assert site.call("GET", "/api/status", token).json() == {"status": "STATUS:RUNNING"}
    stats = site.call("GET", "/api/status?include_stats=true", token).json()["timing_stats"]
    assert (stats["scan_count"], stats["scan_time_max"], stats["cycle_time_avg"]) == (132, 6, None)
    assert stats["tasks"][0]["scan_time_min"] == stats["scan_time_min"] == 1
    assert site.call("GET", "/api/ping", token).json() == {"status": "PING:OK"}
    logs = site.call("GET", "/api/runtime-logs?id=4&level=info", token).json()["runtime-logs"]
    assert [record["id"] for record in logs] == [4, 5]
    assert set(logs[0]) == {"id", "level", "message", "timestamp"}
    assert site.call("GET", "/api/runtime-logs?level=ERROR", token).json() == {"runtime-logs": []}
    assert site.call("GET", "/api/runtime-logs?id=x", token).status_code == 400
    assert site.call("GET", "/api/compilation-status", token).json() == {
        "status": "IDLE",
        "exit_code": None,
        "logs": [],
    }
    assert isinstance(site.call("GET", "/api/serial-ports", token).json()["ports"], list)
    assert site.call("GET", "/api/nothing-here", token).json() == {"error": "Unknown argument"}
    assert site.call("POST", "/api/nothing-here", token).json() == {"PostRequestError": "Unknown argument"}


def test_build_log_lines_end_with_a_line_feed(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    site.call("POST", "/api/upload-file", token, files={"file": ("program.zip", b"x", "application/zip")})
    status = site.call("GET", "/api/compilation-status", token).json()
    assert status == {"status": "SUCCESS", "exit_code": 0, "logs": ["[INFO] unzipping\n", "done\n"]}


def test_user_replies(site: Site) -> None:
    assert site.call("GET", "/api/get-users-info").status_code == 404
    assert site.call("GET", "/api/get-users-info", "stale").json() == {"msg": "No users found"}
    created = site.call("POST", "/api/create-user", json={**ADMIN, "role": "user"})
    assert (created.status_code, created.json()) == (201, {"id": 1, "msg": "User created", "role": "admin"})
    assert site.call("GET", "/api/get-users-info").json() == {"msg": "Users found"}
    wrong = site.call("POST", "/api/login", json={**ADMIN, "password": "wrong wrong"})
    assert (wrong.status_code, wrong.json()) == (401, "Wrong username or password")
    token = site.login(**ADMIN)
    assert site.call("GET", "/api/get-users-info", token).json() == [{"id": 1, "role": "admin", "username": "ada"}]
    assert site.call("GET", "/api/get-user-info/1", token).json()["username"] == "ada"
    assert site.call("GET", "/api/get-user-info/9", token).json() == {"msg": "User not found"}
    assert site.call("GET", "/api/whoami", token).json() == {"id": 1, "role": "admin", "username": "ada"}
    again = site.call("POST", "/api/create-user", json=ADMIN)
    assert (again.status_code, again.json()) == (401, {"msg": "User already created!"})
    assert site.call("POST", "/api/create-user", token, json=ADMIN).status_code == 409
    assert site.call("POST", "/api/login", content=b"username=ada").status_code == 415


@pytest.mark.parametrize(
    ("compat", "header", "version"), [("auto", "v4", "v4.2.0"), ("4.0", "v4", "v4.0.0"), ("4.2", "v4.2.0", "v4.2.0")]
)
def test_versions(launch: Callable[..., Site], runtime: FakeRuntime, compat: str, header: str, version: str) -> None:
    site = launch(compat=compat)
    answer = site.call("GET", "/api/version")
    assert answer.json() == {"version": version}
    assert answer.headers["x-openplc-runtime-version"] == header
    assert site.call("GET", "/api/capabilities").json()["runtimeVersion"] == version


def test_headers_of_every_reply(site: Site) -> None:
    token = site.claim()
    replies = [
        site.call("GET", "/"),
        site.call("GET", "/api/docs"),
        site.call("GET", "/api/status"),
        site.call("GET", "/api/status", token),
        site.call("GET", "/nowhere"),
        site.call("DELETE", "/api/status", token),
        site.call("POST", "/api/login", content=b"x" * 70_000),
        site.call("POST", "/api/login", content=b"{", headers={"content-type": "application/json"}),
    ]
    for reply in replies:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert "server" not in reply.headers
        versioned = reply.url.path.startswith("/api/")
        assert ("x-openplc-runtime-version" in reply.headers) == versioned
        if reply.status_code >= 400:
            assert reply.json()["msg"], reply.url
    assert [reply.status_code for reply in replies] == [200, 200, 401, 200, 404, 405, 413, 400]


def test_connection_is_kept(site: Site) -> None:
    with httpx.Client(base_url=site.url, verify=False, limits=httpx.Limits(max_connections=1)) as client:
        streams = {client.get("/api/version").extensions["network_stream"] for _ in range(3)}
    assert len(streams) == 1


def test_runtime_down(launch: Callable[..., Site], bus: str) -> None:
    site = launch()
    token = site.claim()
    assert site.call("GET", "/api/status?include_stats=true", token).json() == {"status": dialect.NO_RESPONSE}
    assert site.call("GET", "/api/start-plc", token).json()["status"] == dialect.NO_RESPONSE
    assert site.call("GET", "/api/stop-plc", token).json()["status"] == dialect.NO_RESPONSE
    assert site.call("GET", "/api/runtime-logs", token).json() == {"runtime-logs": []}
    overview = site.call("GET", "/api/overview", token).json()
    assert overview["runtime"] is False
    assert "does not answer" in overview["message"]
    reply = site.call("POST", "/api/upload-file", token, files={"file": ("program.zip", b"x")})
    assert reply.json()["CompilationStatus"] == "FAILED"
    assert dialect.NO_RESPONSE in reply.json()["UploadFileFail"]
    assert site.call("GET", "/api/compilation-status", token).json()["status"] == "FAILED"
    assert site.call("GET", "/api/programs", token).status_code == 503


def test_programs_can_be_made_active_again(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    assert site.call("GET", "/api/programs", token).json()["programs"][0]["id"] == "p1"
    assert site.call("POST", "/api/programs/p1/activate", token).json() == {"state": "EMPTY"}
    refused = site.call("POST", "/api/programs/p1/change", token)
    assert (refused.status_code, refused.json()) == (409, {"msg": "No program runs that could be changed."})
    runtime.state = "RUNNING"
    assert site.call("POST", "/api/programs/p1/change", token).json() == {"state": "RUNNING"}
    assert site.call("GET", "/api/overview", token).json()["last_change"] == "on trial"
    missing = site.call("POST", "/api/programs/p9/activate", token)
    assert (missing.status_code, missing.json()["msg"]) == (404, "There is no program p9.")
