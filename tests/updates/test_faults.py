# SPDX-License-Identifier: Apache-2.0
"""More ways for an update to go wrong, and ways back: each with its own restarts, so these take long.

A program runs all the while, and each start tells when. The tests are the chapters of one story and need each other's
ends: run the file as a whole.
"""

import re
from pathlib import Path
from statistics import mean

import pytest

from image.firmware import Start
from tests.support.editor import Editor
from tests.support.scenarios import package_of_motor
from tests.updates.bundles import NEWER, NEWEST
from tests.updates.conftest import ORCHESTRATOR_AT, RESULTS, START_S, Device

LONGER = 1.2  # times a plain start that the first start of an update may take, until the program runs
PLAIN_STARTS = 2  # that are timed
PROBLEMS = f"busctl get-property {ORCHESTRATOR_AT} Problems"
A, B = Start(2, False), Start(3, False)
TRY_A, TRY_B = Start(2, True), Start(3, True)


@pytest.fixture(scope="module")
def times() -> dict[str, list[float]]:
    """Seconds of the kernel's clock until the program ran, by the kind of start."""
    return {"plain": [], "updated": []}


def runs_after(device: Device) -> float:
    """Seconds of the kernel's clock until the program ran, in the start that is under way."""
    said = 'journalctl -b -u pilotlight-runtime -o short-monotonic --no-pager | grep "ready: RUNNING"'
    line = device.ok(f"timeout {START_S:.0f} sh -c 'until {said}; do sleep 2; done'", 2 * START_S)
    found = re.search(r"^\[ *([\d.]+)\]", line)
    assert found, line
    return float(found[1])


def test_a_program_is_brought(device: Device, tmp_path: Path) -> None:
    assert device.switch_on() == A
    device.login()
    assert device.answers()
    with Editor(f"https://127.0.0.1:{device.port}") as editor:
        editor.http.timeout = 120
        editor.connect()
        status = editor.build(package_of_motor(tmp_path))
        assert status["status"] == "SUCCESS", status
        editor.start()
        editor.wait_for_state("RUNNING", 120)
    assert device.ok("pilotlight update policy never") == "never"


def test_the_second_of_two_updates_takes_the_place_of_the_first(device: Device) -> None:
    device.ok("rauc install /run/bundles/good.raucb", 600)
    assert device.slots()["pending"]["version"] == NEWER
    device.ok("rauc install /run/bundles/again.raucb", 400)
    assert device.slots()["pending"]["version"] == NEWEST


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        ("panic", "did not start"),
        ("hang", "did not start"),
        ("no-kernel", "did not start"),
        ("crash-loop", "netmon is not ready"),
        ("silent-web", "the web does not answer"),
        ("program-gone", "a program ran before the restart and does not run now"),
        ("emergency", "its system did not come up"),
        ("gate-hangs", "its health gate did not end in time"),
    ],
)
def test_a_faulty_update_ends_in_the_old_slot(
    device: Device, bundle: str, said: str, times: dict[str, list[float]]
) -> None:
    device.ok(f"pilotlight update install /run/bundles/{bundle}.raucb", 400)
    assert device.restart() == TRY_B
    assert device.start_after(TRY_B, START_S) == A
    device.login()
    last = device.outcomes()[-1]
    assert any(said in reason for reason in last["reasons"]), last
    # One that failed without a word is tried once more: its entry stays open, and says what happened so far.
    shown = {"failed": "rolled back", "retry": "pending"}[last["outcome"]]
    assert device.reason(said)["Outcome"] == shown
    if len(times["plain"]) < PLAIN_STARTS:
        times["plain"].append(runs_after(device))


def test_a_changed_block_of_the_new_root_ends_in_the_old_slot(device: Device) -> None:
    device.ok("pilotlight update install /run/bundles/again.raucb", 400)
    device.ok("dd if=/dev/urandom of=/dev/disk/by-partlabel/root-b bs=4096 count=1 conv=notrunc,fsync")
    assert device.restart() == TRY_B
    assert device.start_after(TRY_B, 180) == A
    device.login()
    assert "did not start" in device.outcomes()[-1]["reasons"][0]


def test_a_wish_that_failed_twice_is_given_up(device: Device) -> None:
    assert device.slots()["pending"]["attempts"] == 1
    assert device.restart() == TRY_B
    assert device.start_after(TRY_B, 180) == A
    device.login()
    assert device.outcomes()[-1]["outcome"] == "failed"
    assert (device.slots()["pending"], device.slots()["primary"]) == (None, "A")
    assert device.reason("did not start")["Outcome"] == "rolled back"
    assert f"the update to {NEWEST} was rolled back" in device.ok(PROBLEMS)
    assert "rolled back" in device.ok("pilotlight update history")


def test_an_older_version_needs_force(device: Device) -> None:
    refused = device.run("pilotlight update install /run/bundles/older.raucb", 400)
    assert refused.code == 1
    assert "older" in refused.output
    assert device.slots()["pending"] is None
    device.ok("pilotlight update install --force /run/bundles/older.raucb", 400)
    assert device.slots()["pending"]["version"] == "0.0.1"
    device.ok("/usr/lib/rauc/bootchooser set-primary A")


def test_a_full_disk_refuses_and_changes_nothing(device: Device) -> None:
    device.ok("fallocate -l $(($(df --output=avail -B1 /data | tail -1) - 20000000)) /data/fill")
    refused = device.run("pilotlight update install /run/bundles/again.raucb", 400)
    assert refused.code == 1 and "Make room" in refused.output, refused.output
    assert (device.slots()["primary"], device.slots()["pending"]) == ("A", None)
    assert device.reason("Make room")["Outcome"] == "refused"
    device.ok("rm /data/fill")


def test_a_good_update_runs_the_program_again(device: Device, times: dict[str, list[float]]) -> None:
    # A whole one: the root that lies there was changed.
    device.ok("pilotlight update install /run/bundles/good.raucb", 600)
    assert device.restart() == TRY_B
    device.login()
    assert device.slots()["current"] == "B"
    times["updated"].append(runs_after(device))
    assert device.gate() == "success"
    assert device.slots()["committed"] == "B"


def test_back_by_hand(device: Device, times: dict[str, list[float]]) -> None:
    """The old slot is tried like a new one."""
    device.ok("rauc status mark-active other")
    assert device.restart() == TRY_A
    device.login()
    assert device.slots()["current"] == "A"
    times["updated"].append(runs_after(device))
    assert device.gate() == "success"
    assert device.slots()["committed"] == "A"


def test_the_program_runs_as_soon_after_an_update(times: dict[str, list[float]]) -> None:
    plain, updated = mean(times["plain"]), mean(times["updated"])
    told = f"program runs after: {times} s; an update takes {updated / plain:.2f} times a plain start\n"
    (RESULTS / "start-times.txt").write_text(told)
    assert updated <= LONGER * plain, told
