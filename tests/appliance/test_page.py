# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: log in, see the state and the live values, stop and start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.conftest import RESULTS, Contained
from tests.support import scenarios
from tests.support.browser import Browser
from tests.support.editor import Editor


@pytest.fixture
def browser(appliance: Contained, editor: Editor) -> Iterator[Browser]:
    """A browser in which a person has logged in, on an appliance that runs a program."""
    scenarios.load_and_run(appliance, editor, "follow")
    with Browser() as made:
        made.size(1280, 900)
        made.open(appliance.url)
        made.wait("document.querySelector('#entry') && !document.querySelector('#entry').hidden")
        made.type("#username", editor.username)
        made.type("#password", editor.password)
        made.click("#entry-submit")
        made.wait("document.querySelector('#state-word').textContent === 'RUNNING'")
        yield made
        assert made.errors == []


def _picture(browser: Browser, name: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    browser.screenshot(Path(RESULTS) / f"page-{name}.png")


def test_live_values_follow_the_line(appliance: Contained, browser: Browser) -> None:
    appliance.set_input(False)
    browser.type("#search", "line.lamp")
    browser.wait("document.querySelectorAll('#tags-rows tr').length === 1")
    value = "document.querySelector('#tags-rows td:nth-child(2)').textContent"
    browser.wait(f"{value} === 'FALSE'")
    appliance.set_input(True)
    browser.wait(f"{value} === 'TRUE'")
    browser.wait("document.querySelectorAll('#log li').length > 0")
    _picture(browser, "desktop")


def test_page_fits_a_phone(browser: Browser) -> None:
    browser.size(360, 740, dark=True)
    browser.wait("document.querySelectorAll('#tags-rows tr').length > 0")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    small = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && b.offsetHeight < 40).length"
    assert browser.evaluate(small) == 0
    _picture(browser, "phone")


def test_stop_and_start(appliance: Contained, browser: Browser) -> None:
    for button, state in (("#stop", "STOPPED"), ("#start", "RUNNING")):
        browser.wait(f"!document.querySelector('{button}').disabled")
        browser.click(button)
        browser.wait("document.querySelector('#ask').open")
        browser.click("#ask-yes")
        browser.wait(f"document.querySelector('#state-word').textContent === '{state}'")


def test_interface_page_needs_nothing_from_elsewhere(appliance: Contained, browser: Browser) -> None:
    browser.open(f"{appliance.url}/api/docs")
    browser.wait("document.querySelectorAll('#routes section').length > 20")
    foreign = "performance.getEntriesByType('resource').filter((r) => !r.name.startsWith(location.origin)).length"
    assert browser.evaluate(foreign) == 0
