# SPDX-License-Identifier: Apache-2.0
"""The appliance in a container, started once for all tests of the tier."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image.container import Container
from tests.support.appliance import run
from tests.support.fixtures import editor, session_editor

__all__ = ["editor", "session_editor"]

RESULTS = Path(__file__).parents[2] / "build/results"


class Contained:
    """The container as the scenarios see it; its lines are the simulated chip of `bsp/container`."""

    request_s = 30.0

    def __init__(self, container: Container) -> None:
        self.container = container
        self.url = container.url

    def execute(self, command: str, timeout_s: float = 60.0) -> tuple[int, str]:
        return self.container.exec(["/bin/sh", "-c", command], timeout=timeout_s)

    def write(self, path: str, data: bytes) -> None:
        code, output = self.container.exec(["dd", f"of={path}", "status=none"], input=data.decode())
        assert code == 0, output

    def set_input(self, value: bool) -> None:
        run(self, f"pilotlight lines set start {int(value)}")

    def output(self) -> bool:
        return run(self, "pilotlight lines get lamp").strip().endswith("1")


@pytest.fixture(scope="session")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    container = Container(data=tmp_path_factory.mktemp("appliance") / "data")
    container.start()
    try:
        machine = Contained(container)
        assert container.wait_for_web(60), container.tail()
        machine.execute("systemctl is-system-running --wait")
        yield machine
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "appliance-journal.txt").write_text(machine.execute("journalctl --no-pager -o short-monotonic")[1])
    finally:
        container.stop()
