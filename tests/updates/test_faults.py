# SPDX-License-Identifier: Apache-2.0
"""More ways for an update to go wrong, and ways back: each with its own restarts, so these take long.

The tests are the chapters of one story and need each other's ends: run the file as a whole.
"""

import pytest

from image.firmware import Start
from tests.updates.bundles import NEWER, NEWEST
from tests.updates.conftest import START_S, Device

A, B = Start(2, False), Start(3, False)
TRY_A, TRY_B = Start(2, True), Start(3, True)


def test_one_update_after_the_other(device: Device) -> None:
    """The second, installed before the restart, takes the place of the first."""
    assert device.switch_on() == A
    device.login()
    assert device.gate() == "success"
    device.ok("rauc install /run/bundles/good.raucb", 600)
    assert device.slots()["pending"]["version"] == NEWER
    device.ok("rauc install /run/bundles/again.raucb", 400)
    assert device.slots()["pending"]["version"] == NEWEST
    assert device.restart() == TRY_B
    device.login()
    assert device.gate() == "success"
    assert device.slots()["committed"] == "B"


def test_back_by_hand(device: Device) -> None:
    """The old slot is tried like a new one."""
    device.ok("rauc status mark-active other")
    assert device.restart() == TRY_A
    device.login()
    assert device.gate() == "success"
    assert device.slots()["committed"] == "A"


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        ("no-kernel", "did not start"),
        ("hang", "did not start"),
        ("crash-loop", "netmon is not ready"),
        ("gate-hangs", "its health gate did not end in time"),
        ("emergency", "its system did not come up"),
    ],
)
def test_a_faulty_update_ends_in_the_old_slot(device: Device, bundle: str, said: str) -> None:
    device.ok(f"rauc install /run/bundles/{bundle}.raucb", 400)
    assert device.restart() == TRY_B
    assert device.start_after(TRY_B, START_S) == A
    device.login()
    last = device.outcomes()[-1]
    assert last["outcome"] in ("failed", "retry")
    assert any(said in reason for reason in last["reasons"]), last


def test_a_changed_block_of_the_new_root_ends_in_the_old_slot(device: Device) -> None:
    device.ok("rauc install /run/bundles/again.raucb", 400)
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
    assert device.slots()["pending"] is None
    assert device.restart() == A
    device.login()


def test_an_older_version_needs_force(device: Device) -> None:
    refused = device.run("pilotlight update install /run/bundles/older.raucb", 400)
    assert refused.code == 1
    assert "older" in refused.output
    assert device.slots()["pending"] is None
    device.ok("pilotlight update policy never")
    device.ok("pilotlight update install --force /run/bundles/older.raucb", 400)
    assert device.slots()["pending"]["version"] == "0.0.1"
    device.ok("/usr/lib/rauc/bootchooser set-primary A")


def test_a_full_disk_refuses_and_changes_nothing(device: Device) -> None:
    device.ok("fallocate -l $(($(df --output=avail -B1 /data | tail -1) - 20000000)) /data/fill")
    refused = device.run("pilotlight update install /run/bundles/again.raucb", 400)
    assert refused.code == 1
    assert device.slots()["primary"] == "A"
    device.ok("rm /data/fill")
