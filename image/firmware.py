# SPDX-License-Identifier: Apache-2.0
"""What the Compute Module's firmware decides before a kernel runs: the partition, and what is loaded from it. No I/O.

The emulated machines start as the real one does, so that a trial of a slot is the same there. What a real firmware
knows beyond this (filters by model, includes, overlays …) is not in the files of the emulated boards.
"""

import re
import struct
from dataclasses import dataclass

from image.disk_layout import SECTOR

TABLE_SECTORS = 34  # protective record, header, and 128 entries
ENTRY_SIZE = 128
ENTRIES_AT = 2 * SECTOR
UNUSED = bytes(16)


class Unbootable(Exception):
    """What the firmware needs is not there. The message says what."""


@dataclass(frozen=True)
class Start:
    """From which partition a start is made, and whether it was asked for once."""

    partition: int
    tryboot: bool


@dataclass(frozen=True)
class Loading:
    """Names of the files that are loaded from the partition."""

    kernel: str
    initramfs: str
    cmdline: str


def settings(text: str, start: Start | None = None, *, tryboot: bool = False) -> dict[str, str]:
    """The settings that apply in a text of `key=value` lines and `[filters]`: the last one of a name counts.

    `initramfs NAME followkernel` has no equals sign. Unknown filters apply to nothing.
    """
    applies, found = True, {}
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        if section := re.fullmatch(r"\[([\w=]+)\]", line):
            names = {"all"}
            names |= {"tryboot"} if tryboot or (start and start.tryboot) else set()
            names |= {f"boot_partition={start.partition}"} if start else set()
            applies = section[1] in names
        elif applies and line.startswith("initramfs "):
            found["initramfs"] = line.split()[1]
        elif applies and "=" in line:
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip()
    return found


def choose(autoboot: str, flag: bool) -> Start:
    """What `autoboot.txt` and the one-shot flag say. Raises Unbootable."""
    plain = settings(autoboot)
    tryboot = flag and plain.get("tryboot_a_b") == "1"
    partition = settings(autoboot, tryboot=tryboot).get("boot_partition", "")
    if not partition.isdigit():
        raise Unbootable("autoboot.txt names no partition")
    return Start(int(partition), tryboot)


def loading(config: str, start: Start) -> Loading:
    """What `config.txt` says to load. Raises Unbootable."""
    found = settings(config, start)
    try:
        return Loading(found["kernel"], found["initramfs"], found["cmdline"])
    except KeyError as error:
        raise Unbootable(f"config.txt of partition {start.partition} names no {error.args[0]}") from None


def partitions(table: bytes) -> dict[int, tuple[int, int]]:
    """First byte and size of each partition by number, from the first sectors of a disk. Raises Unbootable."""
    if table[SECTOR : SECTOR + 8] != b"EFI PART":
        raise Unbootable("the disk has no partition table")
    found = {}
    for number in range(1, (len(table) - ENTRIES_AT) // ENTRY_SIZE + 1):
        at = ENTRIES_AT + (number - 1) * ENTRY_SIZE
        first, last = struct.unpack_from("<QQ", table, at + 32)
        if table[at : at + 16] != UNUSED:
            found[number] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


def words(start: Start) -> list[str]:
    """What tells a kernel without a device tree how it was started."""
    return [f"pilotlight.partition={start.partition}", f"pilotlight.tryboot={int(start.tryboot)}"]
