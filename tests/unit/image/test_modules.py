# SPDX-License-Identifier: Apache-2.0
"""Which packages our kernel modules are built from, and what lies in their folders."""

import re
from pathlib import Path

import pytest

from image import kernel, locking, modules
from image.errors import BuildError

PROJECT = Path(__file__).parents[3]
VERSION = "7.3.4+deb13-rt-arm64"


def test_the_kernel_is_told_by_its_package() -> None:
    names = ["busybox-static", "linux-base-7.3.4+deb13-rt-arm64", f"linux-image-{VERSION}", "linux-image-rt-arm64"]
    assert modules.version_of(names) == VERSION


@pytest.mark.parametrize(
    "names", [[], ["linux-image-rt-arm64"], ["linux-image-7.2-rt-arm64", "linux-image-7.3-rt-arm64"]]
)
def test_none_or_two_kernels_are_refused(names: list[str]) -> None:
    with pytest.raises(BuildError, match=r"there are [02] kernels"):
        modules.version_of(names)


def test_modules_are_built_from_packages_of_exactly_that_kernel() -> None:
    need = modules.packages_for(VERSION)
    assert need.headers == [f"linux-headers-{VERSION}", "linux-headers-7.3.4+deb13-common"]
    assert need.source == "linux-source-7.3"
    assert need.tools == ["linux-kbuild-7.3.4+deb13"]


def test_the_lock_has_the_headers_only_where_modules_are_built() -> None:
    names = [f"linux-image-{VERSION.replace('arm64', 'amd64')}"]
    assert locking.for_modules("amd64", names) == ["linux-kbuild-7.3.4+deb13"]
    assert "linux-source-7.3" in locking.for_modules("arm64", [f"linux-image-{VERSION}"])


def test_every_folder_is_built_and_holds_our_source_or_a_list_never_the_kernels() -> None:
    folders = sorted(path.name for path in modules.FOLDER.iterdir() if path.is_dir())
    listed = re.findall(r"([\w-]+)/", (modules.FOLDER / "Kbuild").read_text())
    assert sorted(listed) == folders
    for folder in folders:
        names = {path.name for path in (modules.FOLDER / folder).iterdir()}
        assert names in ({"Kbuild", "sources"}, {"Kbuild", f"{folder}.c"})


def test_our_modules_may_be_linked_with_the_kernel() -> None:
    for source in modules.FOLDER.glob("*/*.c"):
        text = source.read_text()
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only\n")
        assert 'MODULE_LICENSE("GPL")' in text


def test_a_list_of_sources_names_files_of_the_drivers() -> None:
    found = modules.foreign_sources()
    assert sorted(found) == ["i2c-stub", "spi-dw"]
    for files in found.values():
        assert all(re.fullmatch(r"drivers/[a-z0-9]+/[a-z0-9-]+\.[ch]", file) for file in files)


def test_boards_take_modules_that_are_built() -> None:
    """A module that is built and in no image would be forgotten; i2c-stub is for tests, so QEMU has it too."""
    built = {"rpi-tryboot", "pwm-rp1", "spi-dw", "spi-dw-mmio", "i2c-stub"}
    lists = {
        board: set(kernel.wanted((PROJECT / f"bsp/{board}/modules").read_text())) for board in ("cm5", "qemu-arm64")
    }
    assert built <= lists["cm5"]
    assert {"rpi-tryboot", "i2c-stub"} <= lists["qemu-arm64"]
