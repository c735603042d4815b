# SPDX-License-Identifier: Apache-2.0
"""Users: claiming, changing, deleting, and what survives."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest
from pilotlight.web.roles import Role
from pilotlight.web.users import AlreadyClaimed, LastAdmin, NameTaken, StoreUnreadable, UnknownUser, UserStore

from tests.unit.web.conftest import ADMIN, Site


def test_first_user_is_admin_and_numbers_are_not_used_again(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.db")
    assert not store.claimed
    assert store.claim("ada", "h").role is Role.ADMIN
    assert store.claimed
    with pytest.raises(AlreadyClaimed):
        store.claim("eve", "h")
    bob = store.add("bob", "h", Role.USER)
    with pytest.raises(NameTaken):
        store.add("bob", "h", Role.USER)
    store.delete(bob.id)
    assert store.add("carl", "h", Role.USER).id > bob.id
    store.close()
    assert [user.username for user in UserStore(tmp_path / "users.db").all()] == ["ada", "carl"]


def test_of_racing_claims_one_wins(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.db")
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def claim(name: str) -> None:
        start.wait()
        try:
            outcomes.append(store.claim(name, "h").username)
        except AlreadyClaimed:
            outcomes.append("")

    threads = [threading.Thread(target=claim, args=(f"user{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(outcomes) == 8
    assert len([name for name in outcomes if name]) == 1
    assert len(store.all()) == 1


def test_racing_claims_over_https_give_one_admin(site: Site) -> None:
    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=site.url, verify=False, timeout=20) as client:
            bodies = [{"username": f"user{n}", "password": "correct horse"} for n in range(6)]
            replies = await asyncio.gather(*(client.post("/api/create-user", json=body) for body in bodies))
        return sorted(reply.status_code for reply in replies)

    assert asyncio.run(race()) == [201, 401, 401, 401, 401, 401]
    assert [user.role for user in site.backend.users.all()] == [Role.ADMIN]


def test_last_admin_stays(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.db")
    ada = store.claim("ada", "h")
    with pytest.raises(LastAdmin):
        store.delete(ada.id)
    with pytest.raises(LastAdmin):
        store.change(ada.id, role=Role.USER)
    bob = store.add("bob", "h", Role.ADMIN)
    assert store.change(ada.id, role=Role.VIEWER).role is Role.VIEWER
    with pytest.raises(LastAdmin):
        store.delete(bob.id)
    with pytest.raises(UnknownUser):
        store.delete(99)


def test_change_that_ends_sessions(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.db")
    store.claim("ada", "h")
    bob = store.add("bob", "h", Role.USER)
    assert store.change(bob.id, username="rob").generation == bob.generation
    assert store.change(bob.id, password_hash="i").generation == bob.generation + 1
    assert store.change(bob.id, role=Role.VIEWER).generation == bob.generation + 2


def test_unreadable_database_is_not_an_open_door(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    path.write_bytes(b"this is not a database" * 100)
    store = UserStore(path)
    assert "ResetUsers" in store.problem
    assert store.claimed
    with pytest.raises(StoreUnreadable):
        store.claim("eve", "h")
    assert store.reset() == 0
    assert not store.problem
    assert (tmp_path / "users.db.corrupt").exists()
    assert store.claim("ada", "h").role is Role.ADMIN


def test_failed_write_changes_nothing(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.db")
    store.claim("ada", "h")
    with sqlite3.connect(tmp_path / "users.db") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.Error):
        store.add("bob", "h", Role.USER)
    assert [user.username for user in store.all()] == ["ada"]
    assert store.change(1, username="adele").username == "adele"


def test_failed_write_is_told(site: Site) -> None:
    admin = site.claim()
    with sqlite3.connect(site.folder / "users.db") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    reply = site.call("POST", "/api/create-user", admin, json={"username": "bob", "password": "correct horse"})
    assert reply.status_code == 503
    assert "nothing was changed" in reply.json()["msg"]


def test_management_over_https(site: Site) -> None:
    admin = site.claim()
    user = site.add(admin, "uma", "user")
    assert site.call("POST", "/api/create-user", user, json=ADMIN).status_code == 403
    assert site.call("POST", "/api/create-user", admin, json={"username": "x", "password": "short"}).status_code == 400
    body = {"username": "x", "password": "long enough", "role": "root"}
    assert site.call("POST", "/api/create-user", admin, json=body).status_code == 400
    assert site.call("GET", "/api/get-user-info/1", user).status_code == 404
    assert [entry["username"] for entry in site.call("GET", "/api/get-users-info", user).json()] == ["uma"]
    assert site.call("PUT", "/api/update-user/2", user, json={"role": "admin"}).status_code == 403
    assert site.call("PUT", "/api/update-user/1", user, json={"username": "eve"}).status_code == 404
    assert site.call("PUT", "/api/update-user/1", admin, json={"role": "user"}).status_code == 409
    assert site.call("PUT", "/api/update-user/2", admin, json={}).status_code == 400
    assert site.call("PUT", "/api/update-user/2", admin, json={"username": "ada"}).status_code == 409
    changed = site.call("PUT", "/api/update-user/2", admin, json={"role": "viewer"})
    assert changed.json()["user"] == {"id": 2, "role": "viewer", "username": "uma"}
    assert site.call("GET", "/api/ping", user).status_code == 401
    assert site.call("DELETE", "/api/delete-user/1", admin).status_code == 403
    assert site.call("DELETE", "/api/delete-user/9", admin).status_code == 404
    assert site.call("DELETE", "/api/delete-user/2", admin).json() == {"msg": "User uma deleted successfully"}
    assert site.call("GET", "/api/ping", admin).status_code == 200


def test_password_changes_end_sessions(site: Site) -> None:
    admin = site.claim()
    user = site.add(admin, "uma", "user")
    path = "/api/password-change/2"
    assert site.call("PUT", path, user, json={"old_password": "x"}).status_code == 400
    wrong = site.call("PUT", path, user, json={"old_password": "wrong", "new_password": "new password"})
    assert (wrong.status_code, wrong.json()) == (403, {"msg": "Old password is incorrect"})
    good = {"old_password": "battery staple", "new_password": "new password"}
    assert site.call("PUT", path, user, json=good).json() == {"msg": "Password for user uma updated successfully"}
    assert site.call("GET", "/api/ping", user).json() == {"msg": "Token has been revoked"}
    user = site.login("uma", "new password")
    assert site.call("PUT", "/api/update-user/2", user, json={"password": "third one"}).status_code == 400
    body = {"password": "third one", "current_password": "not that"}
    assert site.call("PUT", "/api/update-user/2", user, json=body).status_code == 403
    body = {"password": "third one", "current_password": "new password"}
    assert site.call("PUT", "/api/update-user/2", user, json=body).status_code == 200
    site.login("uma", "third one")
    assert site.call("PUT", "/api/update-user/2", admin, json={"password": "from the admin"}).status_code == 200
    site.login("uma", "from the admin")
