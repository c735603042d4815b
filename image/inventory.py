# SPDX-License-Identifier: Apache-2.0
"""What is in an image: Debian's packages, what was compiled from other sources, and our own; with their licences."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from image import apt, rauc
from image.steps import Log
from image.tools import Tools

DOCUMENTS = Path("usr/share/doc")
# Packages whose files are the kernel and its modules.
KERNEL = re.compile(r"linux-(binary|modules)-")
MODULES_LICENCE = "GPL-2.0-only"
LINK_LIMIT = 8  # documents of a package may be a link to those of another


@dataclass(frozen=True, order=True)
class Component:
    """One part of an image, at a version. `sha256` is of the file it came as; `text` is its licence in full."""

    name: str
    version: str
    arch: str
    sha256: str = ""
    source: str = "debian"  # debian, or who releases it
    homepage: str = ""
    licences: tuple[str, ...] = ()
    text: str = ""


def licence_names(text: str) -> tuple[str, ...]:
    """The short names in a copyright file that machines can read, or the common licences that another one refers to."""
    names = set()
    if text.lstrip().lower().startswith("format:"):
        for line in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE | re.IGNORECASE):
            names.update(re.split(r"\s+(?:and|or)\s+|,\s+", line.strip(), flags=re.IGNORECASE))
    else:
        names.update(re.findall(r"/usr/share/common-licenses/([A-Za-z]+(?:-[0-9.]*[0-9])?)", text))
    return tuple(sorted(name.strip("(),. ") for name in names if name.strip("(),. ")))


def copyright_of(tree: Path, package: str) -> str:
    """The copyright file of a package below `tree`, following links as if `tree` were the root; "" for none."""
    folder = tree / DOCUMENTS / package
    for _ in range(LINK_LIMIT):
        if not folder.is_symlink():
            break
        target = folder.readlink()
        folder = tree / target.relative_to("/") if target.is_absolute() else folder.parent / target
    path = folder / "copyright"
    return path.read_text(errors="replace") if path.is_file() else ""


def from_stanzas(stanzas: Iterable[str], tree: Path, names: frozenset[str] | None = None) -> list[Component]:
    """The packages of a repository, or those with the given names, with their licences from `tree`."""
    found = []
    for stanza in stanzas:
        package = apt.package_of(stanza)
        if names is None or package.name in names:
            homepage = re.search(r"^Homepage: (\S+)$", stanza, re.MULTILINE)
            text = copyright_of(tree, package.name)
            found.append(Component(
                package.name, package.version, package.arch, package.sha256,
                homepage=homepage[1] if homepage else "", licences=licence_names(text), text=text,
            ))  # fmt: skip
    return sorted(found)


def owners(log: Log, use: Tools, repository: Path, files: Iterable[str]) -> frozenset[str]:
    """Names of the packages in a repository that have one of the files, or are the kernel."""
    wanted, found = set(files), set()
    for path in sorted(repository.glob("*.deb")):
        name = path.name.partition("_")[0]
        if KERNEL.match(name) or wanted & set(contents(use.output(log, ["dpkg-deb", "--contents", path]))):
            found.add(name)
    return frozenset(found)


def contents(listing: str) -> list[str]:
    """The paths in a listing of `dpkg-deb --contents`, relative to the root."""
    paths = (line.split(None, 5)[5].partition(" -> ")[0] for line in listing.splitlines() if line)
    return [path.removeprefix("./").rstrip("/") for path in paths]


def own(version: str, arch: str, root: Path) -> list[Component]:
    """What is compiled by the build beside the kernel's modules: our daemons, and RAUC with its licence in `root`."""
    text = copyright_of(root, "rauc")
    return [
        Component("pilotlight", version, arch, source="pilotlight", licences=("Apache-2.0",)),
        Component(
            "rauc", rauc.VERSION, arch, rauc.SHA256, source="rauc", homepage="https://rauc.io",
            licences=(rauc.LICENCE,), text=text,
        ),
    ]  # fmt: skip


def modules(names: Iterable[str], foreign: Iterable[str], version: str, kernel: str, arch: str) -> list[Component]:
    """Kernel modules that Debian's kernel lacks: ours at our version, others from the kernel's source at its version.

    The name of one that is not ours begins with a name in `foreign`.
    """
    taken = tuple(foreign)
    return [
        Component(name, kernel, arch, source="linux", licences=(MODULES_LICENCE,))
        if name.startswith(taken)
        else Component(name, version, arch, source="pilotlight", licences=(MODULES_LICENCE,))
        for name in names
    ]


def package_list(components: Iterable[Component]) -> str:
    """A line each: `name=version architecture`, and who it comes from unless that is Debian."""
    lines = (
        f"{c.name}={c.version} {c.arch}" + ("" if c.source == "debian" else f" {c.source}") for c in sorted(components)
    )
    return "".join(f"{line}\n" for line in lines)


def licence_list(components: Sequence[Component]) -> str:
    """A table of the components with the names of their licences, then every text once."""
    lines = ["Licences of what is in this image. The full texts follow the table.", ""]
    texts: dict[str, list[str]] = {}
    for component in sorted(components):
        named = ", ".join(component.licences) or ("see its text" if component.text else "Apache-2.0")
        lines.append(f"{component.name} {component.version}: {named}")
        if component.text:
            texts.setdefault(component.text, []).append(component.name)
    for text, names in texts.items():
        lines += ["", "=" * 120, ", ".join(names), "=" * 120, "", text.rstrip()]
    return "\n".join(lines) + "\n"
