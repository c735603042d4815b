# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tiers that have a running appliance; each tier's own fixture `appliance` starts one."""

from collections.abc import Iterator

import pytest

from tests.support.appliance import Appliance
from tests.support.editor import Editor


@pytest.fixture(scope="session")
def session_editor(appliance: Appliance) -> Iterator[Editor]:
    """An editor window that is open for the whole session."""
    with Editor(appliance.url) as editor:
        editor.http.timeout = appliance.request_s
        editor.connect()
        yield editor


@pytest.fixture
def editor(session_editor: Editor) -> Editor:
    """A connected editor with a fresh token, as after its silent login."""
    session_editor.login()
    return session_editor
