# SPDX-License-Identifier: Apache-2.0
"""The Debian system under an appliance: its packages installed, nothing of ours yet."""

from pathlib import Path

from image import apt, debian, host, lists
from image.config import Board
from image.steps import BUILD, Artefact, Input, Log, remove, step
from image.tools import Tools, tools

# What a package manager needs, and what packages leave behind: an appliance is updated as a whole.
UNNEEDED = [
    "etc/apt", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/hostname", "etc/machine-id", "etc/resolv.conf", "usr/share/bug",
    "usr/share/doc-base", "usr/share/reportbug", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log",
]  # fmt: skip


def titles_of(board: Board) -> list[str]:
    """Sections of the package list that make a board's system."""
    sections = apt.sections()
    extras = [title for title in sections if title.startswith("extra ") and board.flag(title.removeprefix("extra "))]
    return ["appliance", *(["disk"] if board.flag("DISK") else []), *extras]


def label_of(board: Board) -> str:
    """What tells the system of a board from others: its architecture and the sections it has beyond the common ones."""
    extras = (title.removeprefix("extra ").removeprefix("EXTRA_").lower() for title in titles_of(board)[1:])
    return "-".join([board.arch, *extras])


def repository_of(board: Board) -> Artefact:
    """The packages of a board's system, as a repository. Raises BuildError."""
    name = f"appliance{label_of(board).removeprefix(board.arch)}"
    return apt.fetch(name, titles_of(board), board.arch)


def system_for(board: Board) -> Artefact:
    """The installed packages of a board; shared by boards of the same architecture and extras."""
    titles, label = titles_of(board), label_of(board)
    use = tools("base")
    repository = repository_of(board)
    native = use.root.path if board.arch != host.architecture() else None
    foreign = sorted(debian.HOOKS.glob("native-*")) if native else []

    def make(target: Path, log: Log) -> None:
        packages = lists.names(apt.sections(), titles, board.arch)
        debian.install(log, repository.path, packages, board.arch, target, native)
        for name in UNNEEDED:
            remove(target / name)
        manifest(repository, target)
        compile_modules(log, use, target, ["/usr/lib/python3.13", "/usr/lib/python3/dist-packages"])

    inputs: list[Input] = [Path(__file__), Path(debian.__file__), debian.HOOKS / "helpers", repository, *foreign]
    return step(f"packages {label}", inputs=inputs, output=BUILD / "system" / label, make=make)


def manifest(repository: Artefact, root: Path) -> None:
    """Keep the list of what is installed where people and the orchestrator find it."""
    target = root / "usr" / "share" / "pilotlight" / "packages"
    target.parent.mkdir(parents=True, exist_ok=True)
    packages = sorted(apt.packages_in(repository.path))
    target.write_text("".join(f"{p.name}={p.version} {p.arch}\n" for p in packages))


def compile_modules(log: Log, use: Tools, root: Path, directories: list[str]) -> None:
    """Compile the Python modules in some directories of a root.

    The compiled files are valid whatever time stamps an image gives its files; a read-only root could never renew them.
    """
    where = [f"{root}{directory}" for directory in directories]
    use.run(log, [
        "python3", "-m", "compileall", "-q", "-j2", "--invalidation-mode=unchecked-hash", f"-s{root}", "-p/", *where,
    ])  # fmt: skip
