# SPDX-License-Identifier: Apache-2.0
"""Updates as people and fleets make them, with the real RAUC: at the console, on the page, over the bus, by a server.

The tests are the chapters of one story and need each other's ends: run the file as a whole.
"""

import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image.firmware import Start
from image.tools import tools
from tests.support import disks
from tests.support.browser import Browser
from tests.support.certificates import Authority
from tests.support.fake_hawkbit import DEVICE, FakeHawkbit
from tests.support.file_server import FileServer
from tests.updates import bundles, next_release, replay
from tests.updates.bundles import HOME, NEWER, NEWEST, OLDER
from tests.updates.conftest import ORCHESTRATOR_AT, RESULTS, START_S, Device

HOST = "10.0.2.2"
"""This machine, as the guest sees it."""
BUNDLE = HOME / "bundle.raucb"
INSTALL_S = 900.0  # patience for an installation, on a machine with other work
DAMAGED = "is not what was signed: it is damaged or was tampered with"
ADAPTIVE_SHARE = 0.15
"""Most of a bundle that is fetched when one daemon differs from the running slot."""
A, B = Start(2, False), Start(3, False)
TRY_A, TRY_B = Start(2, True), Start(3, True)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    made = Device("people")
    try:
        yield made
    finally:
        made.close()


def standing(device: Device) -> tuple[str, int]:
    """Where updates stand: a word, and percents of it."""
    told = device.ok(f"busctl get-property {ORCHESTRATOR_AT} UpdateState UpdateProgress").splitlines()
    return told[0].split('"')[1], int(told[1].split()[1])


def wait_for(device: Device, wanted: str, patience_s: float = INSTALL_S) -> list[tuple[str, int]]:
    """Wait until updates stand as wanted; what was seen on the way."""
    seen: list[tuple[str, int]] = []
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        now = standing(device)
        if now not in seen[-1:]:
            seen.append(now)
        if now[0] == wanted:
            return seen
        time.sleep(0.5)
    raise AssertionError(f"{wanted} did not come in {patience_s:.0f} s, but {seen}: {device.newest()}")


@contextmanager
def served(device: Device, bundle: Path, certificates: Path) -> Iterator[tuple[FileServer, str]]:
    """A server of a bundle which the device trusts, and the bundle's address there."""
    authority = Authority.make(certificates, "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    server = FileServer(bundle, context)
    try:
        device.machine.write("/etc/pilotlight/ca.pem", (certificates / "ca.pem").read_bytes())
        device.ok("printf 'update: {tls_ca: /etc/pilotlight/ca.pem}\\n' >/etc/pilotlight/orchestrator.yaml")
        device.ok("systemctl restart pilotlight-orchestrator", 200)
        yield server, f"https://{HOST}:{server.port}/bundle.raucb"
    finally:
        server.close()


def taken_out(name: str) -> bytes:
    """A bundle out of the file system with all of them."""
    folder = HOME / "taken-out"
    replay.remove(folder)
    disks.run(tools("disk"), "fsck.erofs", f"--extract={folder}", bundles.make_all().path)
    try:
        return (folder / f"{name}.raucb").read_bytes()
    finally:
        replay.remove(folder)


def test_the_first_start(device: Device) -> None:
    assert device.switch_on() == A
    device.login()
    assert device.gate() == "success"
    assert device.ok("pilotlight update policy never") == "never"
    told = device.ok("pilotlight update slots")
    assert "booted, committed, good" in told, told


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ("older", "older than"),
        ("wrong-key", "not signed by a key that this device trusts"),
        ("expired", "is not valid at this time"),
        ("wrong-board", "another board"),
        ("truncated", "no bundle, or it is damaged or cut off"),
        ("tampered", DAMAGED),
    ],
)
def test_what_may_not_be_installed_is_refused_with_its_reason(device: Device, bundle: str, reason: str) -> None:
    done = device.run(f"pilotlight update install /run/bundles/{bundle}.raucb", INSTALL_S)
    assert done.code == 1, done.output
    assert reason in done.output, done.output
    last = device.newest()
    assert last["Outcome"] in ("refused", "failed") and reason in last["Reason"]
    assert device.slots()["pending"] is None


def test_the_console_installs_a_bundle_with_progress(device: Device) -> None:
    told = device.ok("pilotlight update install /run/bundles/again.raucb", INSTALL_S)
    assert "Copying the bundle" in told and "Copying image" in told, told
    assert f"Installed {NEWEST} in slot B" in told
    assert device.slots()["pending"]["slot"] == "B"
    assert "slot B is not tried" in device.ok("pilotlight update rollback")
    assert device.slots()["pending"] is None
    assert device.newest()["Reason"].startswith("Taken back by root")


