# SPDX-License-Identifier: Apache-2.0
"""Program packages, `.plz`: what a laptop builds and the appliance takes.

A package is a plain ZIP with `manifest.json`, `program.json` (the IR) and the sources under `sources/`. The manifest
has the time of a scan, the points of the process image and the checksum of every other file. The IR is what runs;
sources are kept so that people find what they wrote.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from pilotlight.plc import ir
from pilotlight.plc.zipfiles import LIMITS, Limits, ZipError, packed, unpacked
from pilotlight.tags import Type

FORMAT = 1
"""Changes whenever an older reader could not read a package."""
MANIFEST, PROGRAM, SOURCES = "manifest.json", "program.json", "sources/"
LONGEST_MANIFEST = 1 << 20
LONGEST_SOURCE = 4 << 20
PERIOD_NS = 10_000_000
"""Time of a scan unless the program says otherwise."""
SHORTEST_NS, LONGEST_NS = 100_000, 3_600_000_000_000
_POINT = re.compile(r"%[IQ]X(\d{1,4})\.[0-7]")
_POINT_BYTES = 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_SOURCE = re.compile(rf"(?:{_PART}/){{0,7}}{_PART}\.py")


class PackageError(ValueError):
    """A package cannot be made, or a file is no package; nothing of it was taken."""


@dataclass(frozen=True)
class Package:
    """A program with its name, its sources by path, the nanoseconds of a scan, and points of tags.

    `lines` has the place in the process image, `%IX0.0` or `%QX0.0`, of BOOL tags by name.
    """

    name: str
    program: ir.Program
    sources: Mapping[str, bytes] = field(default_factory=dict)
    period_ns: int = PERIOD_NS
    lines: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """SHA-256 of the program, in hexadecimal: the same program has the same, whatever it is called."""
        return _digest(ir.to_json(self.program))


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    name: str
    ir_version: int
    period_ns: int
    lines: dict[str, str]
    checksums: dict[str, str]


class _Version(msgspec.Struct, frozen=True):
    format: int


def write_package(package: Package) -> bytes:
    """The bytes of a package; the same package gives the same bytes. Raises PackageError."""
    _check(package)
    files = {PROGRAM: ir.to_json(package.program)}
    files |= {SOURCES + path: package.sources[path] for path in sorted(package.sources)}
    checksums = {path: _digest(data) for path, data in files.items()}
    manifest = _Manifest(
        FORMAT, package.name, package.program.version, package.period_ns, dict(sorted(package.lines.items())), checksums
    )
    document = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    return packed({MANIFEST: document, **files})


def read_package(data: bytes, limits: Limits = LIMITS) -> Package:
    """The package in the bytes of a file from outside; raises PackageError with what is wrong."""
    try:
        files = unpacked(data, limits)
    except ZipError as error:
        raise PackageError(f"not a program package: {error}") from error
    manifest = _manifest(files)
    if manifest.checksums.keys() != files.keys() - {MANIFEST} or PROGRAM not in files:
        raise PackageError("the files of the package are not those its manifest lists: build it again")
    for path, checksum in manifest.checksums.items():
        if _digest(files[path]) != checksum:
            raise PackageError(f"{path} is not what the manifest says: the package was changed; build it again")
    if manifest.ir_version != ir.VERSION:
        raise PackageError(
            f"the package has IR version {manifest.ir_version}; this is version {ir.VERSION}: "
            "build it with the tools of this version"
        )
    try:
        program = ir.from_json(files[PROGRAM])
    except ir.IRError as error:
        raise PackageError(f"{PROGRAM}: {error}") from error
    outside = [path for path in files if path not in (MANIFEST, PROGRAM) and not path.startswith(SOURCES)]
    if outside:
        raise PackageError(f"{outside[0]!r} has no place in a package")
    sources = {path.removeprefix(SOURCES): data for path, data in files.items() if path.startswith(SOURCES)}
    package = Package(manifest.name, program, sources, manifest.period_ns, manifest.lines)
    _check(package)
    return package


def _manifest(files: Mapping[str, bytes]) -> _Manifest:
    document = files.get(MANIFEST)
    if document is None or len(document) > LONGEST_MANIFEST:
        raise PackageError(f"not a program package: it has no {MANIFEST}, or one beyond {LONGEST_MANIFEST} bytes")
    try:
        version = msgspec.json.decode(document, type=_Version).format
        if version != FORMAT:
            raise PackageError(f"the package has format {version}; this is format {FORMAT}: build it again")
        return msgspec.json.decode(document, type=_Manifest)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise PackageError(f"{MANIFEST}: {error}") from error


def _check(package: Package) -> None:
    if not _NAME.fullmatch(package.name):
        raise PackageError(
            f"{package.name!r} cannot be a program's name: use 1 to 64 letters, digits, spaces and . _ -, "
            "a letter or digit first"
        )
    folded: set[str] = set()
    for path, data in package.sources.items():
        if not _SOURCE.fullmatch(path) or ".." in path or path.lower() in folded:
            raise PackageError(f"{path!r} cannot be the path of a source: use letters, digits and . _ - and end in .py")
        if len(data) > LONGEST_SOURCE:
            raise PackageError(f"{path} has {len(data)} bytes; a source has at most {LONGEST_SOURCE}")
        folded.add(path.lower())
    if not SHORTEST_NS <= package.period_ns <= LONGEST_NS:
        raise PackageError(f"a scan cannot take {package.period_ns} ns: give 0.1 ms to 1 hour")
    _check_lines(package)
    functions = python_functions(package.program)
    if functions:
        raise PackageError(
            f"the program calls Python functions ({', '.join(functions)}), and the appliance runs native code: "
            "write them as rungs, or leave out the run_function calls"
        )


def _check_lines(package: Package) -> None:
    flags = {cell.name for cell in package.program.cells if cell.type is Type.BOOL and not cell.internal}
    taken: dict[str, str] = {}
    for name, point in package.lines.items():
        if name not in flags:
            raise PackageError(f"{name} is no BOOL tag of the program, so {point} cannot be it")
        match = _POINT.fullmatch(point)
        if match is None or int(match[1]) >= _POINT_BYTES:
            raise PackageError(f"{name}: {point!r} is no point: give %IX0.0 to %IX{_POINT_BYTES - 1}.7, or %QX…")
        if point in taken:
            raise PackageError(f"{point} is both {taken[point]} and {name}")
        taken[point] = name


def python_functions(program: ir.Program) -> list[str]:
    """Names of the Python functions that the program calls, sorted."""
    found: set[str] = set()
    for rungs in ir.sections(program).values():
        for rung in rungs:
            for step in rung.steps:
                for each in step.body if isinstance(step, ir.Loop) else (step,):
                    if isinstance(each, ir.Python):
                        found.add(each.function)
    return sorted(found)


def with_files(program: ir.Program, paths: Mapping[str, str]) -> ir.Program:
    """The program with its rungs' source files renamed; files that `paths` lacks are forgotten.

    A package names files by their path in it, so that it does not depend on where it was built.
    """

    def renamed(rungs: Iterable[ir.Rung]) -> tuple[ir.Rung, ...]:
        return tuple(msgspec.structs.replace(rung, file=paths.get(rung.file, "")) for rung in rungs)

    subroutines = tuple(msgspec.structs.replace(each, rungs=renamed(each.rungs)) for each in program.subroutines)
    tasks = tuple(msgspec.structs.replace(each, rungs=renamed(each.rungs)) for each in program.tasks)
    return msgspec.structs.replace(program, rungs=renamed(program.rungs), subroutines=subroutines, tasks=tasks)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
