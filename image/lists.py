# SPDX-License-Identifier: Apache-2.0
"""The package list (`image/packages`) and the package lock (`image/packages.lock`).

The list has sections; a section's first word is the set it belongs to:

    [appliance python]
    python3-yaml
    gcc-14-aarch64-linux-gnu [amd64]     only where the set is for amd64

The lock has a line for each package that was ever resolved: `name=version architecture sha256`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from image.errors import BuildError

HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# Every Debian package that a build takes, at its version; renewed by `build-image.sh lock`.
"""


@dataclass(frozen=True, order=True)
class Package:
    """One binary package at one version."""

    name: str
    arch: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Drift:
    """A package that is not what the lock says; `locked` is None for one that the lock does not know."""

    package: Package
    locked: Package | None

    def __str__(self) -> str:
        what, now = f"{self.package.name} ({self.package.arch})", self.package.version
        if self.locked is None:
            return f"{what} {now} is not in the lock"
        if self.locked.version == now:
            return f"{what} {now} has other contents than the locked one"
        return f"{what}: locked {self.locked.version}, now {now}"


def parse_list(text: str) -> dict[str, list[str]]:
    """Sections of the package list: their titles, and the lines in them with any `[arch]` mark."""
    sections: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        if title := re.fullmatch(r"\[([a-zA-Z0-9_ -]+)\]", line):
            if title[1] in sections:
                raise BuildError(f"image/packages:{number}: section [{title[1]}] is there twice")
            lines = sections[title[1]] = []
        elif not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+(\s+\[[a-z0-9 ]+\])?", line):
            raise BuildError(f"image/packages:{number}: '{line}' is neither a [section] nor a package name")
        elif lines is None:
            raise BuildError(f"image/packages:{number}: '{line}' stands before the first [section]")
        else:
            lines.append(line)
    return sections


def names(sections: dict[str, list[str]], titles: Iterable[str], arch: str) -> list[str]:
    """Package names of the sections that are, or begin with, one of the titles; for one architecture; sorted."""
    found: set[str] = set()
    for title in titles:
        matching = [section for section in sections if section == title or section.startswith(title + " ")]
        if not matching:
            raise BuildError(f"image/packages has no section [{title}]")
        for section in matching:
            for line in sections[section]:
                name, _, mark = line.partition(" ")
                if not mark or arch in mark.strip(" []").split():
                    found.add(name)
    return sorted(found)


def parse_lock(text: str) -> dict[tuple[str, str], Package]:
    """The locked packages by name and architecture."""
    locked = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9][a-z0-9.+-]+)=(\S+) ([a-z0-9]+) ([0-9a-f]{64})", line)
        if match is None:
            raise BuildError(f"image/packages.lock:{number}: expected 'name=version architecture sha256'")
        package = Package(match[1], match[3], match[2], match[4])
        locked[package.name, package.arch] = package
    return locked


def format_lock(packages: Iterable[Package]) -> str:
    """The text of a lock that holds these packages."""
    return HEADER + "".join(f"{p.name}={p.version} {p.arch} {p.sha256}\n" for p in sorted(set(packages)))


def drift(packages: Sequence[Package], locked: dict[tuple[str, str], Package]) -> list[Drift]:
    """Where the packages of a build differ from the lock."""
    found = []
    for package in packages:
        lock = locked.get((package.name, package.arch))
        if lock != package:
            found.append(Drift(package, lock))
    return found


def preferences(locked: Iterable[Package], backports: Sequence[str]) -> str:
    """Apt preferences: the locked versions win where the mirror has them.

    Packages whose names match one of the `backports` patterns come from there.
    """
    parts = [f"Package: {pattern}\nPin: release n=trixie-backports\nPin-Priority: 990\n" for pattern in backports]
    parts += [f"Package: {p.name}\nPin: version {p.version}\nPin-Priority: 1001\n" for p in locked]
    return "\n".join(parts)
