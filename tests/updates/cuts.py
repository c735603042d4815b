# SPDX-License-Identifier: Apache-2.0
"""The power goes at random points of an update that was taken down write by write.

What was not flushed by then is lost in part. At each point a slot must start that works, and the data must be there.
`PILOTLIGHT_POWER_CUTS` says how many points, 25 without it; `PILOTLIGHT_SEED` repeats a run.
"""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from pilotlight.orchestrator.boot.core import ATTEMPTS

from image.disk_layout import SECTOR
from tests.updates import replay
from tests.updates.bundles import HOME
from tests.updates.replay import BOOT_CONFIGURATION, Disk, Write

CUTS = int(os.environ.get("PILOTLIGHT_POWER_CUTS", "25"))
SEED = int(os.environ.get("PILOTLIGHT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
DISK_SIZE = 8 << 30
IMAGE, COPY = HOME / "power-cuts.raw", HOME / "power-cuts.data"


@dataclass(frozen=True)
class Story:
    """Writes to a copy of `disk` from the first start on; the update begins at number `begin`."""

    disk: Path
    record: Path
    writes: list[Write]
    begin: int


def configuration(disk: Path) -> tuple[int, int]:
    """Where the boot configuration is on a disk."""
    with disk.open("rb") as file:
        table = file.read(replay.firmware.TABLE_SECTORS * SECTOR)
    return replay.firmware.partitions(table)[BOOT_CONFIGURATION]


def points(story: Story, chance: random.Random) -> list[int]:
    """Numbers of the writes that the power cuts hit: half of them anywhere, half where the choice is written."""
    start, room = configuration(story.disk)
    total = len(story.writes)
    choice = [n for n in range(story.begin, total) if start <= story.writes[n].start < start + room]
    return sorted([
        *chance.choices(range(story.begin, total), k=CUTS - CUTS // 2), *chance.choices(choice, k=CUTS // 2),
    ])  # fmt: skip


def kept(write: Write, chance: random.Random) -> int:
    """How many sectors of a write that nobody has flushed are on the disk: all of them, none, or some."""
    sectors = write.size // SECTOR
    return chance.choice((sectors, sectors, 0, chance.randrange(sectors + 1)))


def cut_everywhere(story: Story, promise: str) -> dict[int, int]:
    """Examine the disk at every point; how often each boot partition was started from.

    Both slots hold the same after the update, so the old one tells what the new one must be. `promise` is in the file
    `/promise` of the data partition.
    """
    chance = random.Random(SEED)
    started = {2: 0, 3: 0}
    replay.raw_copy(story.disk, IMAGE, DISK_SIZE)
    disk = Disk(IMAGE, story.record)
    try:
        played, good = 0, disk.slot(2)
        for point in points(story, chance):
            while played < story.writes[point].flushed:
                disk.play(story.writes[played])
                played += 1
            with disk.for_now():
                for write in story.writes[played:point]:
                    disk.play(write, None if write.through else kept(write, chance))
                torn = chance.randrange(story.writes[point].size // SECTOR + 1)
                disk.play(story.writes[point], torn)
                where = f"seed {SEED}, write {point} after {torn} sectors, the last flush after {played} writes"
                chosen = disk.start()
                assert disk.slot(chosen.partition) == good, where
                wish = disk.pending()
                assert wish is None or 0 <= wish.attempts <= ATTEMPTS, where
                assert promise in disk.data_file("/promise", COPY), where
                started[chosen.partition] += 1
    finally:
        disk.close()
        replay.remove(IMAGE, COPY)
    return started


def choices(story: Story) -> list[int]:
    """The boot partition that is started after each sector that was written to the boot configuration."""
    start, room = configuration(story.disk)
    replay.raw_copy(story.disk, IMAGE, DISK_SIZE)
    disk, chosen = Disk(IMAGE, story.record), []
    try:
        for write in story.writes:
            if start <= write.start < start + room:
                for sectors in range(1, write.size // SECTOR + 1):
                    disk.play(write, sectors)
                    plain = disk.start().partition
                    assert disk.start(flag=True).partition == 5 - plain
                    chosen.append(plain)
    finally:
        disk.close()
        replay.remove(IMAGE)
    return chosen
