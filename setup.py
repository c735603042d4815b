# SPDX-License-Identifier: Apache-2.0
"""Build of the package: the C core of `tags`, and the modules that mypyc compiles.

`PILOTLIGHT_PURE=1` leaves all Python modules interpreted; the C core is always built, since a memory fence cannot be
written in Python.
"""

import os
import tempfile
import tomllib
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
CFLAGS = ["-O2", "-ffp-contract=off"]  # contracted multiply-add would make results differ between amd64 and arm64


def compiled_modules() -> dict[str, list[str]]:
    """Paths of the modules that mypyc compiles, from pyproject.toml, by package.

    A package's modules become one library: each library carries mypyc's own run-time code, which a process with
    locked memory would hold once a module.
    """
    modules: list[str] = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["pilotlight"]["compiled"]
    found: dict[str, list[str]] = {}
    for name in modules:
        found.setdefault(name.rpartition(".")[0], []).append(f"daemons/{name.replace('.', '/')}.py")
    return found


def extensions() -> list[Extension]:
    core = Extension(
        "pilotlight.tags._core",
        ["daemons/pilotlight/tags/_core.c"],
        depends=[str(path.relative_to(HERE)) for path in sorted((HERE / "daemons/pilotlight/tags").glob("_*.h"))],
        extra_compile_args=["-std=c11", *CFLAGS, "-Wall", "-Wextra", "-Werror"],
    )
    packages = compiled_modules()
    if os.environ.get("PILOTLIGHT_PURE") == "1":
        return [core]
    # With the cache of an earlier build mypyc leaves out of a package's library what the others call.
    with tempfile.TemporaryDirectory(prefix="pilotlight-mypy-") as cache:
        os.environ["MYPY_CACHE_DIR"] = cache
        return [core, *compile_packages(packages)]


def compile_packages(packages: dict[str, list[str]]) -> list[Extension]:
    """The C sources that mypyc makes of the modules, as extensions; made anew each time."""
    from mypyc.build import mypycify

    paths = [path for group in packages.values() for path in group]
    groups = [(group, f"{package}._compiled") for package, group in packages.items()]
    compiled = mypycify(paths, opt_level="2", separate=groups)
    for extension in compiled:
        extension.extra_compile_args = [*extension.extra_compile_args, *CFLAGS]
    return compiled


setup(ext_modules=extensions())
