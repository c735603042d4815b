# SPDX-License-Identifier: Apache-2.0
"""`pilotlight igniter` against a running igniter: a person who says yes, one who does not, and the exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest
from pilotlight.igniter import cli
from pilotlight.tags import now_ns

from tests.support.daemons import Daemons
from tests.unit.igniter.test_firing import KILL, Site


@pytest.fixture
def site(daemons: Daemons) -> Site:
    made = Site(daemons)
    made.wait_until(lambda: made.failing(1) == {"REAL_TIME"})
    return made


def answers(monkeypatch: pytest.MonkeyPatch, *said: Callable[[str], str]) -> None:
    left = list(said)
    monkeypatch.setattr("builtins.input", lambda question: left.pop(0)(question))


def code(question: str) -> str:
    return question.split("the code ")[1].split()[0]


def test_without_asking_it_arms_fires_and_shows_the_record(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    fire = ["fire", "1:30", "3:40", "--force", "REAL_TIME", "--without-asking"]
    assert cli.main(fire) == 0 or cli.main(fire) == 0, "once more on a machine that is too busy for the watchdogs"
    told = capsys.readouterr().out
    assert "REAL_TIME    FAILS (can be forced): " in told
    assert "channel 1  30 ms  on for" in told
    assert "channel 3  40 ms  on for" in told
    assert cli.main(["shots"]) == 0
    assert "channel 3  40 ms" in capsys.readouterr().out


class Restarted:
    """Answers as an igniter whose daemon was started anew: it numbers its shots from 1 again."""

    def __init__(self, interface: str) -> None:
        self.shots = [{"Number": 1, "Channel": 2, "Window": 50, "Commanded": 1, "End": "ABORTED", "Verdict": "old"}]

    def call(self, method: str, *_: object) -> object:
        if method == "Fire":
            self.shots.append({**self.shots[0], "Commanded": now_ns(), "End": "COMPLETED", "Verdict": "new"})
        answers = {"OpenSession": (1, 2000), "Prepare": ("123456", 0, 0), "Shots": [*self.shots]}
        return answers.get(method, [])


def test_a_shot_is_told_from_those_before_by_its_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "Client", Restarted)
    monkeypatch.setattr(cli, "SHOT_S", 0.1)
    assert cli.main(["fire", "2:50", "--without-asking"]) == 0
    told = capsys.readouterr().out
    assert "50 ms  new" in told and "old" not in told


def test_a_person_has_to_repeat_the_code_and_to_say_fire(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fire = ["fire", "1", "--force", "REAL_TIME"]
    answers(monkeypatch, lambda _: "000", lambda _: "FIRE")
    assert cli.main(fire) == 1
    assert "ARMED" not in capsys.readouterr().out
    answers(monkeypatch, code, lambda _: "no")
    assert cli.main(fire) == 1
    assert "safe again" in capsys.readouterr().out
    assert site.client.call("Shots") == []
    assert site.client.call("Status")["Mode"] == "SAFE"


def test_refusals_are_told_with_exit_code_1(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.chip.drive(KILL, False)
    site.wait_until(lambda: "KILL_SWITCH" in site.failing(1))
    assert cli.main(["checks", "1"]) == 1
    assert "KILL_SWITCH  FAILS: the kill switch is open" in capsys.readouterr().out
    assert cli.main(["fire", "1", "--without-asking"]) == 1
    assert "arming checks fail" in capsys.readouterr().err
    assert cli.main(["status"]) == 0
    assert "mode SAFE  kill switch OPEN" in capsys.readouterr().out
    assert cli.main(["disarm"]) == 0
    assert cli.main(["clear"]) == 0


@pytest.mark.parametrize("text", ["", "x", "1:", "1:x", "-1"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        cli.target(text)
    assert cli.target("3:500") == (3, 500)
