# SPDX-License-Identifier: Apache-2.0
"""Keys that sign bundles: what is made, what is never overwritten, and which keys a build takes."""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from image import keys, steps
from image.errors import BuildError
from image.steps import Log

RELEASE = {
    "PILOTLIGHT_SIGNING_KEY": "release.key",
    "PILOTLIGHT_SIGNING_CERTIFICATE": "release.crt",
    "PILOTLIGHT_SIGNING_KEYRING": "trusted.crt",
}


class Here:
    """A tools root that is this machine."""

    def run(self, log: Log, words: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        log.run(words, env=env)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keys, "HOME", tmp_path / "build/keys")
    monkeypatch.setattr(keys, "PROJECT", tmp_path)
    monkeypatch.setattr(keys, "tools", lambda kind: Here())
    monkeypatch.setattr(steps, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(keys, "MEMORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in RELEASE:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "build").mkdir()
    return tmp_path / "build/keys"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_development_keys_sign_code_and_nothing_else(home: Path) -> None:
    assert keys.renew(force=False) == home
    authority, signing = certificate(home / "authority.crt"), certificate(home / "signing.crt")
    signing.verify_directly_issued_by(authority)
    usage = signing.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert signing.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not signing.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = load_pem_private_key((home / "signing.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == signing.public_key()


def test_only_the_owner_reads_them(home: Path) -> None:
    keys.renew(force=False)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {path.name for path in home.iterdir()} == {"authority.crt", "authority.key", "signing.crt", "signing.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}


def test_keys_that_are_there_stay_unless_forced_and_are_put_aside_then(home: Path) -> None:
    keys.renew(force=False)
    before = (home / "signing.key").read_bytes()
    with pytest.raises(BuildError, match=r"holds keys already.*nothing was changed.*--force"):
        keys.renew(force=False)
    assert (home / "signing.key").read_bytes() == before
    keys.renew(force=True)
    assert (home / "signing.key").read_bytes() != before
    (aside,) = home.parent.glob("keys.2*")
    assert (aside / "signing.key").read_bytes() == before


def test_a_build_makes_development_keys_once(home: Path) -> None:
    made = keys.signing_for({})
    assert made.development
    first = Path(made.key).read_bytes()
    assert keys.signing_for({}) == made
    assert Path(made.key).read_bytes() == first


def test_release_keys_come_from_the_environment_or_the_configuration(tmp_path: Path, home: Path) -> None:
    for name in RELEASE.values():
        (tmp_path / name).touch()
    symbols = {name.removeprefix("PILOTLIGHT_"): value for name, value in RELEASE.items()}
    found = keys.chosen({}, RELEASE)
    assert found == keys.Signing(
        str(tmp_path / "release.key"), tmp_path / "release.crt", tmp_path / "trusted.crt", development=False
    )
    assert keys.chosen(symbols, {}) == found
    assert keys.signing_for(symbols) == found
    assert not home.exists()


def test_a_key_in_a_token_is_named_and_not_read(tmp_path: Path) -> None:
    for name in list(RELEASE.values())[1:]:
        (tmp_path / name).touch()
    found = keys.chosen({}, {**RELEASE, "PILOTLIGHT_SIGNING_KEY": "pkcs11:token=release;object=key"})
    assert found is not None
    assert found.key == "pkcs11:token=release;object=key"
    with keys.lent(found) as (seen, _):
        assert seen.key == found.key


@pytest.mark.parametrize("missing", RELEASE)
def test_release_keys_are_three_or_none(missing: str) -> None:
    with pytest.raises(BuildError, match=rf"{missing} is not set"):
        keys.chosen({}, {name: value for name, value in RELEASE.items() if name != missing})


def test_a_release_key_that_is_not_there_is_named() -> None:
    with pytest.raises(BuildError, match=r"there is no file release\.key, release\.crt, trusted\.crt"):
        keys.chosen({}, RELEASE)


def test_a_key_from_elsewhere_is_lent_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PROJECT", tmp_path / "project")
    for name in RELEASE.values():
        (tmp_path / name).write_text(name)
    found = keys.chosen({}, RELEASE)
    assert found is not None
    with keys.lent(found) as (seen, _):
        assert Path(seen.key).read_text() == "release.key"
        assert Path(seen.key) != tmp_path / "release.key"
        assert stat.S_IMODE(Path(seen.key).stat().st_mode) == 0o600
    assert not Path(seen.key).exists()
