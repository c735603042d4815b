# SPDX-License-Identifier: Apache-2.0
"""Every route is in the table of roles and refuses whoever lacks the role."""

from typing import Any

import pytest
from pilotlight.web.app import http_app
from pilotlight.web.guard import GuardedRoute, guarded_router
from pilotlight.web.roles import ACCESS, Access, Role, permits

from tests.unit.web.conftest import Site


def _routes(site: Site) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for route in http_app(site.backend).routes:
        assert isinstance(route, GuardedRoute), route
        found += [(method, route.path) for method in route.methods]
    return found


def test_walk_of_all_routes(site: Site) -> None:
    routes = _routes(site)
    assert sorted(routes) == sorted(ACCESS)
    admin = site.claim()
    tokens = {
        None: "",
        Role.VIEWER: site.add(admin, "vera", "viewer"),
        Role.USER: site.add(admin, "uma", "user"),
    }
    refusals = 0
    for method, path in routes:
        access = ACCESS[method, path]
        real = path.replace("{user_id}", "1").replace("{program_id}", "p1").replace("{rest:path}", "x/y")
        for role, token in tokens.items():
            if permits(role, access, claimed=True):
                continue
            reply = site.call(method, real, token)
            assert reply.status_code == (403 if token else 401), (method, path, role, reply.text)
            assert reply.json()["msg"]
            refusals += 1
    assert refusals > 30


def test_access_by_role() -> None:
    allowed = {role: {access for access in Access if permits(role, access, claimed=True)} for role in (None, *Role)}
    public = {Access.PUBLIC, Access.OPTIONAL}
    assert allowed[None] == public
    assert allowed[Role.VIEWER] == public | {Access.VIEWER}
    assert allowed[Role.USER] == public | {Access.VIEWER, Access.USER}
    assert allowed[Role.ADMIN] == set(Access)
    assert permits(None, Access.CLAIM, claimed=False)
    assert not permits(None, Access.VIEWER, claimed=False)


def test_route_outside_of_the_table_cannot_be_made() -> None:
    router = guarded_router()

    async def handler() -> Any:
        return None

    with pytest.raises(KeyError):
        router.get("/api/new-thing")(handler)


def test_authorisation_comes_before_the_body(site: Site) -> None:
    site.claim()

    reply = site.call(
        "PUT", "/api/password-change/1", content=b"{not json", headers={"content-type": "application/json"}
    )
    assert reply.status_code == 401
