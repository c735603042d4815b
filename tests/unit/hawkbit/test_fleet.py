# SPDX-License-Identifier: Apache-2.0
"""An action from its assignment to its end, with all that can go wrong on the way."""

from __future__ import annotations

import hashlib

import pytest
from pilotlight.daemon import Busy, DaemonError, Unavailable
from pilotlight.orchestrator.hawkbit import fetching, server
from pilotlight.orchestrator.hawkbit.job import Stage
from pilotlight.orchestrator.hawkbit.messages import BadAnswer
from pilotlight.orchestrator.hawkbit.server import ServerError

from tests.support.fake_hawkbit import FILE
from tests.unit.hawkbit.conftest import Site

CONTENT = bytes(range(256)) * 4096


def test_an_update_from_poll_to_confirmation(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    assert site.device.installed == [CONTENT]
    assert site.device.updates[0]["Name"] == f"{FILE} (action 7)"
    assert site.hawkbit.words() == ["download none", "downloaded none", "proceeding none"]
    site.device.becomes("pending")
    site.turn(3)
    site.life()
    site.device.becomes("trying")
    site.turn(3)
    site.device.becomes("done")
    site.turn()
    assert site.hawkbit.words()[3:] == ["proceeding none", "proceeding none", "closed success"]
    assert "waits for the restart" in site.hawkbit.details() and "runs and is confirmed" in site.hawkbit.details()
    assert site.fleet.job is None
    site.turn(2)
    assert site.hawkbit.config == {"version": "1.0.0", "slot": "A", "line": "7"}
    assert len(site.device.installed) == 1


@pytest.mark.parametrize("outcome", ["refused", "failed", "rolled back", "withdrawn"])
def test_a_failure_is_told_with_its_reason(site: Site, outcome: str) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    site.device.becomes(outcome, "the gate did not pass")
    site.life().round()
    assert site.hawkbit.words()[-1] == "closed failure"
    assert f"{outcome}: the gate did not pass" in site.hawkbit.details()


def test_a_tampered_download_is_refused_and_thrown_away(site: Site) -> None:
    intact = hashlib.sha256(CONTENT).hexdigest()
    site.hawkbit.assign("7", bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    site.hawkbit.announced = {"hashes": {"sha256": intact}}
    site.turn()
    assert site.device.installed == []
    assert site.hawkbit.words()[-1] == "closed failure"
    assert "not what the server announced" in site.hawkbit.details()
    assert (site.folder / intact).stat().st_size == 0


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_size_that_is_not_kept(site: Site, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TRIES", 3)
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.announced = {"size": size}
    site.turn()
    assert site.device.installed == [] and site.hawkbit.words()[-1] == "closed failure"


def test_a_file_without_end_does_not_fill_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PIECE", 1000)
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.announced = {"size": 5000}
    largest = 0
    pause = site.pause

    def measure(seconds: float) -> None:
        nonlocal largest
        largest = max(largest, (site.folder / hashlib.sha256(CONTENT).hexdigest()).stat().st_size)
        pause(seconds)

    monkeypatch.setattr(site, "pause", measure)
    site.life()
    site.turn()
    assert 0 < largest <= 5000 and "longer" in site.hawkbit.details()


def test_another_part_than_asked_for_is_not_taken(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "cut:1000"), (FILE, "elsewhere")]
    site.turn()
    assert site.device.installed == [] and "another part" in site.hawkbit.details()


def test_an_action_that_has_ended_is_not_begun_again(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    site.device.becomes("failed", "x")
    site.turn()
    site.hawkbit.assign("7", CONTENT)
    site.turn(3)
    assert len(site.device.updates) == 1


def test_a_download_that_breaks_off_goes_on_where_it_was(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "cut:1000"), (FILE, "503"), (FILE, "cut:50000"), (FILE, "drop")]
    site.turn()
    assert site.device.installed == [CONTENT]
    ranges = [headers.get("Range") for _, path, headers in site.hawkbit.requests if FILE in path]
    assert ranges == [None, "bytes=1000-", "bytes=1000-", "bytes=51000-", "bytes=51000-"]


def test_a_download_goes_on_over_a_restart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "cut:1000")]
    with monkeypatch.context() as patched:
        patched.setattr(site, "pause", _stop)
        site.life()
        with pytest.raises(fetching.Stopped):
            site.turn()
    site.life()
    site.turn()
    assert site.device.installed == [CONTENT]
    assert [h.get("Range") for _, path, h in site.hawkbit.requests if FILE in path] == [None, "bytes=1000-"]


def _stop(seconds: float) -> None:
    if seconds:
        raise fetching.Stopped("the daemon stops")


def test_a_server_without_ranges_is_heard_from_the_beginning(site: Site) -> None:
    site.hawkbit.ranges = False
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "cut:1000")]
    site.turn()
    assert site.device.installed == [CONTENT]


@pytest.mark.parametrize("status", ["404", "403", "500", "503"])
def test_a_file_that_cannot_be_had_ends_the_action(site: Site, status: str) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, status)] * 100
    site.turn()
    assert site.hawkbit.words()[-1] == "closed failure"
    assert status in site.hawkbit.details()
    assert len(site.waits) < fetching.TRIES and max(site.waits) <= 900
    assert site.waits == sorted(site.waits)


@pytest.mark.parametrize("fault", ["500", "503", "404", "401", "429", "garbage", "huge", "drop"])
def test_a_poll_that_fails_changes_nothing(site: Site, fault: str) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [("controller", fault)]
    with pytest.raises((ServerError, BadAnswer)) as failure:
        site.turn()
    assert "secret" not in str(failure.value)
    site.turn()
    assert site.device.installed == [CONTENT]


