# SPDX-License-Identifier: Apache-2.0
"""Reads the boot configuration and carries out changes to it, each durable before the next begins.

RAUC starts the handler several times for one command: modules that are slow to load (pathlib, json, re) stay out.

The partition has a whole ``autoboot.txt`` at every instant: that one sector is overwritten in place, and the file's
place, size and name never change.
"""

from __future__ import annotations

import fcntl
import mmap
import os

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

OUTCOMES_LIMIT = 32  # trials that are remembered
SIZE_LIMIT = 1 << 20  # bytes that are read of any file


class Places:
    """Where things are; `root` is the root directory, for tests."""

    def __init__(self, root: str = "/") -> None:
        self.configuration = os.path.join(root, "boot/config")
        self.autoboot = os.path.join(self.configuration, "autoboot.txt")
        self.pending = os.path.join(self.configuration, "pending.json")
        self.bootloader = os.path.join(root, "proc/device-tree/chosen/bootloader")
        self.command_line = os.path.join(root, "proc/cmdline")
        self.outcomes = os.path.join(root, "data/pilotlight/boot/outcomes.json")
        self.statuses = os.path.join(root, "data/rauc/central.raucs")
        self.programs = os.path.join(root, "data/pilotlight/runtime/state.json")
        self.status = os.path.join(root, "run/pilotlight/boot/status.json")
        self.reboot_parameter = os.path.join(root, "run/systemd/reboot-param")
        self.firmware_port = os.path.join(root, "dev/virtio-ports/io.pilotlight.tryboot")
        self.partitions = os.path.join(root, "dev/disk/by-partlabel")

    def flag(self, slot: str) -> str:
        """The file that says that a slot is good."""
        return os.path.join(self.configuration, f"good-{slot.lower()}")


class Lock:
    """Keeps other verbs out until the block ends. Raises Refused when there is no boot configuration."""

    def __init__(self, places: Places) -> None:
        self._path = places.configuration

    def __enter__(self) -> None:
        try:
            self._directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Refused(f"there is no boot configuration: {error}") from None
        fcntl.flock(self._directory, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)


def facts(places: Places) -> Facts:
    """What the firmware and the command line tell. Where there is no device tree, the latter tells both."""
    words = dict(word.partition("=")[::2] for word in _text(places.command_line).split())
    partition = _cell(os.path.join(places.bootloader, "partition"))
    tryboot = _cell(os.path.join(places.bootloader, "tryboot"))
    if partition is None and (told := words.get("pilotlight.partition", "")).isdigit():
        partition, tryboot = int(told), int(words.get("pilotlight.tryboot") == "1")
    return Facts(partition, bool(tryboot), words.get("rauc.slot", ""))


def load(places: Places) -> Configuration:
    """The boot configuration. Raises Refused when it cannot be read or understood."""
    try:
        committed = texts.committed(_bytes(places.autoboot))
    except OSError as error:
        raise Refused(f"the boot configuration cannot be read: {error}") from None
    try:
        pending = texts.decode(_bytes(places.pending))
    except OSError:
        pending = None
    good = frozenset(slot for slot in PARTITIONS if os.path.exists(places.flag(slot)))
    return Configuration(committed, pending, good)


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
    if isinstance(change, Commit):
        overwrite_sector(places.autoboot, texts.autoboot(change.slot))
    elif isinstance(change, Keep):
        replace(places.pending, texts.encode(change.pending), 0o600)
    elif isinstance(change, Forget):
        _remove(places.pending)
    elif isinstance(change, Good):
        os.close(os.open(places.flag(change.slot), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync(places.configuration)
    elif isinstance(change, Bad):
        _remove(places.flag(change.slot))


def overwrite_sector(path: str, data: bytes) -> None:
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


def replace(path: str, data: bytes, mode: int) -> None:
    """Replace a file: write beside it, sync, rename over it, sync the directory. Raises OSError."""
    beside = path + ".new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(beside, path)
    _sync(os.path.dirname(path))


def has_boot_files(places: Places, slot: str) -> bool:
    """Whether the boot partition of a slot looks like what the firmware can read, a FAT file system."""
    try:
        sector = _bytes(os.path.join(places.partitions, f"boot-{slot.lower()}"), texts.SECTOR)
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
    os.makedirs(os.path.dirname(places.reboot_parameter), exist_ok=True)
    with open(places.reboot_parameter, "w") as parameter:
        parameter.write("0 tryboot")
    if os.path.exists(places.firmware_port):
        with open(places.firmware_port, "wb", buffering=0) as port:
            port.write(b"tryboot\n")


def _record(places: Places, change: Record) -> None:
    import json

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
        os.makedirs(os.path.dirname(places.outcomes), exist_ok=True)
        replace(places.outcomes, json.dumps([*kept, entry][-OUTCOMES_LIMIT:], indent=1).encode(), 0o644)


def publish(places: Places, status: dict[str, object]) -> None:
    """Let everybody read what the boot handler knows, until the next start."""
    import json

    os.makedirs(os.path.dirname(places.status), exist_ok=True)
    replace(places.status, json.dumps(status, indent=1).encode() + b"\n", 0o644)


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
        _sync(os.path.dirname(path))


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes(path: str, limit: int = SIZE_LIMIT) -> bytes:
    with open(path, "rb") as file:
        return file.read(limit)


def _text(path: str) -> str:
    try:
        return _bytes(path).decode("utf-8", "replace")
    except OSError:
        return ""


def _cell(path: str) -> int | None:
    try:
        data = _bytes(path)
    except OSError:
        return None
    return int.from_bytes(data, "big") if len(data) == 4 else None
