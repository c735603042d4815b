# SPDX-License-Identifier: Apache-2.0
"""Uploads of dialect A: which ZIP files are taken, and how they become a directory of sources.

An upload comes from outside. All of it is checked, contents included, before the first byte is written; an error says
what is wrong with which entry. Files are then created in a directory of their own, where nothing else has a name yet.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pilotlight.runtime import zipreader
from pilotlight.runtime.zipreader import Entry, ZipError

REQUIRED = ("Config0.c", "Res0.c", "POUS.c", "POUS.h", "debug.c", "glueVars.c", "LOCATED_VARIABLES.h")
"""Files of every program of dialect A, beside the folder `lib` with its headers."""

_REFUSED = frozenset(
    ".exe .dll .sh .bat .cmd .com .ps1 .js .vbs .scr .msi .so .a .o .py .pyc .pl .rb .elf .jar .deb .rpm".split()
)
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(1, 10)), *(f"LPT{n}" for n in range(1, 10))]
)
_NEWER = frozenset(["generated.hpp", "generated_debug.cpp"])


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an upload. Sizes are bytes; `ratio` is unpacked to packed size of an entry beyond `ratio_from`."""

    archive: int = 64 << 20
    entries: int = 2000
    file: int = 10 << 20
    total: int = 50 << 20
    ratio: int = 200
    ratio_from: int = 64 << 10
    path: int = 240
    depth: int = 8


LIMITS = Limits()


