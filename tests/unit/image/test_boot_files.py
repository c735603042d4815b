# SPDX-License-Identifier: Apache-2.0
"""What the firmware reads: the choice of the partition, and the command line of its slot."""

import itertools
import re

import pytest

from image import boot_files
from image.disk_layout import Sizes, layout, table
from image.errors import BuildError

PARTITIONS = layout(Sizes(boot=96, root=512, data=128), "arm64")


def numbers(text: str) -> dict[str, str]:
    """The partition that each section of `autoboot.txt` names."""
    return dict(re.findall(r"^\[(\w+)\]\n(?:(?!\[).*\n)*?boot_partition=(\d+)$", text, re.MULTILINE))


@pytest.mark.parametrize(("slot", "other"), [("A", "B"), ("B", "A")])
def test_autoboot_is_one_sector_and_names_both_partitions(slot: str, other: str) -> None:
    made = boot_files.autoboot(slot)
    assert len(made) == 512
    labels = {str(number): part.label for number, part in enumerate(PARTITIONS, start=1)}
    found = {section: labels[number] for section, number in numbers(made.decode()).items()}
    assert found == {"all": f"boot-{slot.lower()}", "tryboot": f"boot-{other.lower()}"}
    assert "\ntryboot_a_b=1\n" in made.decode()


@pytest.mark.parametrize("board", ["", "arm_64bit=1\n[cm5]\ndevice_tree=x.dtb\n[all]\n", "cmdline=other.txt\n"])
def test_config_chooses_the_command_line_by_the_partition(board: str) -> None:
    text = boot_files.config(board).decode()
    assert text.startswith(board)
    assert boot_files.chosen_cmdline(text, 2) == "cmdline-a.txt"
    assert boot_files.chosen_cmdline(text, 3) == "cmdline-b.txt"


def test_command_lines_are_one_line_each() -> None:
    made = boot_files.command_lines("quiet panic=10", {"A": "rauc.slot=A", "B": "rauc.slot=B"})
    assert made == {
        "cmdline-a.txt": b"quiet panic=10 rauc.slot=A\n",
        "cmdline-b.txt": b"quiet panic=10 rauc.slot=B\n",
    }


def test_a_command_line_that_the_kernel_would_cut_is_refused() -> None:
    with pytest.raises(BuildError, match=r"slot A has 2049 characters: 2047 are the most"):
        boot_files.command_lines("x" * 2047, {"A": "y"})


def test_partitions_have_the_order_the_firmware_counts_in() -> None:
    assert [part.label for part in PARTITIONS] == ["bootcfg", "boot-a", "boot-b", "root-a", "root-b", "data"]


def test_partitions_do_not_overlap_and_are_aligned() -> None:
    for before, after in itertools.pairwise(PARTITIONS):
        assert before.start + before.size <= after.start
        assert after.start % (4 << 20) == 0


def test_a_table_is_the_same_each_time_and_no_identifier_is_there_twice() -> None:
    assert table(PARTITIONS) == table(layout(Sizes(96, 512, 128), "arm64"))
    assert len({part.guid for part in PARTITIONS}) == len(PARTITIONS)
