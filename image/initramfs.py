# SPDX-License-Identifier: Apache-2.0
"""The initramfs: busybox, veritysetup with its libraries, an explicit list of modules, and `init.sh`.

Written by our own archive writer, so that the same inputs give the same bytes.
"""

import stat
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from image.errors import BuildError
from image.kernel import Kernel, module_name, select, unpacked

APPLETS = (
    "cat", "cp", "echo", "grep", "insmod", "ls", "mkdir", "mount", "reboot", "sed", "sh", "sleep",
    "switch_root", "umount",
)  # fmt: skip
DIRECTORIES = ("data", "dev", "proc", "run", "sys", "sysroot", "tmp")
PROGRAMS = ("usr/sbin/veritysetup",)
LIBRARY_DIRECTORIES = ("usr/lib", "usr/lib64")
LINK_LIMIT = 8  # links that may be followed to one library
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """One entry of the archive: its mode with the file type, and its content (of a link: where it points)."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory() -> Entry:
    """A directory."""
    return Entry(stat.S_IFDIR | 0o755)


def file(data: bytes, mode: int = 0o644) -> Entry:
    """A plain file."""
    return Entry(stat.S_IFREG | mode, data)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def archive(entries: Mapping[str, Entry], mtime: int) -> bytes:
    """The entries as a `newc` archive: sorted by name, owned by root, all of time `mtime` (seconds since 1970)."""
    parts = bytearray()
    for inode, (name, entry) in enumerate(sorted(entries.items()), start=1):
        parts += _record(name, entry, inode, mtime)
    parts += _record(TRAILER, Entry(0), 0, 0)
    parts += bytes(-len(parts) % 512)
    return bytes(parts)


def _record(name: str, entry: Entry, inode: int, mtime: int) -> bytes:
    path = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, mtime, len(entry.data), 0, 0, *entry.device, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    head += bytes(-len(head) % 4)
    return head + entry.data + bytes(-len(entry.data) % 4)


def needed(data: bytes) -> list[str]:
    """The shared libraries and the loader an ELF file (64 bits, little-endian) asks for; empty for other files."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    table, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, table + size * n) for n in range(count)]
    loads = [(virtual, offset, length) for kind, _, offset, virtual, _, length in segments if kind == 1]
    names: list[str] = []
    for kind, _, offset, _, _, length in segments:
        if kind == 3:
            names.append(_string(data, offset))
        elif kind == 2:
            tags = list(struct.iter_unpack("<QQ", data[offset : offset + length]))
            strings = next((value for tag, value in tags if tag == 5), 0)
            start = next(offset + strings - virtual for virtual, offset, size in loads if 0 <= strings - virtual < size)
            names += [_string(data, start + value) for tag, value in tags if tag == 1]
    return names


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def programs(tree: Path, paths: Iterable[str]) -> dict[str, Entry]:
    """The programs at `paths` below `tree` and every library they load, at the paths where they are looked for."""
    entries: dict[str, Entry] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in entries:
            continue
        data = _resolve(tree, path).read_bytes()
        entries[path] = file(data, 0o755)
        waiting += [_library(tree, name) for name in needed(data)]
    return entries


def _library(tree: Path, name: str) -> str:
    if name.startswith("/"):
        path = PurePosixPath(name[1:])
        return str(path if path.parts[0] == "usr" else PurePosixPath("usr") / path)
    for base in LIBRARY_DIRECTORIES:
        for found in sorted((tree / base).glob(f"**/{name}")):
            return str(found.relative_to(tree))
    raise BuildError(f"{tree} has no library {name}, which a program of the initramfs loads")


def _resolve(tree: Path, path: str) -> Path:
    """The file behind `path`, following links as if `tree` were the root."""
    current = PurePosixPath(path)
    for _ in range(LINK_LIMIT):
        found = tree / current
        if not found.is_symlink():
            if not found.is_file():
                break
            return found
        target = PurePosixPath(str(found.readlink()))
        joined = (current.parent / target) if not target.is_absolute() else target.relative_to("/")
        parts: list[str] = []
        for part in joined.parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        current = PurePosixPath(*parts)
        if current.parts[0] in ("lib", "lib64"):
            current = PurePosixPath("usr") / current
    raise BuildError(f"{tree} has no {path}, which the initramfs needs")


def _modules(kernel: Kernel, names: Iterable[str]) -> Iterator[tuple[str, Entry]]:
    order = []
    for module in select(kernel, names):
        name = module_name(module)
        order.append(name)
        yield f"modules/{name}.ko", file(unpacked(kernel.modules / module))
    yield "modules/order", file("".join(f"{name}\n" for name in order).encode())


def build(kernel: Kernel, modules: Iterable[str], init: Path, mtime: int) -> bytes:
    """The whole archive, not compressed: `modules` are loaded in their order, `init` is what the kernel starts."""
    entries = {name: directory() for name in DIRECTORIES}
    entries |= {"bin": link("usr/bin"), "sbin": link("usr/sbin"), "lib": link("usr/lib"), "lib64": link("usr/lib64")}
    entries["dev/console"] = Entry(stat.S_IFCHR | 0o600, device=(5, 1))
    entries["init"] = file(init.read_bytes(), 0o755)
    entries |= programs(kernel.tree, ["usr/bin/busybox", *PROGRAMS])
    entries |= {f"usr/bin/{applet}": link("busybox") for applet in APPLETS}
    entries |= dict(_modules(kernel, modules))
    for name in list(entries):
        for parent in PurePosixPath(name).parents:
            if str(parent) != ".":
                entries.setdefault(str(parent), directory())
    return archive(entries, mtime)
