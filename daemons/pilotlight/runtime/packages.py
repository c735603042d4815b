# SPDX-License-Identifier: Apache-2.0
"""Uploads that are program packages (`.plz`): how they are told from Editor ZIPs, and which commands build them.

A package is read and turned into C in a confined process, like the compilers; the runtime itself only looks at its
first bytes and at the names of the files that came out. The PLC language is loaded when there is an upload: it is
large, and a start without one does not wait for it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pilotlight.runtime.children import PACKAGES
from pilotlight.runtime.toolchain import NATIVE, Step

DIALECT = "plz"
SUPPORT = PACKAGES / "pilotlight/plc/native"
_MODULES = (str(PACKAGES), str(Path(msgspec.__file__).parents[1]))
"""Where the translation's modules are; it starts without those of the site."""
READABLE = (*_MODULES, sys.prefix, sys.base_prefix)
"""What the translation reads beside the system."""
_HEAD = b"PK\x03\x04"
_NAME_AT, _LENGTH_AT = 30, 26
_SOURCE = re.compile(r"program(?:_[a-z0-9]+)?\.c")


def is_package(upload: Path) -> bool:
    """Whether an upload means to be a package: its first entry is the manifest. Raises OSError."""
    from pilotlight.plc.package import MANIFEST

    with upload.open("rb") as file:
        head = file.read(_NAME_AT + len(MANIFEST))
    length = int.from_bytes(head[_LENGTH_AT : _LENGTH_AT + 2], "little")
    return head.startswith(_HEAD) and head[_NAME_AT:] == MANIFEST.encode() and length == len(MANIFEST)


def translate_step(upload: str, folder: str) -> Step:
    """The command that makes C in `folder` of the package `upload`, or prints why not."""
    python = (sys.executable, "-S", "-s", "-P", "-m", "pilotlight.plc.native.translate")
    paths = "PYTHONPATH=" + os.pathsep.join(dict.fromkeys(_MODULES))
    return Step("Translating the program...", ("env", paths, *python, upload, folder), READABLE)


def sources_of(names: Iterable[str]) -> list[str]:
    """The C sources among the files that the translation left, sorted."""
    return sorted(name for name in names if _SOURCE.fullmatch(name))


def compile_steps(folder: str, sources: list[str]) -> list[Step]:
    """The commands that make objects of the sources and of the interface to the scan."""
    from pilotlight.plc.native import build, interface

    include = ("-I", str(SUPPORT), "-I", str(NATIVE), "-I", folder)
    paths = {name: f"{folder}/{name}" for name in sources}
    paths |= {name: str(SUPPORT / name) for name in interface.SUPPORT_SOURCES}
    return [
        Step(f"Compiling {name}...", ("gcc", *build.FLAGS, *include, "-c", path, "-o", f"{name}.o"), (str(SUPPORT),))
        for name, path in paths.items()
    ]


def link_step(sources: list[str], output: str) -> Step:
    """The command that makes the shared object `output` of the objects."""
    from pilotlight.plc.native import build, interface

    objects = [f"{name}.o" for name in (*sources, *interface.SUPPORT_SOURCES)]
    return Step("Linking...", ("gcc", *build.LINK, "-o", output, *objects, "-lm"))


def fingerprint() -> bytes:
    """Everything of this package that decides what a program package becomes."""
    from pilotlight.plc.native import build

    plc = SUPPORT.parent
    found = [path for folder in (SUPPORT, plc / "ir") for path in folder.iterdir()]
    sources = [path for path in found if path.suffix in (".py", ".c", ".h")]
    texts = [path.read_bytes() for path in sorted([*sources, plc / "package.py", plc / "zipfiles.py"])]
    return repr((build.FLAGS, build.LINK)).encode() + b"".join(texts)
