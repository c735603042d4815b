# SPDX-License-Identifier: Apache-2.0
"""Renews the package lock: every set of the package list, for every architecture, resolved without pins."""

from collections.abc import Iterable

from image import apt, lists, mirror, modules
from image.host import TRIPLETS
from image.lists import Package
from image.progress import progress
from image.steps import Log, run_step


def renew() -> None:
    """Resolve everything at the mirror's current versions, write the lock, and say what changed."""
    before = apt.lock()
    found: set[Package] = set()
    for arch in TRIPLETS:
        found.update(resolve(arch))
    apt.LOCK.write_text(lists.format_lock(found))
    after = {(package.name, package.arch): package for package in found}
    for line in changes(before, after):
        progress.say(f"  {line}")
    progress.say(f"{apt.LOCK.name}: {len(after)} packages")


def resolve(arch: str) -> list[Package]:
    """All packages that any build takes for an architecture."""
    sections = apt.sections()
    systems = [
        ["appliance", "disk", *(title for title in sections if title.startswith("extra "))],
        ["tools base", "tools disk"],
    ]
    found: list[Package] = []

    def make(log: Log) -> None:
        use = apt.Apt(arch, mirror.find())
        stanzas: list[str] = []
        use.update(log)
        for titles in systems:
            stanzas += use.resolve(log, lists.names(sections, titles, arch), [])
        for title in ("boot", "rauc"):
            stanzas += use.resolve(log, lists.names(sections, [title], arch), [], base=False)
        stanzas += use.resolve(log, lists.names(sections, ["headers"], arch), [], closure=False)
        stanzas += use.resolve(
            log, for_modules(arch, [apt.package_of(stanza).name for stanza in stanzas]), [], closure=False
        )
        found.extend(apt.package_of(stanza) for stanza in stanzas)

    run_step(f"resolve {arch}", make)
    return found


def for_modules(arch: str, names: Iterable[str]) -> list[str]:
    """What kernel modules are built from, for the kernel among the packages `names`."""
    need = modules.packages_for(modules.version_of(names))
    return [*need.tools, *([*need.headers, need.source] if arch in modules.ARCHES else [])]


def changes(before: dict[tuple[str, str], Package], after: dict[tuple[str, str], Package]) -> list[str]:
    """What a new lock changes, a line each: arrivals, departures, versions."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        name = f"{key[0]} ({key[1]})"
        if old is None and new is not None:
            lines.append(f"+ {name} {new.version}")
        elif new is None and old is not None:
            lines.append(f"- {name} {old.version}")
        elif old is not None and new is not None and old != new:
            lines.append(f"  {name} {old.version} -> {new.version}")
    return lines
