# SPDX-License-Identifier: Apache-2.0
"""Tokens: every way in which one can be bad is a 401 with a word the Editor recovers from."""

import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from pilotlight.web.tokens import Claims, TokenError, Tokens, load_key

from tests.unit.web.conftest import Site

KEY = b"k" * 32


def _token(**changes: Any) -> str:
    now = int(time.time())
    payload = {"iat": now, "nbf": now, "exp": now + 86_400, "jti": "j", "type": "access", "sub": "1", "gen": 0}
    payload.update(changes)
    return jwt.encode({key: value for key, value in payload.items() if value is not None}, KEY, algorithm="HS256")


def test_issue_and_verify() -> None:
    tokens = Tokens(KEY, 60)
    text = tokens.issue(7, 3)
    claims = tokens.verify(text)
    assert (claims.user_id, claims.generation) == (7, 3)
    assert 55 <= claims.expires - time.time() <= 60
    payload = jwt.decode(text, options={"verify_signature": False})
    assert payload["sub"] == "7"
    assert payload["type"] == "access"
    assert payload["fresh"] is False


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Not enough segments"),
        ("abc", "Not enough segments"),
        (_token()[:-4] + "AAAA", "Signature verification failed"),
        (_token(exp=int(time.time()) - 600), "Token has expired"),
        (_token(nbf=int(time.time()) + 80_000), "not yet valid"),
        (_token(sub="x"), "Invalid token"),
        (_token(sub=None), "sub"),
        (_token(jti=None), "jti"),
        (_token(exp=None), "exp"),
        (_token(gen=None), "Invalid token"),
        (_token(gen="1e9"), "Invalid token"),
        (_token(type="refresh"), "access"),
        (jwt.encode({"sub": "1", "jti": "j", "iat": 1, "exp": 2**40}, None, algorithm="none"), "alg"),
        (jwt.encode({"sub": "1"}, KEY, algorithm="HS512"), "alg"),
    ],
)
def test_bad_tokens(token: str, message: str) -> None:
    with pytest.raises(TokenError, match=message):
        Tokens(KEY, 60).verify(token)


def test_expiry_is_seen_after_verification() -> None:
    now = [time.time()]
    tokens = Tokens(KEY, 60, clock=lambda: now[0])
    claims = tokens.verify(tokens.issue(1, 0))
    tokens.check_time(claims)
    now[0] += 80
    with pytest.raises(TokenError, match="expired"):
        tokens.check_time(claims)
    assert isinstance(claims, Claims)


def test_key_survives_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    assert len(load_key(path)) == 32


def test_over_https(site: Site) -> None:
    token = site.claim()
    cases = {
        "": "Missing Authorization Header",
        "Basic abc": "Bearer",
        "Bearer": "Bearer",
        "Bearer x": "Not enough segments",
        f"Bearer {token[:-3]}AAA": "Signature verification failed",
    }
    for header, message in cases.items():
        reply = site.call("GET", "/api/ping", headers={"Authorization": header} if header else {})
        assert (reply.status_code, message in reply.json()["msg"]) == (401, True), header
    assert site.call("GET", "/api/get-users-info", "bad").status_code == 401
    assert site.call("POST", "/api/logout", token).json() == {"msg": "User logged out successfully"}
    assert site.call("GET", "/api/ping", token).json() == {"msg": "Token has been revoked"}


def test_logout_survives_a_restart(launch: Any, runtime: Any) -> None:
    first = launch()
    token, other = first.claim(), first.login("ada", "correct horse")
    first.call("POST", "/api/logout", token)
    second = launch()
    assert second.call("GET", "/api/ping", token).status_code == 401
    assert second.call("GET", "/api/ping", other).status_code == 200


def test_deleted_user_is_out(site: Site) -> None:
    admin = site.claim()
    user = site.add(admin, "uma", "user")
    assert site.call("GET", "/api/ping", user).status_code == 200
    site.call("DELETE", "/api/delete-user/2", admin)
    assert site.call("GET", "/api/ping", user).status_code == 401
