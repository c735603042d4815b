# SPDX-License-Identifier: Apache-2.0
"""Keys that sign update bundles: development keys made here, or release keys that come from outside.

A device trusts the certificates in its keyring, which is written into the image: what another key signed is refused.
Release keys are named by three variables, or by three symbols of Kconfig:

    PILOTLIGHT_SIGNING_KEY          file of the private key, or the pkcs11: URI of a key in a token
    PILOTLIGHT_SIGNING_CERTIFICATE  file of its certificate (and of those between it and the keyring)
    PILOTLIGHT_SIGNING_KEYRING      file of the certificates that devices trust
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from image.errors import BuildError
from image.progress import progress
from image.steps import BUILD, PROJECT, Log, locked, remove, run_step
from image.tools import Tools, tools

HOME = BUILD / "keys"
MEMORY = Path("/dev/shm")  # noqa: S108 — keys from elsewhere are lent to the tools root here, never on a disk
SYMBOLS = ("SIGNING_KEY", "SIGNING_CERTIFICATE", "SIGNING_KEYRING")
TOKEN = "pkcs11:"  # noqa: S105 — how the address of a key in a token begins, no secret
# How the tools root finds the module of a token, and the module its settings.
TOKEN_VARIABLES = ("RAUC_PKCS11_MODULE", "RAUC_PKCS11_PIN", "SOFTHSM2_CONF")
DAYS = 7300

CONFIGURATION = """\
[req]
prompt = no
distinguished_name = name
string_mask = utf8only
[name]
O = Pilotlight development
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signing]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Signing:
    """A private key (file or token URI), its certificate, and the certificates that devices trust."""

    key: str
    certificate: Path
    keyring: Path
    development: bool


def chosen(config: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Signing | None:
    """The release keys that environment or configuration name; None when they name none.

    Raises BuildError when they name some of the three and not all, or a file that is not there.
    """
    values = {name: environment.get(f"PILOTLIGHT_{name}", "") or config.get(name, "") for name in SYMBOLS}
    missing = [name for name, value in values.items() if not value]
    if len(missing) == len(SYMBOLS):
        return None
    if missing:
        raise BuildError(
            f"release keys are three, and {', '.join(f'PILOTLIGHT_{name}' for name in missing)} is not set: "
            "name key, certificate and keyring, or none of them for development keys"
        )
    files = [value for value in values.values() if not value.startswith(TOKEN)]
    absent = [name for name in files if not Path(name).is_file()]
    if absent:
        raise BuildError(f"there is no file {', '.join(absent)}, which is named as a key or certificate")
    key, certificate, keyring = values.values()
    key = key if key.startswith(TOKEN) else str(Path(key).resolve())
    return Signing(key, Path(certificate).resolve(), Path(keyring).resolve(), development=False)


def signing_for(config: Mapping[str, str]) -> Signing:
    """The keys of this build: release keys, or the development keys, which are made when there are none yet."""
    found = chosen(config)
    if found is not None:
        return found
    with locked(HOME):
        if not HOME.exists():
            create()
            progress.say(f"made development keys in {HOME.relative_to(PROJECT)}: for devices of your own bench only")
    return development()


def development() -> Signing:
    """Where the development keys are."""
    return Signing(str(HOME / "signing.key"), HOME / "signing.crt", HOME / "authority.crt", development=True)


def renew(*, force: bool) -> Path:
    """Make development keys; returns their folder. Raises BuildError when there are some, unless `force` is set.

    Keys that are replaced are put aside: a device that trusts them takes nothing that the new ones sign.
    """
    with locked(HOME):
        if HOME.exists():
            if not force:
                raise BuildError(
                    f"{HOME.relative_to(PROJECT)} holds keys already, and devices may trust them: nothing was changed. "
                    "'build-image.sh keys --force' puts them aside and makes new ones"
                )
            aside = HOME.with_name(f"{HOME.name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
            HOME.rename(aside)
            progress.say(f"the keys so far are in {aside.relative_to(PROJECT)}")
        create()
    return HOME


def create() -> None:
    """Make an authority and a signing key with its certificate in `HOME`, readable by their owner alone."""
    use = tools("base")
    place = HOME.with_name(HOME.name + ".new")
    remove(place)

    def make(log: Log) -> None:
        place.mkdir(mode=0o700)
        certificate(log, use, place, "authority", [])
        signer: list[str | Path] = ["-CA", place / "authority.crt", "-CAkey", place / "authority.key"]
        certificate(log, use, place, "signing", signer)
        for path in place.iterdir():
            path.chmod(0o600)
        place.rename(HOME)

    run_step("development keys", make)


def certificate(log: Log, use: Tools, place: Path, name: str, signer: list[str | Path], days: int = DAYS) -> None:
    """Make the key `name`.key in `place` and its certificate `name`.crt, signed by itself or by `signer`'s words."""
    settings = place / f"{name}.cnf"
    settings.write_text(CONFIGURATION.format(name=name))
    use.run(log, [
        "openssl", "req", "-x509", "-config", settings, "-extensions", name, *signer, "-sha256", "-days", str(days),
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", place / f"{name}.key", "-out", place / f"{name}.crt",
    ])  # fmt: skip
    settings.unlink()


@contextmanager
def lent(signing: Signing) -> Iterator[tuple[Signing, dict[str, str]]]:
    """The same keys at paths that the tools root sees, and the variables a token needs, until the block ends."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="pilotlight-") as folder:

        def lend(path: Path) -> Path:
            if path.is_relative_to(PROJECT):
                return path
            copy = Path(folder) / path.name
            shutil.copyfile(path, copy)
            copy.chmod(0o600)
            return copy

        key = signing.key if signing.key.startswith(TOKEN) else str(lend(Path(signing.key)))
        variables = {name: os.environ[name] for name in TOKEN_VARIABLES if name in os.environ}
        seen = replace(signing, key=key, certificate=lend(signing.certificate), keyring=lend(signing.keyring))
        yield seen, variables
