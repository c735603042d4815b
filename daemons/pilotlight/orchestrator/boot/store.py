# SPDX-License-Identifier: Apache-2.0
"""Reads the boot configuration and carries out changes to it, each durable before the next begins.

The partition has a whole ``autoboot.txt`` at every instant: that one sector is overwritten in place, and the file's
place, size and name never change.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import texts
from .core import (
    PARTITIONS,
    Bad,
    Change,
    Changes,
    Commit,
    Configuration,
    Facts,
    Forget,
    Good,
    Keep,
    Record,
    Refused,
)

AUTOBOOT, PENDING = "autoboot.txt", "pending.json"
OUTCOMES_LIMIT = 32  # trials that are remembered


class Places:
    """Where things are; `root` is the root directory, for tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.configuration = root / "boot/config"
        self.bootloader = root / "proc/device-tree/chosen/bootloader"
        self.command_line = root / "proc/cmdline"
        self.outcomes = root / "data/pilotlight/boot/outcomes.json"
        self.statuses = root / "data/rauc/central.raucs"
        self.programs = root / "data/pilotlight/runtime/state.json"
        self.status = root / "run/pilotlight/boot/status.json"
        self.reboot_parameter = root / "run/systemd/reboot-param"
        self.firmware_port = root / "dev/virtio-ports/io.pilotlight.tryboot"
        self.partitions = root / "dev/disk/by-partlabel"


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Keep other verbs out until the block ends. Raises Refused when there is no boot configuration."""
    try:
        directory = os.open(places.configuration, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"there is no boot configuration: {error}") from None
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def facts(places: Places) -> Facts:
    """What the firmware and the command line tell. Where there is no device tree, the latter tells both."""
    words = dict(word.partition("=")[::2] for word in _text(places.command_line).split())
    partition = _cell(places.bootloader / "partition")
    tryboot = _cell(places.bootloader / "tryboot")
    if partition is None and (told := words.get("pilotlight.partition", "")).isdigit():
        partition, tryboot = int(told), int(words.get("pilotlight.tryboot") == "1")
    return Facts(partition, bool(tryboot), words.get("rauc.slot", ""))


def load(places: Places) -> Configuration:
    """The boot configuration. Raises Refused when it cannot be read or understood."""
    where = places.configuration
    try:
        data = (where / AUTOBOOT).read_bytes()
    except OSError as error:
        raise Refused(f"the boot configuration cannot be read: {error}") from None
    try:
        with (where / PENDING).open("rb") as file:
            pending = texts.decode(file.read(texts.PENDING_LIMIT))
    except OSError:
        pending = None
    good = frozenset(slot for slot in PARTITIONS if (where / _flag(slot)).exists())
    return Configuration(texts.committed(data), pending, good)


def perform(places: Places, changes: Changes) -> str:
    """Carry out the changes in order; returns a complaint when the history could not be kept, which stops nothing.

    Raises OSError; then the changes before are done and the ones after are not.
    """
    complaint = ""
    for change in changes:
        if isinstance(change, Record):
            try:
                _record(places, change)
            except OSError as error:
                complaint = f"the history of updates could not be kept: {error}"
        else:
            _perform(places, change)
    return complaint


def _perform(places: Places, change: Change) -> None:
    where = places.configuration
    if isinstance(change, Commit):
        overwrite_sector(where / AUTOBOOT, texts.autoboot(change.slot))
    elif isinstance(change, Keep):
        replace(where / PENDING, texts.encode(change.pending), 0o600)
    elif isinstance(change, Forget):
        _remove(where / PENDING)
    elif isinstance(change, Good):
        os.close(os.open(where / _flag(change.slot), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync(where)
    elif isinstance(change, Bad):
        _remove(where / _flag(change.slot))


def overwrite_sector(path: Path, data: bytes) -> None:
    """Overwrite a file of one sector in place, past all caches. Raises OSError or Refused; then it is as before."""
    if len(data) != texts.SECTOR:
        raise ValueError("a commit is one sector")
    direct = os.O_WRONLY | os.O_SYNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, direct | os.O_DIRECT)
    try:
        if os.fstat(descriptor).st_size != texts.SECTOR:
            raise Refused(f"{path} is not one sector long: it is left as it is")
        with mmap.mmap(-1, mmap.PAGESIZE) as page:  # a page is as aligned as the driver wants it
            page[: texts.SECTOR] = data
            with memoryview(page)[: texts.SECTOR] as view:
                if os.pwrite(descriptor, view, 0) != texts.SECTOR:
                    raise OSError(f"{path}: the sector was not written")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Replace a file: write beside it, sync, rename over it, sync the directory. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)
    _sync(path.parent)


def has_boot_files(places: Places, slot: str) -> bool:
    """Whether the boot partition of a slot looks like what the firmware can read, a FAT file system."""
    try:
        with (places.partitions / f"boot-{slot.lower()}").open("rb") as disk:
            sector = disk.read(texts.SECTOR)
    except OSError:
        return False
    return sector[510:] == b"\x55\xaa" and sector[82:87] == b"FAT32"


def slot_version(places: Places, slot: str) -> str:
    """Version of what RAUC installed in a slot; empty where it does not say."""
    return texts.bundle_version(_text(places.statuses), slot)


def program_wanted(places: Places) -> bool:
    """Whether the runtime has been told to run a program."""
    return '"run":true' in _text(places.programs).replace(" ", "")


def ask_firmware(places: Places) -> None:
    """Set the one-shot flag for this restart: by the reboot argument, and in an emulated machine by its port."""
    places.reboot_parameter.parent.mkdir(parents=True, exist_ok=True)
    places.reboot_parameter.write_text("0 tryboot")
    if places.firmware_port.exists():
        with places.firmware_port.open("wb", buffering=0) as port:
            port.write(b"tryboot\n")


def _record(places: Places, change: Record) -> None:
    import json  # slow to load, and rarely needed

    try:
        kept = json.loads(_text(places.outcomes) or "[]")
    except ValueError:
        kept = []
    pending = change.pending
    entry = {
        "time": pending.time, "slot": pending.slot, "version": pending.version, "attempts": pending.attempts,
        "outcome": change.outcome, "reasons": list(change.reasons),
    }  # fmt: skip
    # The power may go between this and the change that makes it final: then it comes again.
    if kept[-1:] != [entry]:
        places.outcomes.parent.mkdir(parents=True, exist_ok=True)
        replace(places.outcomes, json.dumps([*kept, entry][-OUTCOMES_LIMIT:], indent=1).encode(), 0o644)


def publish(places: Places, status: dict[str, object]) -> None:
    """Let everybody read what the boot handler knows, until the next start."""
    import json

    places.status.parent.mkdir(parents=True, exist_ok=True)
    replace(places.status, json.dumps(status, indent=1).encode() + b"\n", 0o644)


def _flag(slot: str) -> str:
    return f"good-{slot.lower()}"


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _cell(path: Path) -> int | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return int.from_bytes(data, "big") if len(data) == 4 else None