def test_the_page_installs_a_bundle_with_progress(device: Device) -> None:
    assert device.answers()
    with Browser() as browser:
        browser.size(1280, 900)
        browser.open(f"https://127.0.0.1:{device.port}")
        browser.wait("document.querySelector('#entry-title')?.textContent === 'Claim this device'", START_S)
        for field, text in (("#username", "ada"), ("#password", "correct horse"), ("#repeat", "correct horse")):
            browser.type(field, text)
        browser.click("#entry-submit")
        browser.wait("!document.querySelector('#board').hidden", START_S)
        browser.open(f"https://127.0.0.1:{device.port}/update")
        browser.wait("document.querySelector('#file') && !document.querySelector('#install').hidden", START_S)
        browser.choose("#file", BUNDLE)
        browser.click("#file-submit")
        browser.wait("document.querySelector('#upload').value > 5", INSTALL_S)
        browser.wait("document.querySelector('#state-word').textContent === 'Installing'", INSTALL_S)
        browser.wait("document.querySelector('#progress').value >= 40", INSTALL_S)
        browser.screenshot(RESULTS / "update-machine-installing.png")
        browser.wait("document.querySelector('#state-word').textContent === 'Waiting for the restart'", INSTALL_S)
        browser.wait("document.querySelector('#slots').textContent.includes('tried next')", INSTALL_S)
        browser.screenshot(RESULTS / "update-machine-waiting.png")
        browser.click("#rollback")
        browser.wait("document.querySelector('#ask').open")
        browser.click("#ask-yes")
        taken_back = "document.querySelector('#history tr').textContent.includes('Taken back by')"
        browser.wait(f"document.querySelector('#pending').textContent === '–' && {taken_back}", INSTALL_S)
        assert browser.errors == []
    assert device.slots()["pending"] is None


def test_streaming_from_an_address_moves_little_when_little_changed(device: Device, tmp_path: Path) -> None:
    bundle = next_release.make()
    with served(device, bundle, tmp_path) as (server, url):
        device.ok(f"busctl call {ORCHESTRATOR_AT} InstallUrl 'sa{{sv}}' {url} 0")
        seen = wait_for(device, "pending")
    shown = [percent for state, percent in seen if state == "installing"]
    assert len(set(shown)) > 2 and shown == sorted(shown), seen
    size = bundle.stat().st_size
    share = server.sent / size
    (RESULTS / "adaptive.txt").write_text(f"{server.sent} of {size} bytes, {share:.1%}\n")
    assert share <= ADAPTIVE_SHARE, f"{share:.1%}"
    assert device.newest()["Source"] == "url"
    device.ok("pilotlight update rollback")


def test_a_stream_that_was_tampered_with_is_refused(device: Device, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.raucb"
    bundle.write_bytes(taken_out("tampered"))
    with served(device, bundle, tmp_path) as (_, url):
        done = device.run(f"pilotlight update install {url}", INSTALL_S)
    assert done.code == 1 and DAMAGED in done.output, done.output
    assert DAMAGED in device.newest()["Reason"]
    assert device.slots()["pending"] is None


def test_a_fleet_server_updates_the_device_and_hears_of_it(device: Device) -> None:
    intact, tampered, good = taken_out("again"), taken_out("tampered"), taken_out("good")
    hawkbit = FakeHawkbit(host=HOST)
    try:
        device.ok(
            "printf secret >/etc/pilotlight/hawkbit.token; chown pilotlight-hawkbit /etc/pilotlight/hawkbit.token"
        )
        settings = f"url: {hawkbit.url}\ncontroller: {DEVICE}\nauth: target\ninsecure: true\n"
        device.machine.write("/etc/pilotlight/hawkbit.yaml", settings.encode())
        hawkbit.assign("1", tampered)
        hawkbit.announced = {"hashes": {"sha256": hashlib.sha256(intact).hexdigest()}}
        device.ok("systemctl start pilotlight-hawkbit", 200)
        hawkbit.wait_for("closed failure", INSTALL_S, "not what the server announced")
        hawkbit.announced = {}  # now of the tampered one itself: the server is not to be trusted either
        hawkbit.assign("2", tampered)
        hawkbit.wait_for("closed failure", INSTALL_S, DAMAGED)
        assert device.slots()["pending"] is None
        hawkbit.assign("3", good)
        hawkbit.wait_for("proceeding", INSTALL_S, f"{NEWER} is installed and waits for the restart")
        device.ok("pilotlight update policy now")
        assert device.start_after(A) == TRY_B
        device.login()
        assert device.gate() == "success"
        hawkbit.wait_for("closed success", INSTALL_S, f"{NEWER} runs and is confirmed")
        device.ok("rm /etc/pilotlight/hawkbit.yaml; systemctl stop pilotlight-hawkbit; pilotlight update policy never")
    finally:
        hawkbit.close()


def test_the_console_forces_an_older_bundle_that_is_tried_and_kept(device: Device) -> None:
    version = json.loads(device.ok("pilotlight update status --json"))["Version"]
    refused = device.run("pilotlight update install /run/bundles/older.raucb", INSTALL_S)
    assert refused.code == 1 and f"{OLDER} is older than {version}" in refused.output
    told = device.ok("pilotlight update install --force /run/bundles/older.raucb", INSTALL_S)
    assert "Copying the bundle" in told and "Copying image" in told, told
    assert f"Installed {OLDER} in slot A" in told
    before = len(device.board.starts)
    device.ok("pilotlight update reboot")
    assert device.board.wait_for_start(before + 1, START_S) == TRY_A
    device.login()
    assert device.gate() == "success"
    wait_for(device, "idle", START_S)
    last = device.newest()
    assert (last["Outcome"], last["Version"], last["Slot"], last["Forced"]) == ("done", OLDER, "A", True)


def test_going_back_by_hand(device: Device) -> None:
    assert "slot B" in device.ok("pilotlight update rollback")
    before = len(device.board.starts)
    device.ok("pilotlight update reboot")
    assert device.board.wait_for_start(before + 1, START_S) == TRY_B
    device.login()
    assert device.gate() == "success"
    assert device.slots()["committed"] == "B"
    assert device.newest()["Source"] == "rollback"
