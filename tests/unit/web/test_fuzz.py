# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, the answer is a sentence and never a failure of the server."""

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.web.conftest import Site

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["username", "password", "role", "old_password", "new_password", "current_password"]
BODIES = st.dictionaries(
    st.sampled_from(KEYS), JSON | st.sampled_from(["admin", "viewer", "x\x00y", "long enough"]), max_size=4
)
ROUTES = st.sampled_from(
    [
        ("POST", "/api/create-user"),
        ("POST", "/api/login"),
        ("PUT", "/api/password-change/2"),
        ("PUT", "/api/update-user/2"),
        ("PUT", "/api/update-user/" + "9" * 5000),
        ("DELETE", "/api/delete-user/-1"),
        ("POST", "/api/programs/x/activate"),
        ("POST", "/api/programs/x/change"),
    ]
)


def test_json_bodies(site: Site) -> None:
    admin = site.claim()
    site.add(admin, "bob", "user")

    @settings(max_examples=80, deadline=None, database=None)
    @given(ROUTES, BODIES | JSON)
    def check(route: tuple[str, str], body: Any) -> None:
        _check(site.call(*route, admin, json=body))

    check()


def test_raw_bodies(site: Site) -> None:
    admin = site.claim()
    headers = {"content-type": "application/json"}
    bodies = [
        b"",
        b"{",
        b"[" * 30_000,
        b'{"username": "\\ud800", "password": "\\ud800\\ud800xxxxxx"}',
        b"\xff\xfe",
        b"nul",
        b'{"username": 1e400}',
        b'{"a":' * 5000,
        b'{"username": "a\\u0000", "password": "longenough"}',
    ]
    for body in bodies:
        for route in (("POST", "/api/create-user"), ("POST", "/api/login"), ("PUT", "/api/update-user/1")):
            _check(site.call(*route, admin, content=body, headers=headers))


def test_paths(site: Site) -> None:
    admin = site.claim()

    @settings(max_examples=60, deadline=None, database=None)
    @given(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.sampled_from(["", "api/", "static/", "api/tags?"]),
    )
    def check(text: str, prefix: str) -> None:
        _check(site.call("GET", f"/{prefix}{quote(text)}", admin))

    check()


def _check(reply: Any) -> None:
    assert reply.status_code < 500 or reply.status_code == 503, reply.text
    if reply.status_code >= 400:
        content = reply.json()
        assert isinstance(content, str) or content["msg"]
