# SPDX-License-Identifier: Apache-2.0
"""Texts that the firmware reads: which partition it starts from, and what it loads there.

The boot partitions of both slots hold the same bytes. What differs is the kernel's command line, which the firmware
chooses by the number of the partition it started from.
"""

import re
from collections.abc import Mapping

from image.disk_layout import SECTOR
from image.errors import BuildError

KERNEL = "vmlinuz"
INITRAMFS = "initramfs.zst"
AUTOBOOT = "autoboot.txt"
CONFIG = "config.txt"
CMDLINES = {"A": "cmdline-a.txt", "B": "cmdline-b.txt"}
PARTITIONS = {"A": 2, "B": 3}  # numbers of the boot partitions in the table
CMDLINE_MAX = 2047  # characters the kernel takes, without the end

PLAIN_CONFIG = f"""\
# What the firmware loads; the same for both slots.
kernel={KERNEL}
initramfs {INITRAMFS} followkernel
"""


def autoboot(slot: str) -> bytes:
    """The file that names the partition to start from: `slot` always, the other one for a single try when asked for.

    Exactly one sector long, so that a new choice is written in one piece.
    """
    other = "B" if slot == "A" else "A"
    text = f"[all]\ntryboot_a_b=1\nboot_partition={PARTITIONS[slot]}\n[tryboot]\nboot_partition={PARTITIONS[other]}\n"
    return text.encode().ljust(SECTOR, b"\n")


def slot_choice() -> str:
    """The part of `config.txt` that chooses the command line by the partition."""
    parts = [f"[boot_partition={PARTITIONS[slot]}]\ncmdline={name}\n" for slot, name in CMDLINES.items()]
    return "".join(parts) + "[all]\n"


def config(board: str = PLAIN_CONFIG) -> bytes:
    """`config.txt`: the board's own lines, then the choice of the command line."""
    return (board.rstrip("\n") + "\n" + slot_choice()).encode()


def chosen_cmdline(config: str, partition: int) -> str:
    """The command line file that a `config.txt` names for a boot partition, as the firmware reads it; "" for none."""
    applies, found = True, ""
    for raw in config.splitlines():
        line = raw.split("#", 1)[0].strip()
        if section := re.fullmatch(r"\[(\w+)(?:=(\d+))?\]", line):
            applies = section[1] == "all" or (section[1] == "boot_partition" and section[2] == str(partition))
        elif applies and line.startswith("cmdline="):
            found = line.removeprefix("cmdline=").strip()
    return found


def command_lines(common: str, slots: Mapping[str, str]) -> dict[str, bytes]:
    """The command line files by name: the board's words and those of each slot. BuildError for one too long."""
    files = {}
    for slot, words in slots.items():
        line = f"{common} {words}".strip()
        if len(line) > CMDLINE_MAX:
            raise BuildError(f"the command line of slot {slot} has {len(line)} characters: {CMDLINE_MAX} are the most")
        files[CMDLINES[slot]] = line.encode() + b"\n"
    return files
