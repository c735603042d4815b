# SPDX-License-Identifier: Apache-2.0
"""What the emulated machine's firmware decides, on the files that the image build writes and on broken ones."""

import struct

import pytest

from image import boot_files, firmware
from image.disk_layout import SECTOR, Sizes, layout
from image.firmware import Loading, Start, Unbootable


@pytest.mark.parametrize("slot", ["A", "B"])
def test_the_flag_starts_the_other_slot_once(slot: str) -> None:
    autoboot = boot_files.autoboot(slot).decode()
    other = "B" if slot == "A" else "A"
    assert firmware.choose(autoboot, False) == Start(boot_files.PARTITIONS[slot], False)
    assert firmware.choose(autoboot, True) == Start(boot_files.PARTITIONS[other], True)


def test_without_two_slots_the_flag_chooses_no_partition() -> None:
    text = "[all]\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
    assert firmware.choose(text, True) == Start(2, False)


@pytest.mark.parametrize("text", ["", "\0" * 512, "[all]\nboot_partition=x\n", "[none]\nboot_partition=2\n"])
def test_a_broken_choice_starts_nothing(text: str) -> None:
    with pytest.raises(Unbootable, match="names no partition"):
        firmware.choose(text, False)


@pytest.mark.parametrize("slot", ["A", "B"])
def test_the_partition_chooses_the_command_line(slot: str) -> None:
    start = Start(boot_files.PARTITIONS[slot], False)
    loading = firmware.loading(boot_files.config().decode(), start)
    assert loading == Loading(boot_files.KERNEL, boot_files.INITRAMFS, boot_files.CMDLINES[slot])
    assert loading.cmdline == boot_files.chosen_cmdline(boot_files.config().decode(), start.partition)


def test_a_configuration_without_kernel_starts_nothing() -> None:
    with pytest.raises(Unbootable, match="names no kernel"):
        firmware.loading("initramfs x followkernel\ncmdline=y\n", Start(2, False))


def test_unknown_filters_and_comments_apply_to_nothing() -> None:
    text = "a=1 # one\n[pi4]\na=2\n[tryboot]\na=3\n[all]\nb=4\n#b=5\n"
    assert firmware.settings(text, Start(2, False)) == {"a": "1", "b": "4"}
    assert firmware.settings(text, Start(2, True)) == {"a": "3", "b": "4"}


def test_partitions_are_where_the_layout_has_them() -> None:
    parts = layout(Sizes(96, 512, 64), "arm64")
    table = bytearray(firmware.TABLE_SECTORS * SECTOR)
    table[SECTOR : SECTOR + 8] = b"EFI PART"
    for number, part in enumerate(parts):
        at = firmware.ENTRIES_AT + number * firmware.ENTRY_SIZE
        table[at : at + 16] = b"some kind of it."
        struct.pack_into("<QQ", table, at + 32, part.start // SECTOR, (part.start + part.size) // SECTOR - 1)
    found = firmware.partitions(bytes(table))
    assert found == {number: (part.start, part.size) for number, part in enumerate(parts, start=1)}
    assert [part.label for part in parts][:3] == ["bootcfg", "boot-a", "boot-b"]
    with pytest.raises(Unbootable, match="no partition table"):
        firmware.partitions(bytes(len(table)))


def test_a_kernel_without_device_tree_is_told_in_words() -> None:
    assert firmware.words(Start(3, True)) == ["pilotlight.partition=3", "pilotlight.tryboot=1"]