class ArchiveError(Exception):
    """The upload is refused. The text is one line: the entry, made printable, and the reason."""

    def __init__(self, reason: str, entry: str | bytes | None = None) -> None:
        super().__init__(reason if entry is None else f"{printable(entry)}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What a good upload holds: path and size of each file, as they are extracted."""

    files: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


def printable(name: str | bytes) -> str:
    """A name from outside as it may stand in a log: one line, no control characters, at most 80 characters."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:200])
    return text if len(text) <= 80 else text[:79] + "…"


def one_line(text: str, most: int = 300) -> str:
    """A text from outside as one line of at most `most` characters without control characters."""
    line = " ".join(text.split())
    line = "".join(c for c in line if c.isprintable())
    return line if len(line) <= most else line[: most - 1] + "…"


def inspect(path: Path, limits: Limits = LIMITS) -> ArchiveReport:
    """Check an upload, contents included, and write nothing. Raises ArchiveError; OSError when it cannot be read."""
    with path.open("rb") as file:
        return _report(_checked(file, limits))


def extract(path: Path, into: Path, limits: Limits = LIMITS) -> ArchiveReport:
    """Check an upload and write its files below `into`, which must not exist yet.

    Raises ArchiveError before anything is written, OSError when writing fails.
    """
    with path.open("rb") as file:
        files = _checked(file, limits)
        into.mkdir(mode=0o700)
        for name, entry in files.items():
            target = into / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as output:
                for data in zipreader.contents(file, entry):
                    output.write(data)
        return _report(files)


def _report(files: dict[str, Entry]) -> ArchiveReport:
    return ArchiveReport(tuple((name, entry.size) for name, entry in files.items()))


def _checked(file: BinaryIO, limits: Limits) -> dict[str, Entry]:
    """Path → entry of every file to extract, after all checks."""
    size = os.fstat(file.fileno()).st_size
    if size > limits.archive:
        raise ArchiveError(f"the file has {size} bytes, more than {limits.archive}")
    try:
        found = zipreader.entries(file, size, limits.entries)
        _check_sizes(found, limits)
        files = _strip_root(_select(found, limits))
        _check_required(files)
        for entry in files.values():
            for _ in zipreader.contents(file, entry):
                """Unpacked for its checks alone."""
    except ZipError as error:
        raise ArchiveError(error.reason, error.entry) from None
    return files


def _check_sizes(entries: Iterable[Entry], limits: Limits) -> None:
    total = 0
    for entry in entries:
        total += entry.size
        if entry.size > limits.file:
            raise ArchiveError(f"has {entry.size} bytes, more than {limits.file}", entry.raw_name)
        if total > limits.total:
            raise ArchiveError(f"the files have more than {limits.total} bytes together")
        if entry.size > limits.ratio_from and entry.size > limits.ratio * entry.compressed:
            raise ArchiveError(f"unpacks to more than {limits.ratio} times its packed size: a ZIP bomb", entry.raw_name)


def _select(entries: Iterable[Entry], limits: Limits) -> dict[str, Entry]:
    """Path → entry of the files, without directories and the litter of other systems."""
    files: dict[str, Entry] = {}
    folders: set[str] = set()
    taken: dict[str, str] = {}
    for entry in entries:
        name, is_folder = _path(entry, limits)
        parts = name.split("/")
        if "__MACOSX" in parts or parts[-1] == ".DS_Store":
            continue
        for depth in range(1, len(parts) + is_folder):
            folders.add(_folded("/".join(parts[:depth])))
        if is_folder:
            continue
        folded = _folded(name)
        if folded in taken:
            same = "twice in the ZIP" if taken[folded] == name else "in the ZIP twice but for upper and lower case"
            raise ArchiveError(f"is {same}", entry.raw_name)
        taken[folded] = name
        files[name] = entry
    for folded in folders & taken.keys():
        raise ArchiveError("is a file and a folder", taken[folded])
    return files


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _path(entry: Entry, limits: Limits) -> tuple[str, bool]:
    """The entry's path with `/` between its parts, and whether it is a folder."""
    raw = entry.raw_name
    if not raw:
        raise ArchiveError("an entry has no name")
    if len(raw) > limits.path:
        raise ArchiveError(f"its name is longer than {limits.path} bytes", raw)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveError("its name is not UTF-8", raw) from None
    if not all(c.isprintable() for c in name):
        raise ArchiveError("its name has control characters or characters that cannot be shown", raw)
    name = name.replace("\\", "/")
    if name.startswith("/"):
        raise ArchiveError("its path is absolute", raw)
    if ":" in name:
        raise ArchiveError("its path names a drive or a stream (':')", raw)
    is_folder = name.endswith("/")
    _check_kind(entry, is_folder)
    parts = name.rstrip("/").split("/")
    if ".." in parts:
        raise ArchiveError("its path leads out of the ZIP ('..')", raw)
    if "" in parts or "." in parts:
        raise ArchiveError("its path has an empty part", raw)
    if len(parts) > limits.depth:
        raise ArchiveError(f"lies deeper than {limits.depth} folders", raw)
    for part in parts:
        if part.split(".")[0].rstrip().upper() in _DEVICES:
            raise ArchiveError(f"{printable(part)!r} is the name of a device on some systems", raw)
        if part != part.strip() or part.endswith("."):
            raise ArchiveError("a part of its path begins or ends with a blank or ends with a dot", raw)
    if not is_folder and Path(parts[-1]).suffix.lower() in _REFUSED:
        raise ArchiveError("files of this kind have no place in a program", raw)
    return "/".join(parts), is_folder


def _check_kind(entry: Entry, is_folder: bool) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        raise ArchiveError("is a symbolic link", entry.raw_name)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError("is a device, pipe or socket", entry.raw_name)
    if is_folder and (entry.size or entry.compressed > 2):
        raise ArchiveError("is a folder with contents", entry.raw_name)
    if kind == stat.S_IFDIR and not is_folder:
        raise ArchiveError("is a file by its name and a folder by its kind", entry.raw_name)


def _strip_root(files: dict[str, Entry]) -> dict[str, Entry]:
    """Without the one folder that everything is in, if there is one."""
    roots = {name.split("/", 1)[0] for name in files if "/" in name}
    if len(roots) != 1 or any("/" not in name for name in files):
        return files
    return {name.split("/", 1)[1]: entry for name, entry in files.items()}


def _check_required(files: dict[str, Entry]) -> None:
    if _NEWER & files.keys():
        raise ArchiveError("the program was made for another runtime (STruC++): build it with an Editor 4.0 or 4.1")
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise ArchiveError(f"not a program: {', '.join(missing)} missing")
    if not any(name.startswith("lib/") and name.endswith(".h") for name in files):
        raise ArchiveError("not a program: the folder lib with its headers is missing")