def test_a_server_that_stalls_is_left_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WAIT_S", 0.2)
    site.hawkbit.faults = [("controller", "hang")]
    with pytest.raises(ServerError, match="does not answer"):
        site.turn()
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "hang")]
    site.turn()
    assert site.device.installed == [CONTENT]


def test_feedback_that_is_lost_stops_nothing_but_the_end_is_repeated(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [("feedback", "500")] * 3
    site.turn()
    assert site.device.installed == [CONTENT] and site.hawkbit.words() == []
    site.device.becomes("done")
    site.hawkbit.faults = [("feedback", "500"), ("feedback", "drop")]
    for _ in range(2):
        with pytest.raises(ServerError):
            site.turn()
        site.life()
    site.turn()
    assert site.hawkbit.words() == ["closed success"]


def test_an_action_that_the_server_knows_no_more_is_forgotten(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    site.hawkbit.closed.add("7")
    site.hawkbit.action = ""
    site.device.becomes("done")
    site.turn()
    assert site.fleet.job is None
    site.hawkbit.assign("8", CONTENT + b"x")
    site.turn()
    assert len(site.device.installed) == 2


def test_the_server_says_how_often_to_ask(site: Site) -> None:
    assert site.fleet.round() == 10
    site.hawkbit.sleep = "01:00:30"
    site.turn()
    assert site.fleet.round() == 3630
    for nonsense in ("", "soon", "-1:00:00"):
        site.hawkbit.sleep = nonsense
        site.turn()
        assert site.fleet.round() == 3630
    site.hawkbit.sleep = "00:00:00"
    site.turn()
    assert site.fleet.round() == 10


def test_only_download_then_install_in_the_window(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.handling = {"download": "skip", "update": "skip"}
    site.turn()
    assert site.hawkbit.words() == []
    site.hawkbit.handling = {"download": "forced", "update": "forced", "maintenanceWindow": "unavailable"}
    site.turn(3)
    assert site.device.installed == [] and site.hawkbit.words() == ["download none", "downloaded none"]
    assert site.fleet.job is not None and site.fleet.job.stage is Stage.FETCHED
    site.hawkbit.handling["maintenanceWindow"] = "available"
    site.turn()
    assert site.device.installed == [CONTENT]


def test_cancelled_before_anything_was_installed(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.handling = {"download": "forced", "update": "skip"}
    site.turn()
    site.hawkbit.cancels = True
    site.turn()
    assert site.fleet.job is None and site.device.installed == []
    assert site.hawkbit.told[-1][0].endswith("/cancelAction/7/feedback")
    assert site.hawkbit.told[-1][1]["status"]["execution"] == "closed"


def test_cancelled_in_the_middle_of_the_download(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.faults = [(FILE, "cut:1000"), (FILE, "503")]
    pause = site.pause

    def cancel_then_pause(seconds: float) -> None:
        if seconds:
            site.hawkbit.cancels = True
            site.now += 86400
        pause(seconds)

    monkeypatch.setattr(site, "pause", cancel_then_pause)
    site.life()
    site.turn()
    assert site.fleet.job is None and site.device.installed == [] and site.device.updates == []
    assert site.hawkbit.told[-1][0].endswith("/cancelAction/7/feedback")


def test_an_update_that_waits_is_taken_back_and_one_under_way_is_not(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    site.hawkbit.cancels = True
    site.turn()
    assert site.hawkbit.told[-1][1]["status"]["execution"] == "rejected" and site.device.rollbacks == 0
    site.device.becomes("pending")
    site.hawkbit.cancels = True
    site.turn()
    assert site.hawkbit.told[-1][1]["status"]["execution"] == "closed" and site.device.rollbacks == 1
    assert site.fleet.job is None


def test_somebody_else_updates_the_device(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.device.refusal = Busy("an update is being installed")
    site.turn(3)
    assert site.hawkbit.words() == []
    site.device.refusal = None
    site.turn()
    assert site.device.installed == [CONTENT]


def test_no_room_ends_the_action_and_no_orchestrator_does_not(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.device.refusal = Unavailable("gone")
    with pytest.raises(Unavailable):
        site.turn()
    assert site.hawkbit.words() == []
    site.device.refusal = DaemonError("there is no room")
    site.turn()
    assert site.hawkbit.words() == ["closed failure"] and "no room" in site.hawkbit.details()
    assert site.device.uploads == [f"{FILE} (action 7)"] * 2


def test_a_bundle_is_not_installed_twice_when_the_answer_was_lost(site: Site) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.device._new(f"{FILE} (action 7)")
    site.turn()
    assert site.device.installed == []
    assert site.fleet.job is not None and site.fleet.job.update == 1


def test_streaming_hands_the_address_over(site: Site) -> None:
    import msgspec

    site.settings = msgspec.structs.replace(site.settings, stream=True)
    site.life()
    site.hawkbit.assign("7", CONTENT)
    site.turn()
    assert site.device.urls == [(f"{site.hawkbit.url}/files/{FILE}", ["Authorization: TargetToken secret"])]
    assert not any(FILE in path for _, path, _ in site.hawkbit.requests)
    site.device.becomes("done")
    site.turn()
    assert site.hawkbit.words()[-1] == "closed success"


@pytest.mark.parametrize(
    "announced",
    [
        {"hashes": {}},
        {"size": 0},
        {"_links": {}},
        {"filename": "x.img"},
        {"_links": {"download": {"href": "ftp://x/y"}}},
    ],
)
def test_a_deployment_that_makes_no_sense_is_refused_once(site: Site, announced: dict[str, object]) -> None:
    site.hawkbit.assign("7", CONTENT)
    site.hawkbit.announced = announced
    site.turn(2)
    assert site.hawkbit.words() in (["closed failure"], ["download none", "closed failure"])
    assert site.device.installed == []
