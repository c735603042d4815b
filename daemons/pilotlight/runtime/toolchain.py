# SPDX-License-Identifier: Apache-2.0
"""Which commands make a shared object of an extracted dialect A program. Pure but for reading the sources' text."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pilotlight.runtime import matiec

NATIVE = Path(__file__).parent / "native"
TABLE = "matiec_table.c"
SOURCES = ("Config0.c", "Res0.c", "debug.c", "glueVars.c")
"""C sources of a program; POUS.c is included by Res0.c."""
BLOCKS, BLOCKS_HEADER = "c_blocks_code.cpp", "c_blocks.h"
HOST_SOURCES = ("matiec_shim.c", "matiec_image.c", "matiec_values.c", "matiec_host.c")
TEXT_MAX = 16 << 20

# Generated code leans on wrapping integers and on casts between types of one size.
_COMMON = (
    *("-w", "-O2", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv", "-fvisibility=hidden"),
    *("-fmax-errors=20", "-fdiagnostics-color=never", "-pipe"),
)
# Generated code calls functions without a prototype, which newer compilers refuse without these.
_C = (
    "-std=gnu17",
    *(
        f"-Wno-error={kind}"
        for kind in ("implicit-function-declaration", "implicit-int", "int-conversion", "incompatible-pointer-types")
    ),
)
_CPP = ("-std=gnu++17", "-fno-gnu-unique")
_LINK = ("-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs,-z,now,-z,relro,-z,noexecstack", "-Wl,--gc-sections")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, run in the build directory. Steps of a stage are independent of each other."""

    title: str
    command: tuple[str, ...]
    readable: tuple[str, ...] = ()
    """What it reads beside the system and the shim's sources."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts of a program that decide how it is built."""

    program: matiec.Program
    has_blocks: bool
    """It has function blocks written in C++."""
    has_python: bool
    """It has function blocks written in Python, which do not run here."""


def read_sources(source: Path) -> Sources:
    """Understand the extracted program in `source`. Raises MatiecError, OSError."""
    texts = [_text(source / name) for name in ("debug.c", "Config0.c", "VARIABLES.csv", "LOCATED_VARIABLES.h")]
    program = matiec.parse(*texts)
    has_blocks = (source / BLOCKS).is_file() and declares(_text(source / BLOCKS_HEADER))
    return Sources(program, has_blocks, "python_block_loader" in _text(source / "POUS.c"))


def declares(header: str) -> bool:
    """Whether a header declares anything: c_blocks.h does when the program calls C++ blocks."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*|^[ \t]*#[^\n]*", " ", header, flags=re.DOTALL | re.MULTILINE)
    return bool(code.strip())


def compile_steps(source: str, has_blocks: bool) -> list[Step]:
    """The steps that make objects of the program in the folder `source` of the build directory."""
    library = ("-I", f"{source}/lib", "-I", str(NATIVE), "-DOPENPLC_V4", "-include", "matiec_host.h")
    steps = [
        Step(f"Compiling {name}...", ("gcc", *_COMMON, *_C, *library, "-c", f"{source}/{name}", "-o", f"{name}.o"))
        for name in SOURCES
    ]
    if has_blocks:
        command = ("g++", *_COMMON, *_CPP, "-I", f"{source}/lib", "-c", f"{source}/{BLOCKS}", "-o", f"{BLOCKS}.o")
        steps.append(Step(f"Compiling {BLOCKS}...", command))
    host = (*(str(NATIVE / name) for name in HOST_SOURCES), TABLE)
    steps.append(Step("Compiling the runtime's interface...", ("gcc", *_COMMON, *_C, "-I", str(NATIVE), "-c", *host)))
    return steps


def link_step(has_blocks: bool, output: str) -> Step:
    """The step that makes the shared object `output` of the objects."""
    objects = [f"{name}.o" for name in SOURCES] + [f"{BLOCKS}.o"] * has_blocks
    objects += [Path(name).stem + ".o" for name in (*HOST_SOURCES, TABLE)]
    driver = "g++" if has_blocks else "gcc"
    return Step("Linking...", (driver, *_LINK, "-o", output, *objects, "-lm"))


def key(compiler: str, more: bytes = b"") -> str:
    """A digest of everything but the upload that a build depends on; `compiler` is the compilers' version, `more`
    what else there is."""
    digest = hashlib.sha256(repr((compiler, os.uname().machine, _COMMON, _C, _CPP, _LINK)).encode())
    for path in sorted(NATIVE.iterdir()):
        digest.update(path.read_bytes())
    digest.update(more)
    return digest.hexdigest()


def program_id(upload_digest: str, toolchain: str) -> str:
    """The id of the program that this toolchain makes of this upload: 16 hexadecimal digits."""
    return hashlib.sha256(f"{upload_digest} {toolchain}".encode()).hexdigest()[:16]


def classify(line: str) -> str:
    """A line of a compiler's output as a line of the compilation log, with its level."""
    level = "WARNING" if "warning:" in line else "INFO" if "note:" in line else "ERROR"
    return f"[{level}] {line}"


def _text(path: Path) -> str:
    """A source as text; one that does not exist is empty."""
    try:
        with path.open("rb") as file:
            return file.read(TEXT_MAX).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
