# SPDX-License-Identifier: Apache-2.0
"""Where things are on a disk: GPT with the choice of the slot, two slots of boot files and root file system, and data.

Slot A holds what was built, slot B is empty until the first update. Every identifier is fixed.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image.errors import BuildError

MIB = 1 << 20
SECTOR = 512
ALIGNMENT = 4 * MIB  # erase blocks of eMMC are no larger
TAIL = MIB  # behind the last partition, for the second copy of the table

BOOT_CONFIG_MB = 32  # of the partition with the choice of the slot; FAT16 ends well above
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "disk.pilotlight.io")
BOOT_CONFIG_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"  # what any computer shows: people put files there
BOOT_TYPE = "C12A7328-F81F-11D2-BA4B-00C04FC93EC0"
ROOT_TYPES = {
    "arm64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    "amd64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
}
DATA_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


@dataclass(frozen=True)
class Sizes:
    """Sizes of a slot's two partitions and of the data partition as it is in the image, in MiB."""

    boot: int
    root: int
    data: int


@dataclass(frozen=True)
class Partition:
    """One partition: its label, type and place on the disk (bytes)."""

    label: str
    type: str
    start: int
    size: int

    @property
    def guid(self) -> str:
        """The identifier of the partition: the same in every build."""
        return str(uuid.uuid5(NAMESPACE, self.label)).upper()


def identifier(what: str) -> str:
    """A fixed identifier for `what`, for instance a file system."""
    return str(uuid.uuid5(NAMESPACE, what))


def layout(sizes: Sizes, arch: str) -> list[Partition]:
    """The partitions of a disk, in order. Data is the last, so that it can grow to the end of any disk."""
    wanted = [
        ("bootcfg", BOOT_CONFIG_TYPE, BOOT_CONFIG_MB),
        ("boot-a", BOOT_TYPE, sizes.boot),
        ("boot-b", BOOT_TYPE, sizes.boot),
        ("root-a", ROOT_TYPES[arch], sizes.root),
        ("root-b", ROOT_TYPES[arch], sizes.root),
        ("data", DATA_TYPE, sizes.data),
    ]
    partitions, start = [], ALIGNMENT
    for label, kind, mib in wanted:
        size = -(-mib * MIB // ALIGNMENT) * ALIGNMENT
        partitions.append(Partition(label, kind, start, size))
        start += size
    return partitions


def disk_size(partitions: Sequence[Partition]) -> int:
    """Bytes of a disk that just holds the partitions."""
    return max(part.start + part.size for part in partitions) + TAIL


def table(partitions: Sequence[Partition]) -> str:
    """The partition table as `sfdisk` reads it."""
    lines = ["label: gpt", f"label-id: {identifier('table').upper()}", "unit: sectors", ""]
    lines += [
        f"start={part.start // SECTOR}, size={part.size // SECTOR}, "
        f"type={part.type}, uuid={part.guid}, name={part.label}"
        for part in partitions
    ]
    return "\n".join(lines) + "\n"


def check_fits(what: str, size: int, room: int, symbol: str) -> None:
    """BuildError that names the setting to raise when `size` bytes do not fit into `room` bytes."""
    if size > room:
        raise BuildError(
            f"{what} is {-(-size // MIB)} MiB and its slot {room // MIB} MiB: "
            f"raise {symbol} with 'build-image.sh menuconfig'"
        )


def place(disk: Path, content: Path, start: int) -> None:
    """Write the file `content` into the file `disk` at `start` (bytes), leaving holes where it is zero."""
    hole = bytes(MIB)
    with content.open("rb") as source, disk.open("r+b") as target:
        position = start
        while block := source.read(MIB):
            if block != hole[: len(block)]:
                target.seek(position)
                target.write(block)
            position += len(block)
