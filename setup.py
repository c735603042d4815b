# SPDX-License-Identifier: Apache-2.0
"""Build of the package: the C core of `tags`, and the modules that mypyc compiles.

`PILOTLIGHT_PURE=1` leaves all Python modules interpreted; the C core is always built, since a memory fence cannot be
written in Python.
"""

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
CFLAGS = ["-O2", "-ffp-contract=off"]  # contracted multiply-add would make results differ between amd64 and arm64


def compiled_modules() -> list[str]:
    """Paths of the modules that mypyc compiles, from pyproject.toml."""
    modules: list[str] = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["pilotlight"]["compiled"]
    return [f"daemons/{name.replace('.', '/')}.py" for name in modules]


def extensions() -> list[Extension]:
    core = Extension(
        "pilotlight.tags._core",
        ["daemons/pilotlight/tags/_core.c"],
        depends=[f"daemons/pilotlight/tags/_{part}.h" for part in ("mapping", "reader", "ring", "writer")],
        extra_compile_args=["-std=c11", *CFLAGS, "-Wall", "-Wextra", "-Werror"],
    )
    paths = compiled_modules()
    if os.environ.get("PILOTLIGHT_PURE") == "1" or not paths:
        return [core]
    from mypyc.build import mypycify

    compiled = mypycify(paths, opt_level="2", separate=True)
    for extension in compiled:
        extension.extra_compile_args = [*extension.extra_compile_args, *CFLAGS]
    return [core, *compiled]


setup(ext_modules=extensions())
