# SPDX-License-Identifier: Apache-2.0
"""The power goes at random points of install, commit, first start of the new slot and health gate.

One update is made on a real device, with every write taken down. Then the power "goes" after random numbers of these
writes, often in the middle of one: at each point a slot must start that works, and the data must be there.
`PILOTLIGHT_POWER_CUTS` says how many points, 25 without it; `PILOTLIGHT_SEED` repeats a run.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.orchestrator.boot.core import ATTEMPTS

from image.firmware import Start
from tests.updates import replay
from tests.updates.bundles import BOARD, HOME
from tests.updates.conftest import RESULTS, Device
from tests.updates.replay import BOOT_CONFIGURATION, Disk, Write

CUTS = int(os.environ.get("PILOTLIGHT_POWER_CUTS", "25"))
SEED = int(os.environ.get("PILOTLIGHT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
DISK_SIZE = 8 << 30
PROMISE = "this was on the disk before the update"
A, B, TRY_B = Start(2, False), Start(3, False), Start(3, True)


class Story:
    """An update as it was written: every write, and how many there were before and after it."""

    def __init__(self, record: Path, writes: list[Write], begin: int) -> None:
        self.record, self.writes, self.begin = record, writes, begin


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """Install, restart, trial and commit of a good update, recorded."""
    record = HOME / "power-cuts.record"
    record.unlink(missing_ok=True)
    device = Device("power-cuts", record)
    try:
        assert device.switch_on() == A
        device.login()
        assert device.gate() == "success"
        device.ok(f"echo {PROMISE} >/data/promise; sync")
        device.board.cut_power()
        begin = sum(1 for _ in replay.writes(record))
        assert device.switch_on() == A
        device.login()
        device.ok("rauc install /run/bundles/good.raucb", 600)
        assert device.restart() == TRY_B
        device.login()
        assert device.gate() == "success"
        # The ways of the wish, once more: asked for, taken back, asked for.
        device.ok("for slot in A B A B; do /usr/lib/rauc/bootchooser set-primary $slot; done; sync")
        device.board.cut_power()
        yield Story(record, list(replay.writes(record)), begin)
    finally:
        device.close()
        record.unlink(missing_ok=True)


def test_every_cut_leaves_a_slot_that_works_and_the_data(story: Story) -> None:
    chance = random.Random(SEED)
    total = len(story.writes)
    # Half of the points anywhere; the others where the choice of the slot is written.
    start, room = replay_partition()
    config = [n for n in range(story.begin, total) if start <= story.writes[n].start < start + room]
    points = chance.sample(range(story.begin, total), min(CUTS // 2, total - story.begin))
    points += chance.choices(config, k=CUTS - len(points))
    image, copy = HOME / "power-cuts.raw", HOME / "power-cuts.data"
    replay.raw_copy(HOME / f"pilotlight-{BOARD}.img", image, DISK_SIZE)
    started: dict[int, int] = {2: 0, 3: 0}
    disk = Disk(image, story.record)
    try:
        played, good = 0, {2: disk.slot(2)}
        for point in sorted(points):
            while played < point:
                disk.play(story.writes[played])
                played += 1
            torn = chance.randrange(story.writes[point].size // replay.SECTOR + 1)
            disk.play(story.writes[point], torn)
            chosen = disk.start()
            started[chosen.partition] += 1
            if chosen.partition not in good:  # nothing has written it since it was complete
                good[chosen.partition] = expected(disk)
            assert disk.slot(chosen.partition) == good[chosen.partition], f"seed {SEED}, write {point}, {torn} sectors"
            wish = disk.pending()
            assert wish is None or (wish.slot in "AB" and 0 <= wish.attempts <= ATTEMPTS)
            assert PROMISE in disk.data_file("/promise", copy), f"seed {SEED}, write {point}"
    finally:
        disk.close()
        replay.remove(image, copy)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "power-cuts.txt").write_text(
        f"{len(points)} cuts in {total - story.begin} writes, seed {SEED}: "
        f"{started[2]} start the old slot, {started[3]} the new one, 0 start nothing\n"
    )
    assert started[2] and started[3], started


def test_every_prefix_of_the_choice_starts_something(story: Story) -> None:
    """All writes to the boot configuration, sector by sector: the choice is always there, and changes once."""
    start, room = replay_partition()
    image = HOME / "power-cuts.raw"
    replay.raw_copy(HOME / f"pilotlight-{BOARD}.img", image, DISK_SIZE)
    disk = Disk(image, story.record)
    chosen = []
    try:
        for write in story.writes:
            if start <= write.start < start + room:
                for sectors in range(1, write.size // replay.SECTOR + 1):
                    disk.play(write, sectors)
                    plain = disk.start()
                    assert disk.start(flag=True).partition == 5 - plain.partition
                    chosen.append(plain.partition)
    finally:
        disk.close()
        replay.remove(image)
    assert len(chosen) > 10
    assert sorted(chosen) == chosen and set(chosen) == {2, 3}


def replay_partition() -> tuple[int, int]:
    """Where the boot configuration is on the disk."""
    with (HOME / f"pilotlight-{BOARD}.img").open("rb") as file:
        table = file.read(replay.firmware.TABLE_SECTORS * replay.SECTOR)
    return replay.firmware.partitions(table)[BOOT_CONFIGURATION]


def expected(disk: Disk) -> tuple[str, str]:
    """What slot B holds after the whole update: the bundle's images, which are those of slot A."""
    boot, root = disk.slot(2)
    return boot, root
