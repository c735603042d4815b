# SPDX-License-Identifier: Apache-2.0
"""Debian packages at their locked versions: resolved and fetched by the host's apt with a configuration of its own.

Nothing of the host's package state is read or changed; only its proxy settings are used.
"""

import functools
import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from image import lists, mirror
from image.errors import BuildError
from image.lists import Package
from image.progress import progress
from image.steps import CACHE, PROJECT, Artefact, Log, key_of, locked, step

LIST = PROJECT / "image" / "packages"
LOCK = PROJECT / "image" / "packages.lock"
POOL = CACHE / "pool"
FRESH = 1800  # seconds for which a fetched package index counts as current

# The kernel is the one thing taken from backports: the RT kernel with the CM5's drivers is there and nowhere else.
BACKPORTS = [
    "linux-base", "linux-base-*", "linux-binary-*", "linux-config-*", "linux-headers-*", "linux-image-*",
    "linux-kbuild-*", "linux-modules-*", "linux-source-*",
]  # fmt: skip

CONFIGURATION = """\
Dir "{home}/";
Dir::State "state/";
Dir::State::status "{home}/status";
Dir::Cache "cache/";
Dir::Etc "etc/";
Dir::Etc::parts "/etc/apt/apt.conf.d";
Dir::Etc::preferences "{home}/{preferences}";
Dir::Log "log/";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
"""


class Locked:
    """Whether this build insists on the lock (option `--locked`)."""

    insist = False


def sections() -> dict[str, list[str]]:
    """The package list of the project."""
    return lists.parse_list(LIST.read_text())


def lock() -> dict[tuple[str, str], Package]:
    """The package lock of the project; empty before the first `lock`."""
    return lists.parse_lock(LOCK.read_text()) if LOCK.exists() else {}


def fetch(name: str, titles: Sequence[str], arch: str, *, closure: bool = True, base: bool = True) -> Artefact:
    """A directory with the packages of some sections of the list, as a repository that apt can install from.

    `closure` adds all that the packages depend on, `base` the essential packages of a system. Raises BuildError when
    a package cannot be had, or, with `--locked`, when one is not as locked.
    """
    return _fetch(name, lists.names(sections(), titles, arch), arch, closure, base)


def fetch_packages(name: str, wanted: Sequence[str], arch: str) -> Artefact:
    """As `fetch`, for packages by their names, without what they depend on."""
    return _fetch(name, sorted(wanted), arch, False, False)


def _fetch(name: str, wanted: Sequence[str], arch: str, closure: bool, base: bool) -> Artefact:
    known = [package for package in lock().values() if package.arch in (arch, "all")]

    def make(target: Path, log: Log) -> None:
        apt = Apt(arch, mirror.find())
        with locked(apt.home):
            apt.update(log)
            stanzas = apt.resolve(log, wanted, known, closure=closure, base=base)
            apt.download(log, stanzas)
        _repository(target, stanzas)

    result = step(
        f"fetch {name} {arch}",
        inputs=[Path(__file__), wanted, closure, base, lists.format_lock(known)],
        output=CACHE / "packages" / f"{name}-{arch}",
        make=make,
    )
    report_drift(f"{name} {arch}", packages_in(result.path))
    # What is made from the packages need not be made again when they were merely resolved again.
    return Artefact(result.path, key_of(result.path / "Packages"))


def report_drift(name: str, packages: Sequence[Package]) -> None:
    """Say which packages are not as locked; raises BuildError when the build insists on the lock."""
    if not LOCK.exists() and not Locked.insist:
        return
    found = lists.drift(packages, lock())
    if not found:
        return
    lines = "\n".join(f"    {item}" for item in found)
    if Locked.insist:
        raise BuildError(
            f"{name}: {len(found)} packages are not as locked, and --locked insists:\n{lines}\n"
            "build without --locked to go on with these, or renew the lock with 'build-image.sh lock'"
        )
    progress.say(f"! {name}: {len(found)} packages are not as locked; the build goes on with current ones:\n{lines}")


def packages_in(repository: Path) -> list[Package]:
    """The packages of a directory that `fetch` made."""
    return [package_of(stanza) for stanza in split((repository / "Packages").read_text())]


