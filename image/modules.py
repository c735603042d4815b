# SPDX-License-Identifier: Apache-2.0
"""Kernel modules that Debian's kernel lacks, built against exactly the kernel that is in the image.

Each has a folder in `bsp/modules`: with its source when it is ours, else with `sources`, the list of the files that are
taken from the kernel's own source package when the module is built.
"""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from image import apt, host
from image.errors import BuildError
from image.kernel import wanted
from image.steps import BUILD, CACHE, PROJECT, Artefact, Input, Log, step
from image.tools import Tools

FOLDER = PROJECT / "bsp" / "modules"
ARCHES = ("arm64",)  # the other kernels have what their boards need
PLACE = "updates"  # below usr/lib/modules/<version>: what depmod prefers

# Arguments: the package with the kernel's source, the tree to unpack into, the wanted members of the archive in it.
EXTRACT = """\
set -e
archive=$1 into=$2 first=${3%%/*}
shift 2
dpkg-deb --fsys-tarfile "$archive" | tar --extract --to-stdout "./usr/src/$first.tar.xz" |
  tar --extract --xz --directory="$into" --strip-components=1 "$@"
"""
UNPACK = 'into=$1; shift; for package; do dpkg-deb --extract "$package" "$into" || exit; done'

# Arguments: tree, version, common version, architecture that builds, folder of the modules, folder for the result.
# At fixed places, so that no path of the building machine gets into a module. The kernel's own type information is left
# out: it describes a kernel that is not there to compare with.
RECIPE = """\
set -e
mkdir /tmp/tree /tmp/modules
mount --bind "$1" /tmp/tree
cp --recursive "$5/." /tmp/modules
headers=/tmp/tree/usr/src/linux-headers-$2 common=/tmp/tree/usr/src/linux-headers-$3-common
make --directory="$headers" KBUILD_OUTPUT="$headers" --file="$common/Makefile" M=/tmp/modules DEB_BUILD_ARCH="$4" \
  CONFIG_DEBUG_INFO_BTF_MODULES= KCFLAGS=-Werror KBUILD_BUILD_TIMESTAMP=@0 -j2 modules
mkdir "$6"
cp /tmp/modules/*/*.ko "$6"
aarch64-linux-gnu-strip --strip-debug --enable-deterministic-archives "$6"/*.ko
"""


@dataclass(frozen=True)
class Packages:
    """Names of the packages that modules for a kernel are built from."""

    headers: list[str]  # of the kernel's architecture
    source: str  # of every architecture
    tools: list[str]  # of the architecture that builds


def version_of(names: Iterable[str]) -> str:
    """The version of the one kernel among packages, for instance `7.3.4+deb13-rt-arm64`. Raises BuildError."""
    found = [match[1] for name in names if (match := re.fullmatch(r"linux-image-(\d.*)", name))]
    if len(found) != 1:
        raise BuildError(f"there are {len(found)} kernels among the packages, not one: {' '.join(found) or 'none'}")
    return found[0]


def common(version: str) -> str:
    """The version without the kind of kernel: `7.3.4+deb13`."""
    return version.split("-", 1)[0]


def packages_for(version: str) -> Packages:
    """The packages for a kernel version as `version_of` tells it."""
    release = common(version)
    series = ".".join(release.split(".")[:2])
    return Packages(
        [f"linux-headers-{version}", f"linux-headers-{release}-common"],
        f"linux-source-{series}",
        [f"linux-kbuild-{release}"],
    )


def foreign_sources(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Files of the kernel's source that modules are made of, by module folder."""
    return {path.parent.name: wanted(path.read_text()) for path in sorted(folder.glob("*/sources"))}


def build_tree(arch: str, version: str) -> Artefact:
    """A tree with the kernel's headers, its build programs (both in `usr`) and the wanted sources (in `source`)."""
    need = packages_for(version)
    headers = apt.fetch_packages("kernel-headers", [*need.headers, need.source], arch)
    programs = apt.fetch_packages("kernel-kbuild", need.tools, host.architecture())
    files = sorted({file for listed in foreign_sources().values() for file in listed})

    def make(target: Path, log: Log) -> None:
        (target / "source").mkdir(parents=True)
        archive = next(headers.path.glob("linux-source-*.deb"))
        found = [*headers.path.glob("linux-headers-*.deb"), *programs.path.glob("*.deb")]
        log.run(["sh", "-c", UNPACK, "unpack", target, *sorted(found)])
        members = [f"{need.source}/{file}" for file in files]
        log.run(["sh", "-c", EXTRACT, "extract", archive, target / "source", *members])

    inputs: list[Input] = [headers, programs, files, UNPACK, EXTRACT]
    return step(f"kernel build tree {arch}", inputs=inputs, output=CACHE / f"kernel-build-{arch}", make=make)


def modules_for(arch: str, version: str, use: Tools) -> Artefact | None:
    """The directory of the modules (`*.ko`) for a kernel; None where the kernel has all that is wanted."""
    if arch not in ARCHES:
        return None
    tree = build_tree(arch, version)

    def make(target: Path, log: Log) -> None:
        sources = target.with_name(target.name + ".sources")
        shutil.rmtree(sources, ignore_errors=True)
        shutil.copytree(FOLDER, sources)
        try:
            for module, files in foreign_sources().items():
                for file in files:
                    shutil.copy(tree.path / "source" / file, sources / module)
            words: list[str | Path] = [tree.path, version, common(version), host.architecture(), sources, target]
            use.run(log, ["sh", "-c", RECIPE, "build", *words])
        finally:
            shutil.rmtree(sources)

    inputs: list[Input] = [tree, version, FOLDER, use.root, RECIPE]
    return step(f"kernel modules {arch}", inputs=inputs, output=BUILD / "modules" / arch, make=make)
