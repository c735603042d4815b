# SPDX-License-Identifier: Apache-2.0
"""The real web application on a loopback port, over real TLS, with a runtime on a private bus."""

import asyncio
import datetime
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from pilotlight.web import shell
from pilotlight.web.app import Front
from pilotlight.web.backend import Backend
from pilotlight.web.certificate import CertificateStore
from pilotlight.web.live import LiveTags
from pilotlight.web.runtime_link import RuntimeLink
from pilotlight.web.server import WebServer
from pilotlight.web.settings import WebSettings
from pilotlight.web.tokens import Tokens, load_key
from pilotlight.web.users import UserStore

from tests.support.daemons import Daemons
from tests.support.fake_rauc import FakeRauc, orchestrated
from tests.unit.web.fake_runtime import FakeRuntime

ADMIN = {"username": "ada", "password": "correct horse"}


@dataclass
class Site:
    """A running web daemon's web side."""

    backend: Backend
    port: int
    http: httpx.Client
    folder: Path
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)

    def login(self, username: str, password: str) -> str:
        response = self.call("POST", "/api/login", json={"username": username, "password": password})
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    def claim(self) -> str:
        """Makes the first user and answers its token."""
        assert self.call("POST", "/api/create-user", json=ADMIN).status_code == 201
        return self.login(**ADMIN)

    def add(self, admin: str, username: str, role: str) -> str:
        """Makes a user with a role and answers its token."""
        body = {"username": username, "password": "battery staple", "role": role}
        assert self.call("POST", "/api/create-user", admin, json=body).status_code == 201
        return self.login(username, "battery staple")


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """``launch(**settings)`` serves the application until the test ends."""
    monkeypatch.setattr(shell, "LINGER_S", 0.1)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="web", daemon=True)
    thread.start()
    running: list[tuple[Site, WebServer, Any]] = []

    def start(**given: Any) -> Site:
        settings = WebSettings(**{"bind": "127.0.0.1", "port": 0, **given})
        folder = tmp_path / "web"
        folder.mkdir(exist_ok=True)
        store = CertificateStore(folder)
        store.ensure(["localhost", "127.0.0.1"], datetime.datetime.now(datetime.UTC), follow_names=False)
        tokens = Tokens(load_key(folder / "token.key"), settings.token_minutes * 60)
        ready = threading.Event()
        stop = asyncio.Event()
        made: list[Any] = []

        async def serve() -> None:
            backend = Backend(settings, UserStore(folder / "users.db"), tokens, RuntimeLink(), LiveTags())
            server = WebServer(Front(backend), settings, store.context())
            made.extend((backend, server))
            serving = asyncio.create_task(server.serve())
            await server.listening.wait()
            ready.set()
            await stop.wait()
            await asyncio.sleep(0)
            serving.cancel()
            await asyncio.gather(serving, *server.server_state.tasks, return_exceptions=True)

        future = asyncio.run_coroutine_threadsafe(serve(), loop)
        assert ready.wait(10), future.exception(0)
        backend, server = made
        http = httpx.Client(base_url=f"https://127.0.0.1:{server.port}", verify=False, timeout=10.0)
        site = Site(backend, server.port, http, folder, loop, stop)
        running.append((site, server, future))
        return site

    try:
        yield start
    finally:
        for site, server, future in running:
            site.http.close()
            site.loop.call_soon_threadsafe(_cut, site, server)
            future.result(10)
            site.backend.live.close()
            site.backend.hasher.close()
            site.backend.users.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _cut(site: Site, server: WebServer) -> None:
    """Ends the server without its patience; how the daemon stops is for test_daemon.py."""
    site.backend.closing.set()
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    site.stop.set()


@pytest.fixture
def runtime(serve: Callable[..., None]) -> FakeRuntime:
    """A runtime on the private bus."""
    made = FakeRuntime()
    serve(made)
    return made


@pytest.fixture
def rauc(bus: str, daemons: Daemons) -> Iterator[FakeRauc]:
    """The real orchestrator in slot A of a device whose RAUC is a fake."""
    with orchestrated(daemons) as made:
        yield made


@pytest.fixture
def site(launch: Callable[..., Site], runtime: FakeRuntime) -> Site:
    """The application with its runtime."""
    return launch()
