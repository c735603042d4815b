# SPDX-License-Identifier: Apache-2.0
"""io.pilotlight.Web1 on a real bus."""

import datetime
from collections.abc import Callable

import pytest
from pilotlight.daemon import Client, NotPermitted
from pilotlight.web.certificate import Certificate
from pilotlight.web.service import WebService

from tests.unit.web.conftest import Site

CERTIFICATE = Certificate(
    frozenset({"localhost"}),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime(2028, 1, 1, tzinfo=datetime.UTC),
    "AB:CD",
)


def test_status_and_properties(site: Site, serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    service = WebService(site.backend, CERTIFICATE, site.port)
    serve(service)
    announced: list[tuple[str, ...]] = []
    monkeypatch.setattr(service, "changed", lambda *names: announced.append(names))
    client = Client("io.pilotlight.Web1")
    assert (client.get("Claimed"), client.get("UserCount"), client.get("Fingerprint")) == (False, 0, "AB:CD")
    site.claim()
    assert (client.get("Claimed"), client.get("UserCount")) == (True, 1)
    assert announced == [("Claimed", "UserCount")]
    status = client.call("Status")
    assert (status["Daemon"], status["Healthy"], status["Port"]) == ("web", True, site.port)
    assert status["CertificateEnds"] == "2028-01-01"


def test_reset_ends_sessions_and_lets_claim_again(site: Site, serve: Callable[..., None]) -> None:
    serve(WebService(site.backend, CERTIFICATE, site.port))
    token = site.claim()
    assert Client("io.pilotlight.Web1").call("ResetUsers") == 1
    assert site.call("GET", "/api/ping", token).status_code == 401
    assert site.call("GET", "/api/get-users-info").status_code == 404
    assert site.call("GET", "/api/ping", site.claim()).status_code == 200
    assert site.call("GET", "/api/ping", token).status_code == 401


def test_reset_is_for_root_alone(site: Site) -> None:
    from pilotlight.daemon.identity import Caller
    from pilotlight.daemon.service import command_group

    group = command_group(WebService.ResetUsers)
    assert group == "root"
    operator = Caller(1000, "op", frozenset({"pilotlight", "pilotlight-operator"}), ":1.5")
    with pytest.raises(NotPermitted):
        operator.check(group, "ResetUsers")
