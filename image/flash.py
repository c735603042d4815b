# SPDX-License-Identifier: Apache-2.0
"""Writes a built image to a disk of this machine, by its block map, and reads back what it wrote.

Only a whole disk is written, and only one that nothing of this machine uses. What is on it is shown first.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image.blockmap import BlockMap, Range
from image.errors import BuildError
from image.progress import progress

COLUMNS = "NAME,PATH,TYPE,SIZE,MODEL,SERIAL,RO,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS"
WHOLE = ("disk", "loop")
FLUSH_BUFFERS = 0x1261  # BLKFLSBUF: what is read next comes from the disk itself
READ_TABLE = 0x125F  # BLKRRPART


@dataclass(frozen=True)
class Device:
    """A block device and what is on it, as the kernel sees it now."""

    name: str
    path: str
    type: str  # disk, loop, part, crypt, lvm, raid1 …
    size: int  # bytes
    model: str = ""
    serial: str = ""
    read_only: bool = False
    label: str = ""
    content: str = ""  # kind of file system, or of what else it holds
    mounted: tuple[str, ...] = ()
    children: tuple["Device", ...] = ()

    def everything(self) -> list["Device"]:
        """The device and all that is on it."""
        return [self, *(device for child in self.children for device in child.everything())]


def read_device(entry: dict[str, Any]) -> Device:
    """A device as `lsblk --json` tells it."""
    mounts = tuple(place for place in entry.get("mountpoints") or [] if place)
    children = tuple(read_device(child) for child in entry.get("children") or [])
    return Device(
        entry["name"], entry["path"], entry["type"], int(entry["size"]), (entry.get("model") or "").strip(),
        (entry.get("serial") or "").strip(), bool(entry["ro"]), entry.get("partlabel") or entry.get("label") or "",
        entry.get("fstype") or "", mounts, children,
    )  # fmt: skip


def look(path: str) -> Device:
    """The device at `path`. Raises BuildError when there is none."""
    if not Path(path).exists():
        raise BuildError(f"there is no {path}: 'lsblk' lists the disks of this machine")
    if not Path(path).is_block_device():
        raise BuildError(f"{path} is no disk: name a whole disk such as /dev/sdb or /dev/mmcblk0. Nothing was written")
    words = ["lsblk", "--json", "--bytes", "--output", COLUMNS, path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{path} cannot be looked at: {done.stderr.strip()}")
    return read_device(json.loads(done.stdout)["blockdevices"][0])


def refusal(device: Device, needed: int) -> str:
    """Why a device is not written; "" when it may be. `needed` is the size of the image in bytes."""
    if device.type not in WHOLE:
        return f"{device.path} is no whole disk but a {device.type}: name the disk it is on"
    if device.read_only:
        return f"{device.path} is read-only: look for a lock switch on the card"
    for part in device.everything():
        if part.mounted:
            where = ", ".join(part.mounted)
            return f"{part.path} is in use ({where}): unmount it first, if it is not a disk of this machine itself"
        if part is not device and part.type != "part":
            return f"{part.path} on {device.path} is in use as {part.type}: this may be a disk of this machine itself"
    if device.size < needed:
        return f"{device.path} has {size_text(device.size)}, and the image needs {size_text(needed)}"
    return ""


def size_text(size: int) -> str:
    """A size as disks are sold: `31.9 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def describe(device: Device) -> str:
    """What would be erased, for the person who decides."""
    about = " ".join(word for word in (device.model, device.serial) if word) or "no name"
    lines = [f"{device.path}: {about}, {size_text(device.size)}"]
    for part in device.children:
        what = " ".join(word for word in (part.content or "unknown content", part.label) if word)
        lines.append(f"    {part.path}: {size_text(part.size)}, {what}")
    if not device.children:
        lines.append(f"    {device.content or 'no partitions'}")
    return "\n".join(lines)


def agreed(device: Device, read: Callable[[str], str]) -> bool:
    """Whether the person types the device's name."""
    return read(f"All of it will be erased. Type {device.name} to go on: ").strip() == device.name


def confirm(device: Device, *, yes: bool) -> None:
    """Return when the person agrees to lose what is on the device. Raises BuildError otherwise."""
    print(describe(device), flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise BuildError("nobody is there to agree: nothing was written. Scripts say --yes")
    if not agreed(device, input):
        raise BuildError("nothing was written")


def write(image: Path, blocks: BlockMap, target: Path) -> None:
    """Write the mapped parts of `image` to `target` and compare what is there then. Raises BuildError.

    The part with the partition table is erased first and written last: nothing starts from a disk that was written in
    part.
    """
    order = [*blocks.ranges[1:], *blocks.ranges[:1]]
    # Exclusive: the kernel refuses while anything of the disk is mounted.
    exclusive = os.O_EXCL if target.is_block_device() else 0
    try:
        disk = os.open(target, os.O_RDWR | exclusive)
    except OSError as error:
        raise BuildError(f"{target} cannot be written: {error.strerror}. Nothing was written") from error
    try:
        with image.open("rb") as source, progress.step(f"write {target}"):
            _erase(disk, blocks.ranges[0])
            _each(order, "write", target, lambda start, size: _copy(source.fileno(), disk, start, size))
            os.fsync(disk)
        forget(disk, target)
        with progress.step(f"verify {target}"):
            _each(order, "verify", target, lambda start, size: read_at(disk, start, size))
        if target.is_block_device():
            _read_table(disk)
    except OSError as error:
        raise BuildError(f"{target} failed: {error.strerror}. It is written in part and does not start") from error
    finally:
        os.close(disk)


def _each(ranges: Sequence[Range], verb: str, target: Path, work: Callable[[int, int], bytes]) -> None:
    """Do `work` on each range and compare the bytes it returns with the range's digest."""
    total, done = sum(part.size for part in ranges), 0
    for part in ranges:
        if hashlib.sha256(work(part.start, part.size)).hexdigest() != part.sha256:
            what = "the image is not what its block map says: build it anew" if verb == "write" else (
                "what was read back differs from what was written: the disk is worn out or counterfeit"
            )  # fmt: skip
            raise BuildError(f"{what} (at byte {part.start}). {target} does not start")
        done += part.size
        progress.note(f"{verb} {target}", f"{100 * done // total} % of {size_text(total)}")


def _erase(disk: int, part: Range) -> None:
    os.pwrite(disk, bytes(part.size), part.start)
    os.fsync(disk)


def _copy(source: int, disk: int, start: int, size: int) -> bytes:
    data = read_at(source, start, size)
    written = 0
    while written < size:
        written += os.pwrite(disk, data[written:], start + written)
    return data


def read_at(descriptor: int, start: int, size: int) -> bytes:
    """`size` bytes at `start`, fewer at the end of the file."""
    data = b""
    while len(data) < size and (more := os.pread(descriptor, size - len(data), start + len(data))):
        data += more
    return data


def forget(disk: int, target: Path) -> None:
    """Drop what this machine remembers of the disk's contents, so that it is read from the disk itself."""
    if target.is_block_device():
        fcntl.ioctl(disk, FLUSH_BUFFERS)
    else:
        os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)


def _read_table(disk: int) -> None:
    """Let the kernel see the new partitions; a disk that cannot have any (or is busy) shows them when plugged anew."""
    try:
        fcntl.ioctl(disk, READ_TABLE)
    except OSError as error:
        progress.say(f"this machine shows the new partitions when the disk is plugged in again ({error.strerror})")


def flash(image: Path, blocks: BlockMap, path: str, *, yes: bool) -> None:
    """Erase the disk at `path` and write the image, if it may be and the person agrees. Raises BuildError."""
    device = look(path)
    reason = refusal(device, blocks.size)
    if reason:
        raise BuildError(f"{reason}. Nothing was written")
    confirm(device, yes=yes)
    write(image, blocks, Path(path))
