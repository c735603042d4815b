# SPDX-License-Identifier: Apache-2.0
"""The page of updates in a real browser: upload, progress, slots, history, going back, when to restart."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser
from tests.support.fake_rauc import FakeRauc, bundle
from tests.unit.web.conftest import ADMIN, Site

RESULTS = Path(__file__).parents[3] / "build/results"


def log_in(browser: Browser, site: Site, username: str, password: str) -> None:
    browser.open(site.url)
    browser.wait("document.querySelector('#entry') && !document.querySelector('#entry').hidden")
    browser.type("#username", username)
    browser.type("#password", password)
    browser.click("#entry-submit")
    browser.wait("!document.querySelector('#board').hidden")
    browser.open(f"{site.url}/update")
    browser.wait("document.querySelector('#state-word')?.textContent === 'Up to date'")


@pytest.fixture
def browser(site: Site, rauc: FakeRauc) -> Iterator[Browser]:
    site.claim()
    with Browser() as made:
        made.size(1280, 900)
        log_in(made, site, **ADMIN)
        yield made
        assert made.errors == []


def word(browser: Browser, text: str) -> None:
    browser.wait(f"document.querySelector('#state-word').textContent === {json.dumps(text)}")


def picture(browser: Browser, name: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    browser.screenshot(RESULTS / f"update-{name}.png")


def test_upload_with_progress_then_go_back(browser: Browser, rauc: FakeRauc, tmp_path: Path) -> None:
    rauc.hold.clear()
    file = tmp_path / "pilotlight-test-99.0.0.raucb"
    file.write_bytes(bundle("99.0.0", pad=200_000))
    browser.choose("#file", file)
    browser.click("#file-submit")
    word(browser, "Installing")
    browser.wait("document.querySelector('#progress').value === 60")
    assert browser.evaluate("document.querySelector('#file-submit').disabled")
    assert browser.evaluate("document.querySelector('#text').textContent").endswith("60 %")
    picture(browser, "installing")
    rauc.hold.set()
    word(browser, "Waiting for the restart")
    browser.wait("document.querySelector('#slots').textContent.includes('tried next')")
    browser.wait("document.querySelector('#history').textContent.includes('pilotlight-test-99.0.0.raucb')")
    picture(browser, "waiting")
    browser.click("#rollback")
    browser.wait("document.querySelector('#ask').open")
    browser.click("#ask-yes")
    taken_back = "document.querySelector('#history tr').textContent.includes('Taken back by')"
    browser.wait(f"document.querySelector('#pending').textContent === '–' && {taken_back}")


def test_a_refusal_is_shown_with_its_reason_also_on_a_phone(browser: Browser, rauc: FakeRauc, tmp_path: Path) -> None:
    browser.size(360, 740, dark=True)
    file = tmp_path / "broken.raucb"
    file.write_bytes(bytes(4096))
    browser.choose("#file", file)
    browser.click("#file-submit")
    word(browser, "The last update failed")
    assert "damaged or cut off" in browser.evaluate("document.querySelector('#text').textContent")
    browser.wait("document.querySelector('#history').textContent.includes('refused')")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    small = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && b.offsetHeight < 40).length"
    assert browser.evaluate(small) == 0
    picture(browser, "refused")


def test_policy_is_saved(browser: Browser, site: Site, rauc: FakeRauc) -> None:
    browser.wait("document.querySelector('#policy').value === 'never'")
    browser.evaluate(
        "(() => { const field = document.querySelector('#policy'); field.value = 'window'; "
        "field.dispatchEvent(new Event('change')); })()"
    )
    browser.type("#window", "Sat,Sun 02:00-04:00")
    browser.click("#policy-submit")
    browser.wait("document.querySelector('#notice').textContent === 'The policy is set.'")
    token = site.login(**ADMIN)
    assert site.call("GET", "/api/update", token).json()["reboot_window"] == "Sat,Sun 02:00-04:00"


def test_a_viewer_only_looks(site: Site, rauc: FakeRauc) -> None:
    site.add(site.claim(), "vera", "viewer")
    with Browser() as browser:
        log_in(browser, site, "vera", "battery staple")
        hidden = "['#install', '#actions', '#policy-submit'].every((s) => document.querySelector(s).hidden)"
        assert browser.evaluate(hidden)
        assert browser.errors == []


def test_a_stranger_is_sent_to_the_login(site: Site) -> None:
    with Browser() as browser:
        browser.open(f"{site.url}/update")
        browser.wait("document.querySelector('#strangers') && !document.querySelector('#strangers').hidden")
        assert browser.evaluate("document.querySelector('#board').hidden")
