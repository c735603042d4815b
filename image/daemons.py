# SPDX-License-Identifier: Apache-2.0
"""This project's Python packages, compiled for the appliance's interpreter and architecture.

The work directory stays: a change in one module compiles that module again, and no other.
"""

import os
import shutil
from pathlib import Path

from image import apt, host
from image.config import Board
from image.steps import BUILD, PROJECT, Artefact, Log, remove, step
from image.tools import Tools, tools

SOURCES = ["daemons", "setup.py", "pyproject.toml", "README.md"]
KEPT = (".c", ".h", ".md", ".py", ".pyi", ".toml", ".typed", ".xml")  # suffixes of sources; in a `static` folder, all
INTERPRETER = "313"


def tools_kind(arch: str) -> str:
    """The tools root that can compile for an architecture."""
    return "base" if arch == host.architecture() else "disk"


def daemons_for(board: Board) -> Artefact:
    """The packages as they go to `dist-packages`, with the compiled modules beside the Python files."""
    arch = board.arch
    use = tools(tools_kind(arch))
    headers = apt.fetch("headers", ["headers"], arch, closure=False) if arch != host.architecture() else None
    work = BUILD / "daemons" / f"work-{arch}"

    def make(target: Path, log: Log) -> None:
        sync(work)
        environment = {"SOURCE_DATE_EPOCH": "0", "CFLAGS": same_anywhere(work)}
        if headers is not None:
            sysroot = work.with_name(f"headers-{arch}")
            remove(sysroot)
            for package in sorted(headers.path.glob("*.deb")):
                use.run(log, ["dpkg-deb", "--extract", package, sysroot])
            environment |= cross_environment(arch, sysroot)
            environment["CFLAGS"] += f" {same_anywhere(work)}"
        compile_packages(log, use, work, environment)
        shutil.copytree(work / "lib", target)

    inputs = [Path(__file__), use.root, headers, arch, *(PROJECT / name for name in SOURCES)]
    return step(f"daemons {arch}", inputs=inputs, output=BUILD / "daemons" / arch, make=make)


def same_anywhere(work: Path) -> str:
    """Words for the compiler: without debug information, and without the path of the folder that is worked in."""
    return f"-g0 -ffile-prefix-map={work}=."


def cross_environment(arch: str, sysroot: Path) -> dict[str, str]:
    """What setuptools needs to know to compile for another architecture than the interpreter's own."""
    triplet = host.TRIPLETS[arch]
    compiler = f"{triplet}-gcc-14"
    return {
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "CFLAGS": f"-I{sysroot}/usr/include",
        "SETUPTOOLS_EXT_SUFFIX": f".cpython-{INTERPRETER}-{triplet}.so",
    }


def compile_packages(log: Log, use: Tools, work: Path, environment: dict[str, str]) -> None:
    """Run the project's own build in the work directory; the result is in its `lib`."""
    words = ["env", f"--chdir={work}", *(f"{name}={value}" for name, value in environment.items())]
    setup = ["python3", "setup.py", "-q", "build", "--build-base", "base", "--build-lib", "lib", "--parallel", "2"]
    use.run(log, [*words, *setup])


def sync(work: Path) -> None:
    """Bring the work directory's copy of the sources up to date, touching only what changed.

    When files came or went, the compiled ones are dropped too: one of them may be of a module that is no more.
    """
    wanted = {path.relative_to(PROJECT): path for name in SOURCES for path in files(PROJECT / name)}
    listing = "\n".join(str(name) for name in sorted(wanted))
    known = work / "listing"
    if not known.exists() or known.read_text() != listing:
        remove(work)
    for name, path in wanted.items():
        target = work / name
        if not target.exists() or target.read_bytes() != path.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    known.write_text(listing)


def files(path: Path) -> list[Path]:
    """The source files at or under a path: what an editor or a test run left there is not among them."""
    if path.is_file():
        return [path]
    found = []
    for directory, _, names in os.walk(path):
        here = Path(directory)
        if "__pycache__" not in here.parts and not here.name.endswith(".egg-info"):
            found += [here / name for name in names if Path(name).suffix in KEPT or here.name == "static"]
    return found
