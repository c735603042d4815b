# SPDX-License-Identifier: Apache-2.0
"""Uploads that must be refused, each with a part of the reason that the compilation log has to give."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.programs.generate import files_of
from tests.programs.packing import zip_files, zip_of
from tests.programs.rawzip import Raw, deflate, pack
from tests.programs.samples import SAMPLES


@dataclass(frozen=True)
class BadZip:
    """`make` builds the upload; `reason` is in the error."""

    reason: str
    make: Callable[[], bytes]


def _good() -> dict[str, bytes]:
    return {path: text.encode() for path, text in files_of(SAMPLES["follow"]).items()}


def _entries() -> list[Raw]:
    return [Raw(path.encode(), data) for path, data in _good().items()]


def _with(*more: Raw) -> Callable[[], bytes]:
    """A good program and more entries."""
    return lambda: pack([*_entries(), *more])


def _named(name: bytes) -> Callable[[], bytes]:
    return _with(Raw(name, b"x"))


def _without(*paths: str) -> Callable[[], bytes]:
    return lambda: zip_files({path: data for path, data in _good().items() if path not in paths})


def _first(**changes: object) -> Callable[[], bytes]:
    """A good program whose first entry says something else."""

    def make() -> bytes:
        entries = _entries()
        for name, value in changes.items():
            setattr(entries[0], name, value)
        return pack(entries)

    return make


def _renamed(rename: Callable[[str], str]) -> Callable[[], bytes]:
    return lambda: zip_files({rename(path): data for path, data in _good().items()})


def _cut(keep: float) -> Callable[[], bytes]:
    def make() -> bytes:
        data = zip_of("follow")
        return data[: int(len(data) * keep)]

    return make


def _damaged() -> bytes:
    entries = _entries()
    body = bytearray(deflate(entries[0].data))
    body[len(body) // 2] ^= 0xFF
    entries[0].method, entries[0].packed = 8, bytes(body)
    return pack(entries)


def _overlapping() -> bytes:
    """An entry that lies inside the data of another one, as the entries of an overlapping bomb do."""
    inner = Raw(b"inner.txt", b"x" * 100)
    header = pack([inner])[: 30 + len(inner.name) + len(inner.data)]
    entries = [*_entries(), Raw(b"outer.txt", header), inner]
    inner.begin = pack(entries).index(b"outer.txt") + len(b"outer.txt")
    return pack(entries)


def _many(count: int) -> bytes:
    return pack([*_entries(), *(Raw(b"f%d.txt" % n) for n in range(count))])


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in _good().items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _compressed(method: int) -> Callable[[], bytes]:
    return lambda: zip_files(_good(), method)


def _nested_bomb() -> bytes:
    inner = zip_files({"zeros.txt": bytes(8 << 20)}, zipfile.ZIP_DEFLATED)
    outer = zip_files({f"{n}.txt": inner for n in range(200)}, zipfile.ZIP_DEFLATED)
    return zip_files(_good() | {"inner.zip.txt": outer, "zeros.txt": bytes(8 << 20)}, zipfile.ZIP_DEFLATED)


def _zip64() -> bytes:
    return pack(_entries(), count=0xFFFF)


def _two_roots() -> bytes:
    return zip_files({f"{'a' if n % 2 else 'b'}/{path}": data for n, (path, data) in enumerate(_good().items())})


def _big(sizes: Iterable[int]) -> Callable[[], bytes]:
    """A good program and files of these sizes that pack well, but no better than a text might."""
    block = os.urandom(16 << 10)
    return lambda: pack(
        [*_entries(), *(Raw(b"big%d.txt" % n, (block * (s // len(block) + 1))[:s], 8) for n, s in enumerate(sizes))]
    )


LINK, PIPE, DEVICE, SOCKET = 0o120777, 0o010644, 0o020644, 0o140644

BAD: dict[str, BadZip] = {
    # Not a ZIP, or not a whole one.
    "empty-file": BadZip("the file is empty", lambda: b""),
    "one-byte": BadZip("not a ZIP", lambda: b"P"),
    "text": BadZip("not a ZIP", lambda: b"PROGRAM main END_PROGRAM\n" * 100),
    "elf": BadZip("not a ZIP", lambda: b"\x7fELF" + os.urandom(5000)),
    "tar": BadZip("not a ZIP", _tar),
    "gzip": BadZip("not a ZIP", lambda: b"\x1f\x8b\x08" + bytes(500)),
    "empty-zip": BadZip("the ZIP is empty", lambda: pack([])),
    "cut-half": BadZip("cut off", _cut(0.5)),
    "cut-directory": BadZip("cut off", _cut(0.95)),
    "cut-last-byte": BadZip("cut off", lambda: zip_of("follow")[:-1]),
    "cut-front": BadZip("directory of the ZIP is not where", lambda: zip_of("follow")[100:]),
    "appended": BadZip("appended", lambda: zip_of("follow") + b"more"),
    "prefixed": BadZip("not a plain ZIP", lambda: pack(_entries(), prefix=b"#!/bin/sh\n")),
    "zip64": BadZip("ZIP64", _zip64),
    "several-disks": BadZip("one part of several", lambda: pack(_entries(), disk=1)),
    "entry-on-other-disk": BadZip("one part of several", _first(disk=3)),
    "count-too-high": BadZip("directory of the ZIP is cut off", lambda: pack(_entries(), count=len(_good()) + 5)),
    "count-too-low": BadZip("more than its declared entries", lambda: pack(_entries(), count=5)),
    "directory-elsewhere": BadZip("directory of the ZIP is not where", lambda: pack(_entries(), directory_offset=4)),
    "directory-damaged": BadZip("directory of the ZIP is damaged", lambda: pack(_entries(), central_signature=b"PK??")),
    "directory-extra": BadZip("more than its declared entries", lambda: pack(_entries(), directory_extra=b"extra")),
    # Entries that are not what they say.
    "encrypted": BadZip("encrypted", _first(flags=0x801)),
    "strongly-encrypted": BadZip("encrypted", _first(flags=0x840)),
    "patched": BadZip("patch", _first(flags=0x820)),
    "bzip2": BadZip("compressed by method 12", _compressed(zipfile.ZIP_BZIP2)),
    "lzma": BadZip("compressed by method 14", _compressed(zipfile.ZIP_LZMA)),
    "bad-checksum": BadZip("checksum", _first(crc=12345)),
    "damaged-data": BadZip("damaged", _damaged),
    "not-deflated": BadZip("compressed data is damaged", _first(method=8, packed=b"\xff" * 20)),
    "deflate-cut-off": BadZip("cut off", _first(method=8, packed=deflate(b"x" * 1000)[:4], data=b"x" * 1000)),
    "data-behind-data": BadZip("data behind", _first(method=8, packed=deflate(b"x") + b"hidden", data=b"x")),
    "longer-than-declared": BadZip("more than its declared", _first(method=8, size=3, local_size=3)),
    "shorter-than-declared": BadZip("instead of", _first(method=8, size=9999, local_size=9999)),
    "stored-two-sizes": BadZip("two different sizes", _first(size=3)),
    "headers-disagree-on-name": BadZip("disagree", _first(local_name=b"other.xml")),
    "headers-disagree-on-method": BadZip("disagree", _first(local_method=8)),
    "headers-disagree-on-size": BadZip("disagree", _first(local_size=1)),
    "headers-disagree-on-encryption": BadZip("disagree", _first(local_flags=0x801)),
    "no-header": BadZip("has no header", _first(local_signature=b"PK??")),
    "outside-the-file": BadZip("lies outside", _first(begin=0x7FFFFFFF)),
    "overlapping-bomb": BadZip("overlap", _overlapping),
    "same-entry-twice-in-file": BadZip("overlap", lambda: _shared_data()),
    # Too much.
    "many-entries": BadZip("entries, more than", lambda: _many(3000)),
    "file-too-large": BadZip("more than 10485760", _big([(10 << 20) + 1])),
    "total-too-large": BadZip("together", _big([9 << 20] * 6)),
    "declared-4-gigabytes": BadZip("more than 10485760", _first(method=8, size=0xFFFFFFFE, local_size=0xFFFFFFFE)),
    "bomb": BadZip("ZIP bomb", _with(Raw(b"zeros.txt", bytes(9 << 20), 8))),
    "nested-bomb": BadZip("ZIP bomb", _nested_bomb),
    "deep-folders": BadZip("deeper than", _named(b"/".join([b"d"] * 12) + b"/x.txt")),
    "long-name": BadZip("name is longer", _named(b"n" * 300 + b".txt")),
    # Names that lead elsewhere or mean something elsewhere.
    "parent": BadZip("leads out", _named(b"../evil.c")),
    "parent-inside": BadZip("leads out", _named(b"lib/../../evil.c")),
    "parent-backslash": BadZip("leads out", _named(b"lib\\..\\..\\evil.c")),
    "absolute": BadZip("absolute", _named(b"/etc/passwd")),
    "absolute-backslash": BadZip("absolute", _named(b"\\windows\\evil.c")),
    "network-path": BadZip("absolute", _named(b"\\\\server\\share\\evil.c")),
    "drive": BadZip("drive", _named(b"C:\\evil.c")),
    "stream": BadZip("drive or a stream", _named(b"notes.txt:hidden")),
    "device-name": BadZip("device", _named(b"lib/NUL.txt")),
    "device-name-lower": BadZip("device", _named(b"com1")),
    "trailing-dot": BadZip("ends with a dot", _named(b"notes.txt.")),
    "leading-blank": BadZip("begins or ends with a blank", _named(b" notes.txt")),
    "empty-part": BadZip("empty part", _named(b"lib//x.h")),
    "dot-part": BadZip("empty part", _named(b"lib/./x.h")),
    "no-name": BadZip("no name", _named(b"")),
    "nul-in-name": BadZip("control characters", _named(b"notes.txt\x00.c")),
    "newline-in-name": BadZip("control characters", _named(b"a\n[INFO] fine.txt")),
    "escape-in-name": BadZip("control characters", _named(b"\x1b[2Jx.txt")),
    "bidi-in-name": BadZip("control characters", _named("x\u202etxt.c".encode())),
    "not-utf8": BadZip("not UTF-8", _named(b"caf\xe9.txt")),
    "twice": BadZip("twice", _with(Raw(b"POUS.c", b"int evil;"))),
    "twice-but-for-case": BadZip("upper and lower case", _with(Raw(b"pous.C", b"int evil;"))),
    "twice-by-backslash": BadZip("twice", _with(Raw(b"lib\\accessor.h", b"int evil;"))),
    "twice-by-unicode": BadZip("twice", _with(Raw("é.txt".encode()), Raw("e\u0301.txt".encode()))),
    "file-and-folder": BadZip("a file and a folder", _with(Raw(b"POUS.c/x.h", b"x"))),
    # Things that are not files.
    "symbolic-link": BadZip("symbolic link", _with(Raw(b"link.txt", b"/etc/passwd", mode=LINK))),
    "link-folder": BadZip("symbolic link", _with(Raw(b"conf", b"/etc", mode=LINK), Raw(b"conf/x.json", b"{}"))),
    "pipe": BadZip("device, pipe or socket", _with(Raw(b"pipe.txt", mode=PIPE))),
    "device": BadZip("device, pipe or socket", _with(Raw(b"null.txt", mode=DEVICE))),
    "socket": BadZip("device, pipe or socket", _with(Raw(b"socket.txt", mode=SOCKET))),
    "folder-with-contents": BadZip("folder with contents", _with(Raw(b"conf/", b"hidden data", mode=0o40755))),
    "folder-as-file": BadZip("folder by its kind", _with(Raw(b"conf", b"", mode=0o40755))),
    "executable": BadZip("no place in a program", _named(b"setup.EXE")),
    "script": BadZip("no place in a program", _named(b"lib/run.sh")),
    "object": BadZip("no place in a program", _named(b"lib/evil.so")),
    # ZIPs of something else.
    "no-config": BadZip("Config0.c missing", _without("Config0.c")),
    "no-resource": BadZip("Res0.c missing", _without("Res0.c")),
    "no-program": BadZip("POUS.c, POUS.h missing", _without("POUS.c", "POUS.h")),
    "no-debug": BadZip("debug.c missing", _without("debug.c")),
    "no-glue": BadZip("glueVars.c missing", _without("glueVars.c")),
    "no-library": BadZip("lib", _without(*(path for path in _good() if path.startswith("lib/")))),
    "wrong-case": BadZip("Config0.c", _renamed(str.lower)),
    "two-folders-deep": BadZip("missing", _renamed(lambda path: f"a/b/{path}")),
    "two-roots": BadZip("missing", _two_roots),
    "only-litter": BadZip("missing", lambda: zip_files({"__MACOSX/x": b"", ".DS_Store": b""})),
    "newer-dialect": BadZip(
        "another runtime", lambda: zip_files({"generated.hpp": b"", "generated_debug.cpp": b"", "program.st": b""})
    ),
}


def _shared_data() -> bytes:
    """Two entries of the directory that share one place in the file."""
    entries = [*_entries(), Raw(b"plc.xml", _entries()[0].data)]
    data = pack(entries)
    entries[-1].begin = data.index(b"plc.xml") - 30
    return pack(entries)
