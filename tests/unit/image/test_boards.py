# SPDX-License-Identifier: Apache-2.0
"""What boards say in their small files, held against each other and against what the hardware can do."""

import re
from pathlib import Path

import msgspec
import pytest
from pilotlight.runtime.settings import RuntimeSettings

from image import boot_files, kernel, run
from image.errors import BuildError

PROJECT = Path(__file__).parents[3]
CM5 = PROJECT / "bsp/cm5"
WATCHDOG_MAX_S = 15  # what the CM5's watchdog counts truly: longer times are taken modulo 16 s
WATCHDOG_KEYS = {"RuntimeWatchdogSec", "RebootWatchdogSec", "KExecWatchdogSec"}
UNITS_S = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A time as systemd writes it, of one number and unit; `off` is none."""
    if text in ("off", "0"):
        return 0.0
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text)
    assert match, f"'{text}' is no time"
    return int(match[1]) * UNITS_S[match[2]]


def watchdog_times() -> list[tuple[Path, str, str]]:
    """Every watchdog time that a file for the system manager sets: file, key, value."""
    folders = [*PROJECT.glob("rootfs/**/system.conf*"), *PROJECT.glob("bsp/*/rootfs/**/system.conf*")]
    files = [path for folder in folders for path in ([folder] if folder.is_file() else sorted(folder.iterdir()))]
    return [
        (file, key, value.strip())
        for file in files
        for key, value in re.findall(r"^(\w+WatchdogSec)=(.*)$", file.read_text(), re.MULTILINE)
    ]


def words(board: str = "cm5") -> dict[str, str]:
    """The words of a board's command line: what stands before the first `=`, and what after."""
    text = " ".join(kernel.wanted((PROJECT / f"bsp/{board}/cmdline").read_text()))
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


def processors(text: str) -> set[int]:
    """The processors of a list such as `0-2,4`; words before it are flags."""
    found: set[int] = set()
    for part in text.split(","):
        if match := re.fullmatch(r"(\d+)(?:-(\d+))?", part):
            found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def settings() -> dict[str, str]:
    """The settings of the CM5's `config.txt`."""
    lines = kernel.wanted((CM5 / "config.txt").read_text())
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_the_system_manager_sets_every_watchdog_time_no_longer_than_the_hardware_counts() -> None:
    """Times left to their defaults would be ten minutes, which the hardware takes for eight seconds."""
    found = watchdog_times()
    assert {key for _, key, _ in found} == WATCHDOG_KEYS
    assert {f"{file.name}: {key}": value for file, key, value in found if seconds(value) > WATCHDOG_MAX_S} == {}
    assert all(seconds(value) >= 1 for _, key, value in found if key != "KExecWatchdogSec")


@pytest.mark.parametrize(("text", "value"), [("10s", 10), ("2min", 120), ("off", 0), ("15", 15), ("500ms", 0.5)])
def test_times_are_read_as_systemd_reads_them(text: str, value: float) -> None:
    assert seconds(text) == value


def test_the_firmware_leaves_the_watchdog_running_for_no_longer_than_it_counts() -> None:
    assert 1 <= int(settings()["kernel_watchdog_timeout"]) <= WATCHDOG_MAX_S
    assert 15 <= int(words()["watchdog.open_timeout"]) <= 120


def test_the_firmware_loads_the_files_that_are_there_and_chooses_the_tree_itself() -> None:
    found = settings()
    assert found["kernel"] == boot_files.KERNEL
    assert f"initramfs {boot_files.INITRAMFS} followkernel" in found
    assert found["arm_64bit"] == "1"
    # Naming a tree would be the end of one image for both kinds of module.
    assert not {"device_tree", "cmdline", "dtoverlay", "dtparam", "os_prefix"} & found.keys()


@pytest.mark.parametrize("slot", ["A", "B"])
def test_the_board_leaves_the_choice_of_the_command_line_to_the_partition(slot: str) -> None:
    text = boot_files.config((CM5 / "config.txt").read_text()).decode()
    assert boot_files.chosen_cmdline(text, boot_files.PARTITIONS[slot]) == boot_files.CMDLINES[slot]


def test_one_core_is_for_the_control_program_alone() -> None:
    found = words()
    isolated = processors(found["isolcpus"])
    assert len(isolated) == 1
    assert {"domain", "managed_irq"} <= set(found["isolcpus"].split(","))
    assert isolated == processors(found["nohz_full"]) == processors(found["rcu_nocbs"])
    assert processors(found["irqaffinity"]) == {0, 1, 2, 3} - isolated
    runtime = msgspec.yaml.decode((CM5 / "etc/runtime.yaml").read_bytes(), type=RuntimeSettings)
    assert {runtime.scan.cpu} == isolated


def test_the_command_line_keeps_outputs_safe_memory_bounded_and_the_clock_constant() -> None:
    found = words()
    assert found["pinctrl_rp1.persist_gpio_outputs"] == "n"
    assert found["cgroup_enable"] == "memory"
    assert found["cpufreq.default_governor"] == "performance"
    assert found["console"] == "ttyAMA10,115200"
    assert 1 <= int(found["panic"]) <= 60


@pytest.mark.parametrize(
    ("board", "watchdog"), [("cm5", "bcm2835_wdt"), ("qemu-arm64", "i6300esb"), ("qemu-amd64", "i6300esb")]
)
def test_the_initramfs_loads_the_watchdog_first_and_what_mounts_the_root(board: str, watchdog: str) -> None:
    found = kernel.wanted((PROJECT / f"bsp/{board}/initramfs-modules").read_text())
    assert found[0] == watchdog
    assert {"dm-verity", "erofs", "ext4"} <= set(found)


def test_the_initramfs_loads_what_the_card_needs_before_its_driver_and_leaves_the_lines_alone() -> None:
    found = kernel.wanted((CM5 / "initramfs-modules").read_text())
    driver = found.index("sdhci-brcmstb")
    assert {"pinctrl-brcmstb-bcm2712", "gpio-brcmstb", "fixed", "gpio-regulator"} <= set(found[:driver])
    # Modules loaded here do not see their words of the command line.
    assert "pinctrl-rp1" not in found


def test_what_is_loaded_at_start_is_in_the_image() -> None:
    for path in PROJECT.glob("bsp/*/rootfs/usr/lib/modules-load.d/*.conf"):
        board = path.relative_to(PROJECT / "bsp").parts[0]
        assert set(kernel.wanted(path.read_text())) <= set(
            kernel.wanted((PROJECT / f"bsp/{board}/modules").read_text())
        )


@pytest.mark.parametrize("board", ["container", "qemu-arm64", "qemu-amd64"])
def test_what_can_be_played_here_is_run(board: str) -> None:
    run.refuse_real(board, board != "container")


def test_hardware_is_flashed_not_run() -> None:
    with pytest.raises(BuildError, match=r"flash DEVICE cm5.*run qemu-arm64"):
        run.refuse_real("cm5", True)


def test_boards_with_a_disk_have_the_same_file_systems_and_networks() -> None:
    """An update or a container that works in an emulated machine works on the module."""
    emulated = set(kernel.wanted((PROJECT / "bsp/qemu-arm64/modules").read_text()))
    ours = set(kernel.wanted((CM5 / "modules").read_text()))
    only_there = {"virtio_net", "virtio_rng", "virtio_console", "gpio-pl061"}
    assert emulated - ours == only_there
