# SPDX-License-Identifier: Apache-2.0
"""The power goes at random points of an update that was taken down write by write.

What was not flushed by then is lost in part. At each point a slot must be chosen that is whole, and the data must be
there; some of the points are booted too. `PILOTLIGHT_POWER_CUTS` says how many points, 25 without it,
`PILOTLIGHT_BOOTED_CUTS` how many of them are booted, 2 without it; `PILOTLIGHT_SEED` repeats a run.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from pilotlight.orchestrator.boot.core import ATTEMPTS

from image.disk_layout import SECTOR
from image.firmware import Start
from tests.updates import replay
from tests.updates.bundles import HOME
from tests.updates.replay import BOOT_CONFIGURATION, Disk, Write

CUTS = int(os.environ.get("PILOTLIGHT_POWER_CUTS", "25"))
BOOTED = int(os.environ.get("PILOTLIGHT_BOOTED_CUTS", "2"))
SEED = int(os.environ.get("PILOTLIGHT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
DISK_SIZE = 8 << 30
IMAGE, COPY = HOME / "power-cuts.raw", HOME / "power-cuts.data"


@dataclass(frozen=True)
class Story:
    """Writes to a copy of `disk` from the first start on, and the numbers at which the phases of the update begin.

    The phases are in their order; the last name in `begins` is where the update ends. `promises` are files of the data
    partition that were there before, and what is in them.
    """

    disk: Path
    record: Path
    writes: list[Write]
    begins: dict[str, int]
    promises: dict[str, str]

    def phases(self) -> dict[str, list[int]]:
        """Numbers of the writes of each phase; the last one is that of the writes that choose the slot."""
        names, marks = list(self.begins), list(self.begins.values())
        found = {name: list(range(*marks[n : n + 2])) for n, name in enumerate(names[:-1])}
        start, room = configuration(self.disk)
        choices = [n for n in range(marks[0], marks[-1]) if start <= self.writes[n].start < start + room]
        return {**found, "choice": choices}


def configuration(disk: Path) -> tuple[int, int]:
    """Where the boot configuration is on a disk."""
    with disk.open("rb") as file:
        table = file.read(replay.firmware.TABLE_SECTORS * SECTOR)
    return replay.firmware.partitions(table)[BOOT_CONFIGURATION]


def points(story: Story, chance: random.Random) -> list[tuple[int, str]]:
    """The writes that the power cuts hit, by number, in order, each with its phase: as many of each phase."""
    phases = story.phases()
    names = [name for _, name in zip(range(CUTS), cycle(phases), strict=False)]
    return sorted((chance.choice(phases[name]), name) for name in names)


def kept(write: Write, chance: random.Random) -> int:
    """How many sectors of a write that nobody has flushed are on the disk: all of them, none, or some."""
    sectors = write.size // SECTOR
    return chance.choice((sectors, sectors, 0, chance.randrange(sectors + 1)))


def cut_everywhere(story: Story, boot: Callable[[Path, Start], None]) -> Counter[tuple[str, int]]:
    """Examine the disk at every point; how often each boot partition was chosen, by phase.

    Both slots hold the same after the update, so the old one tells what the new one must be. `boot` gets the disk as
    some of the cuts left it, and the start that must come of it.
    """
    chance = random.Random(SEED)
    started: Counter[tuple[str, int]] = Counter()
    replay.raw_copy(story.disk, IMAGE, DISK_SIZE)
    disk = Disk(IMAGE, story.record)
    hit = points(story, chance)
    booted = chance.sample(range(len(hit)), min(BOOTED, len(hit)))
    try:
        played, good = 0, disk.slot(2)
        for number, (point, phase) in enumerate(hit):
            while played < story.writes[point].flushed:
                disk.play(story.writes[played])
                played += 1
            with disk.for_now():
                for write in story.writes[played:point]:
                    disk.play(write, None if write.through else kept(write, chance))
                torn = chance.randrange(story.writes[point].size // SECTOR + 1)
                disk.play(story.writes[point], torn)
                where = f"seed {SEED}, {phase}: write {point} after {torn} sectors, flushed {played} writes"
                start = disk.start()
                assert disk.slot(start.partition) == good, where
                wish = disk.pending()
                assert wish is None or 0 <= wish.attempts <= ATTEMPTS, where
                assert disk.data_files(list(story.promises), COPY) == story.promises, where
                if number in booted:
                    boot(disk.flushed(), start)
                started[phase, start.partition] += 1
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
