# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: who comes first claims the device, who comes later logs in."""

from tests.support.browser import Browser
from tests.unit.web.conftest import ADMIN, Site

TITLE = "document.querySelector('#entry-title')?.textContent === '{}' && !document.querySelector('#entry').hidden"


def test_the_first_visitor_claims_the_device_and_logs_in_the_next_time(site: Site) -> None:
    with Browser() as browser:
        browser.open(site.url)
        browser.wait(TITLE.format("Claim this device"))
        for field, text in {"#username": "username", "#password": "password", "#repeat": "password"}.items():
            browser.type(field, ADMIN[text])
        browser.click("#entry-submit")
        browser.wait("!document.querySelector('#board').hidden")
        browser.click("#logout")
        browser.wait(TITLE.format("Log in"))
        assert browser.evaluate("document.querySelector('#repeat-row').hidden")
        assert browser.errors == []


def test_whoever_asks_is_told_whether_the_device_is_claimed(site: Site) -> None:
    assert site.call("GET", "/api/claimed").json() == {"claimed": False}
    site.claim()
    assert site.call("GET", "/api/claimed").json() == {"claimed": True}
    assert site.call("GET", "/api/claimed", "stale").json() == {"claimed": True}
