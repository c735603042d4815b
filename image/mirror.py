# SPDX-License-Identifier: Apache-2.0
"""Which Debian mirror the build uses: the one the building host's apt is set to, or `PILOTLIGHT_MIRROR`."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from image.errors import BuildError

SUITE = "trixie"
COMPONENTS = "main non-free-firmware"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

HELP = (
    "this machine's apt names no Debian mirror, so there is nothing to build from: "
    "set PILOTLIGHT_MIRROR to the address of one (it ends in /debian; the security archive is expected beside it)"
)


@dataclass(frozen=True)
class Source:
    """One repository of an apt source file."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirror:
    """Addresses of Debian's archive and of its security archive."""

    archive: str
    security: str

    def sources(self) -> str:
        """The apt sources of the suite the appliance is made of."""
        lines = [(self.archive, suite) for suite in (SUITE, f"{SUITE}-updates", f"{SUITE}-backports")]
        lines.append((self.security, f"{SUITE}-security"))
        return "".join(f"deb [signed-by={KEYRING}] {uri} {suite} {COMPONENTS}\n" for uri, suite in lines)


def parse_list(text: str) -> list[Source]:
    """Sources of a one-line style file (`deb [options] uri suite component…`)."""
    found: list[Source] = []
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", "", line.split("#", 1)[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            found.append(Source(words[1], (words[2],), tuple(words[3:])))
    return found


def parse_deb822(text: str) -> list[Source]:
    """Sources of a `.sources` file; disabled stanzas are left out."""
    found: list[Source] = []
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            suites, components = tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
            found.extend(Source(uri, suites, components) for uri in fields.get("uris", "").split())
    return found


def choose(sources: Iterable[Source]) -> Mirror | None:
    """The Debian archive among the sources, with its security archive (by default the one beside it)."""
    archive = security = None
    for source in sources:
        if "main" not in source.components:
            continue
        name = source.uri.rstrip("/").rsplit("/", 1)[-1].removesuffix(".list")
        if name == "debian":
            archive = archive or source.uri.rstrip("/")
        elif name == "debian-security":
            security = security or source.uri.rstrip("/")
    if archive is None:
        return None
    return Mirror(archive, security or beside(archive))


def beside(archive: str) -> str:
    """Where a mirror that holds both keeps the security archive."""
    return archive.rstrip("/") + "-security"


def find(environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc/apt")) -> Mirror:
    """The mirror of this build. Raises BuildError where neither apt nor the environment names one."""
    named = environment.get("PILOTLIGHT_MIRROR", "").rstrip("/")
    if named:
        return Mirror(named, beside(named))
    sources: list[Source] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text(errors="replace")
            sources.extend(parse_deb822(text) if path.suffix == ".sources" else parse_list(text))
    mirror = choose(sources)
    if mirror is None:
        raise BuildError(HELP)
    return mirror
