# SPDX-License-Identifier: Apache-2.0
"""The first user that provisioning asks for, with the hashes it may bring."""

import asyncio
from pathlib import Path

import pytest
from pilotlight.web.first_admin import FILE, take
from pilotlight.web.passwords import PasswordHasher
from pilotlight.web.roles import Role
from pilotlight.web.users import UserStore

# "correct horse" as crypt(3) writes it: SHA-256, SHA-512, yescrypt.
HASHES = [
    "$5$saltsalt$myjXcpMpE2Ofk7fj9hqyNYSn6lmWG4Mqnjx.KIRRr4/",
    "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79",
]


@pytest.fixture
def users(tmp_path: Path) -> UserStore:
    return UserStore(tmp_path / "users.db")


def leave(folder: Path, text: str = '{"name": "anna", "password": "$argon2id$x", "hashed": true}') -> None:
    (folder / FILE).write_text(text)


def test_the_first_user_is_made_once(tmp_path: Path, users: UserStore) -> None:
    leave(tmp_path)
    assert take(tmp_path, users)
    (user,) = users.all()
    assert (user.username, user.role) == ("anna", Role.ADMIN)
    assert not (tmp_path / FILE).exists()
    assert not take(tmp_path, users)


def test_a_claimed_device_keeps_its_users(tmp_path: Path, users: UserStore) -> None:
    users.claim("bert", "hash")
    leave(tmp_path)
    assert not take(tmp_path, users)
    assert [user.username for user in users.all()] == ["bert"]
    assert not (tmp_path / FILE).exists()


def test_an_unreadable_store_keeps_the_file(tmp_path: Path) -> None:
    (tmp_path / "users.db").write_bytes(b"garbage" * 1000)
    leave(tmp_path)
    assert not take(tmp_path, UserStore(tmp_path / "users.db"))
    assert (tmp_path / FILE).exists()


def test_a_damaged_file_goes(tmp_path: Path, users: UserStore) -> None:
    leave(tmp_path, "{")
    assert not take(tmp_path, users)
    assert not (tmp_path / FILE).exists() and not users.claimed


def verifies(encoded: str, password: str) -> bool:
    hasher = PasswordHasher()
    try:
        return asyncio.run(hasher.verify(encoded, password))
    finally:
        hasher.close()


@pytest.mark.parametrize("encoded", HASHES)
def test_the_imagers_hashes_are_verified(encoded: str) -> None:
    assert verifies(encoded, "correct horse")
    assert not verifies(encoded, "correct house")
    assert not verifies(encoded, "correct horse\0")
    assert not verifies(encoded[:-1], "correct horse")


@pytest.mark.parametrize("encoded", ["", "*", "$y$", "$1$x", "plain"])
def test_what_is_no_hash_fits_no_password(encoded: str) -> None:
    assert not verifies(encoded, "plain")
    assert not verifies(encoded, "")
