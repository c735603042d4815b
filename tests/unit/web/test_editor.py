# SPDX-License-Identifier: Apache-2.0
"""What the OpenPLC Editor does, in its order, over real TLS."""

from tests.support.editor import Editor
from tests.unit.web.conftest import Site
from tests.unit.web.fake_runtime import FakeRuntime


def test_editor_claims_uploads_builds_and_starts(site: Site, runtime: FakeRuntime) -> None:
    with Editor(site.url) as editor:
        assert not editor.claimed()
        editor.connect()
        assert editor.claimed()
        assert editor.state() == "EMPTY"
        assert editor.build(b"PK-not-really")["status"] == "SUCCESS"
        assert runtime.archives == [b"PK-not-really"]
        assert runtime.archive_is_sealed
        assert runtime.options == {"name": "program", "user": "engineer"}
        assert editor.state() == "RUNNING"
        assert editor.start() == "START:ERROR_ALREADY_RUNNING"
        assert editor.stop() == "STOP:OK"
        assert editor.stop() == "STOP:ERROR"
        assert editor.start() == "START:OK"
        statistics = editor.statistics()
        assert statistics["scan_count"] == 132
        assert statistics["cycle_time_avg"] is None
