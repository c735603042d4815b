# SPDX-License-Identifier: Apache-2.0
"""Updates on one device, one after the other: refused, missed, good, and faulty in ways that it has to survive.

The tests are the chapters of one story and need each other's ends: run the file as a whole.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from image.firmware import Start
from tests.updates import cuts, replay
from tests.updates.bundles import HOME, NEWER
from tests.updates.conftest import RESULTS, Device
from tests.updates.cuts import Story

RECORD = HOME / "updates.record"
PROMISED = ("/system/machine-id", "/pilotlight/web/key.pem", "/promise")
"""Files of the data partition that no update may harm."""
RAUC_EXPOSURE_LIMIT = 3.5  # it mounts and writes disks; without a drop-in of ours it is 9.4

A, B = Start(2, False), Start(3, False)
TRY_A, TRY_B = Start(2, True), Start(3, True)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """A new device, whose writes are taken down."""
    RECORD.unlink(missing_ok=True)
    made = Device("updates", RECORD)
    try:
        yield made
    finally:
        made.close()
        RECORD.unlink()


@pytest.fixture(scope="module")
def begins() -> dict[str, int]:
    """Where in the record each phase of the good update begins."""
    return {}


@pytest.fixture(scope="module")
def promises() -> dict[str, str]:
    """What is in the promised files."""
    return {}


def written(device: Device) -> int:
    """How many writes the record has."""
    device.ok("sync")
    return sum(1 for _ in replay.writes(RECORD))


def test_the_first_start(device: Device) -> None:
    assert device.switch_on() == A
    device.login()
    assert device.gate() == "success"
    assert device.slots() == {
        "current": "A", "committed": "A", "primary": "A", "trial": False, "good": ["A"], "pending": None,
    }  # fmt: skip


def test_the_bound_of_trials_leaves_a_committed_slot_alone(device: Device) -> None:
    device.ok("systemctl start pilotlight-trial-end.service")
    assert "No jobs" in device.ok("systemctl list-jobs")


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        ("wrong-key", "(?i)signature verification failed"),
        ("expired", "(?i)certificate has expired"),
        ("wrong-board", "(?i)compatible"),
        ("truncated", "(?i)signature size .* exceeds bundle size"),
        ("tampered", "(?i)input/output error"),
    ],
)
def test_what_is_not_meant_for_it_is_refused(device: Device, bundle: str, said: str) -> None:
    done = device.install(bundle)
    assert done.code != 0
    assert re.search(said, done.output), done.output
    slots = device.slots()
    assert (slots["committed"], slots["primary"], slots["pending"]) == ("A", "A", None)


def test_only_root_and_the_orchestrator_may_install(device: Device) -> None:
    call = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer Mark ss good booted"
    denied = device.run(f"setpriv --reuid nobody --regid nogroup --clear-groups {call}")
    assert denied.code != 0 and "denied" in denied.output.lower()
    assert device.run(f"setpriv --reuid pilotlight-web --regid nogroup --clear-groups {call}").code != 0
    device.ok(call)


def test_rauc_may_do_little_else(device: Device) -> None:
    told = device.ok("systemd-analyze security --offline=true --no-pager rauc.service | tail -1")
    assert float(told.split(":")[1].split()[0]) <= RAUC_EXPOSURE_LIMIT, told


def test_two_updates_at_once(device: Device, begins: dict[str, int], promises: dict[str, str]) -> None:
    """The second is refused, the first goes on."""
    device.ok("echo this was on the disk before the update >/data/promise")
    promises.update({name: device.ok(f"cat /data{name}") + "\n" for name in PROMISED})
    begins["installation"] = written(device)
    both = device.run(
        "rauc install /run/bundles/good.raucb >/run/first 2>&1 & first=$!\n"
        "until busctl get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Operation | grep -q installing\n"
        "do sleep 0.2; kill -0 $first || break; done\n"
        "rauc install /run/bundles/again.raucb; echo second $?; wait $first; echo first $?; cat /run/first",
        400,
    )
    assert re.search(r"second [12]\n", both.output) and "first 0\n" in both.output, both.output
    assert "Already processing" in both.output, both.output
    slots = device.slots()
    assert (slots["committed"], slots["primary"]) == ("A", "B")
    assert (slots["pending"]["version"], slots["pending"]["attempts"]) == (NEWER, 0)


def test_a_power_cut_before_the_restart_loses_nothing(device: Device) -> None:
    device.board.cut_power()
    assert device.switch_on() == A
    device.login()
    slots = device.slots()
    assert (slots["primary"], slots["pending"]["attempts"]) == ("B", 0)


def test_a_good_update_is_tried_once_and_kept(device: Device, begins: dict[str, int]) -> None:
    begins["first start"] = written(device)
    assert device.restart() == TRY_B
    device.login()
    begins["health gate"] = written(device)
    assert device.slots()["trial"]
    assert device.gate() == "success"
    begins["after the commit"] = written(device)
    slots = device.slots()
    assert (slots["current"], slots["committed"], slots["good"], slots["pending"]) == ("B", "B", ["A", "B"], None)
    assert (device.outcomes()[-1]["outcome"], device.outcomes()[-1]["version"]) == ("committed", NEWER)
    assert device.answers()
    # The ways of the wish once more: asked for and taken back.
    device.ok("for slot in A B A B; do /usr/lib/rauc/bootchooser set-primary $slot; done; sync")
    begins["end"] = written(device)


@pytest.fixture(scope="module")
def story(device: Device, begins: dict[str, int], promises: dict[str, str]) -> Story:
    """The good update, from its installation to the time after its commit, write by write."""
    device.board.cut_power()
    return Story(device.disk, RECORD, list(replay.writes(RECORD)), begins, promises)


def test_the_power_may_go_at_any_write(story: Story) -> None:
    def boot(disk: Path, start: Start) -> None:
        with closing(Device("power-cut", disk=disk)) as device:
            assert device.switch_on() == start
            device.login()
            assert {name: device.ok(f"cat /data{name}") + "\n" for name in PROMISED} == story.promises
            assert device.answers()

    started = cuts.cut_everywhere(story, boot)
    old, new = (sum(n for (_, partition), n in started.items() if partition == slot) for slot in (2, 3))
    told = f"{old + new} cuts in {story.begins['end'] - story.begins['installation']} writes, seed {cuts.SEED}: "
    told += f"{old} start the old slot, {new} the new one, 0 start nothing; {cuts.BOOTED} booted; {dict(started)}\n"
    (RESULTS / "power-cuts.txt").write_text(told)
    assert old + new == cuts.CUTS, started
    assert started["installation", 2] and not started["installation", 3], started
    assert started["after the commit", 3] and not started["after the commit", 2], started


def test_the_choice_of_the_slot_is_there_after_every_sector(story: Story) -> None:
    chosen = cuts.choices(story)
    (RESULTS / "choices.txt").write_text(f"{len(chosen)} sectors of the boot configuration, a choice after each\n")
    assert len(chosen) > 20
    assert chosen == sorted(chosen) and set(chosen) == {2, 3}
