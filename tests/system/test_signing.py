# SPDX-License-Identifier: Apache-2.0
"""Signing with the tools of the build: keys in files and in a token, and what a device's settings refuse."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from image import bundle, keys, update_settings
from image.errors import BuildError
from image.keys import Signing
from image.steps import BUILD, PROJECT, Log
from image.tools import environment, tools

PIN = "1234"


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder that the tools root sees, with two small images and a device's settings."""
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="signing-") as name:
        place = Path(name)
        for image in ("boot.img", "root.img"):
            (place / image).write_bytes(os.urandom(16 * bundle.BLOCK))  # nothing that becomes smaller
        settings = update_settings.system_conf("cm5").replace(f"data-directory={update_settings.DATA}\n", "")
        (place / "system.conf").write_text(settings)
        yield place


@pytest.fixture
def log(work: Path) -> Iterator[Log]:
    with (work / "log").open("wb") as stream:
        yield Log("signing", work / "log", stream)


@pytest.fixture
def signing() -> Signing:
    return keys.signing_for({})


def pack(log: Log, work: Path, signing: Signing) -> Path:
    content = bundle.Content("cm5", "1.0.0", {"boot": work / "boot.img", "rootfs": work / "root.img"})
    bundle.pack(log, tools("disk"), content, signing, work / "x.raucb")
    return work / "x.raucb"


def extract(work: Path, keyring: Path) -> str:
    """What RAUC complains about when it unpacks the bundle as a device would; "" when it does not."""
    shutil.rmtree(work / "out", ignore_errors=True)
    words = [
        "rauc",
        f"--conf={work / 'system.conf'}",
        f"--keyring={keyring}",
        "extract",
        work / "x.raucb",
        work / "out",
    ]
    done = subprocess.run(
        tools("disk").argv(words), cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr


def test_what_was_signed_is_accepted(log: Log, work: Path, signing: Signing) -> None:
    pack(log, work, signing)
    assert extract(work, signing.keyring) == ""
    assert (work / "out/root.img").read_bytes() == (work / "root.img").read_bytes()
    # Nothing is left of what it was made with.
    assert {path.name for path in work.iterdir()} == {"boot.img", "root.img", "system.conf", "log", "x.raucb", "out"}


def test_a_key_in_a_token_signs(log: Log, work: Path, signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    use, settings = tools("disk"), work / "token.conf"
    (work / "tokens").mkdir()
    settings.write_text(f"directories.tokendir = {work}/tokens\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    monkeypatch.setenv("RAUC_PKCS11_MODULE", "/usr/lib/softhsm/libsofthsm2.so")
    monkeypatch.setenv("RAUC_PKCS11_PIN", PIN)
    variables = {"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"]}
    pins = ["--pin", PIN]
    use.run(log, ["softhsm2-util", "--init-token", "--free", "--label", "t", *pins, "--so-pin", PIN], env=variables)
    use.run(log, ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", signing.key, "-out", work / "key"])
    words = ["softhsm2-util", "--import", work / "key", "--token", "t", "--label", "k", "--id", "01", *pins]
    use.run(log, words, env=variables)
    pack(log, work, replace(signing, key="pkcs11:token=t;object=k"))
    assert extract(work, signing.keyring) == ""


def test_another_authority_is_refused(log: Log, work: Path, signing: Signing) -> None:
    pack(log, work, signing)
    keys.certificate(log, tools("disk"), work, "authority", [])
    assert "signature verification failed" in extract(work, work / "authority.crt")


def test_a_certificate_that_is_not_for_code_is_not_even_signed_with(log: Log, work: Path, signing: Signing) -> None:
    keys.certificate(log, tools("disk"), work, "authority", [])
    stranger = Signing(str(work / "authority.key"), work / "authority.crt", work / "authority.crt", development=False)
    with pytest.raises(BuildError, match="ended with exit code"):
        pack(log, work, stranger)
    assert not (work / "x.raucb").exists()


def test_a_changed_byte_anywhere_is_refused(log: Log, work: Path, signing: Signing) -> None:
    made = pack(log, work, signing)
    whole = made.read_bytes()
    for place in (200, len(whole) // 3, len(whole) - 300):
        made.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert extract(work, signing.keyring) != "", f"byte {place} of {len(whole)}"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_a_bundle_that_is_cut_off_is_refused(log: Log, work: Path, signing: Signing, part: float) -> None:
    made = pack(log, work, signing)
    os.truncate(made, int(made.stat().st_size * part))
    assert extract(work, signing.keyring) != ""