class Apt:
    """Apt with a state of its own under the cache, for one architecture."""

    def __init__(self, arch: str, source: mirror.Mirror) -> None:
        self.arch = arch
        self.home = CACHE / "apt" / arch
        for directory in ("state/lists/partial", "cache/archives/partial", "etc", "log"):
            (self.home / directory).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        self._sources = source.sources()
        self._configure("none")

    def _configure(self, preferences: str) -> None:
        text = CONFIGURATION.format(home=self.home, arch=self.arch, preferences=preferences)
        (self.home / "apt.conf").write_text(text)

    def _environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.home / "apt.conf"), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

    def update(self, log: Log) -> None:
        """Fetch the package index unless a recent one is there."""
        path, stamp = self.home / "etc" / "sources.list", self.home / "updated"
        same = path.exists() and path.read_text() == self._sources
        if same and stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return
        path.write_text(self._sources)
        log.run(["apt-get", "update", "-q", "--error-on=any"], env=self._environment())
        stamp.touch()

    def resolve(
        self, log: Log, wanted: Sequence[str], known: Sequence[Package], *, closure: bool = True, base: bool = True
    ) -> list[str]:
        """Control stanzas of the packages that an installation of `wanted` takes; `known` versions are preferred."""
        (self.home / "preferences").write_text(lists.preferences(known, BACKPORTS))
        self._configure("preferences")
        environment = self._environment()
        if closure:
            words = ["apt-get", "install", "--simulate", "-q", *(["?essential"] if base else []), *wanted]
            chosen = re.findall(r"^Inst (\S+) \((\S+) ", log.output(words, env=environment), re.MULTILINE)
        else:
            policy = log.output(["apt-cache", "policy", *wanted], env=environment)
            chosen = re.findall(r"^(\S+):\n.*\n  Candidate: (\S+)", policy, re.MULTILINE)
        missing = set(wanted) - {name.partition(":")[0] for name, version in chosen if version != "(none)"}
        if missing:
            raise BuildError(f"the mirror has no package {', '.join(sorted(missing))} for {self.arch}")
        shown = log.output(["apt-cache", "show", *(f"{name}={version}" for name, version in chosen)], env=environment)
        found = {(package_of(stanza).name, package_of(stanza).version): stanza for stanza in reversed(split(shown))}
        return [found[name.partition(":")[0], version] for name, version in sorted(chosen)]

    def download(self, log: Log, stanzas: Sequence[str]) -> None:
        """Fetch the packages that are not in the pool yet; apt checks them against the signed index."""
        POOL.mkdir(parents=True, exist_ok=True)
        wanted = [package_of(stanza) for stanza in stanzas if not (POOL / pool_name(package_of(stanza))).exists()]
        if wanted:
            words = [f"{package.name}={package.version}" for package in wanted]
            staging = self.home / "download"
            staging.mkdir(exist_ok=True)
            log.run(["apt-get", "download", "-q", *words], cwd=staging, env=self._environment())
            for package in wanted:
                (staging / file_name(package)).rename(POOL / pool_name(package))


def split(text: str) -> list[str]:
    """The stanzas of a control file."""
    return [part.strip("\n") + "\n" for part in re.split(r"\n\n+", text) if part.strip()]


@functools.cache
def package_of(stanza: str) -> Package:
    """Name, architecture, version and digest of a control stanza."""
    fields: Mapping[str, str] = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
    return Package(fields["Package"], fields["Architecture"], fields["Version"], fields["SHA256"])


def file_name(package: Package) -> str:
    """The name that apt gives a package's file."""
    return f"{package.name}_{package.version.replace(':', '%3a')}_{package.arch}.deb"


def pool_name(package: Package) -> str:
    """The name of a package's file in the pool: two files of one name never share a place."""
    return f"{package.sha256[:16]}_{file_name(package)}"


def _repository(target: Path, stanzas: Sequence[str]) -> None:
    target.mkdir()
    text = ""
    for stanza in stanzas:
        package = package_of(stanza)
        os.link(POOL / pool_name(package), target / file_name(package))
        text += re.sub(r"^Filename: .*$", f"Filename: ./{file_name(package)}", stanza, flags=re.MULTILINE) + "\n"
    (target / "Packages").write_text(text)
    digest, size = hashlib.sha256(text.encode()).hexdigest(), len(text.encode())
    (target / "Release").write_text(
        f"Suite: {mirror.SUITE}\nCodename: {mirror.SUITE}\nDate: Thu, 01 Jan 1970 00:00:00 UTC\n"
        f"SHA256:\n {digest} {size} Packages\n"
    )
