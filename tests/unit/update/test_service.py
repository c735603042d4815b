# SPDX-License-Identifier: Apache-2.0
"""The orchestrator as a process, commanded over the bus."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import Client, DaemonError, Fd, InvalidArgument, NotPermitted, SettingsError
from pilotlight.daemon.identity import Caller, bind
from pilotlight.orchestrator.service import ADMIN_GROUP, Orchestrator
from pilotlight.orchestrator.update.policy import RebootPolicy
from pilotlight.orchestrator.update.settings import UpdateSettings
from pilotlight.orchestrator.update.setup import make_updates
from pilotlight.orchestrator.update.spool import NoSpace

from tests.support.daemons import Daemons
from tests.support.fake_rauc import FakeBoot, FakeRauc, bundle


@pytest.fixture
def rauc(bus: str) -> Iterator[FakeRauc]:
    boot = FakeBoot()
    boot.versions["A"] = "0.0.1"
    made = FakeRauc(boot)
    yield made
    made.leave()


@pytest.fixture
def client(rauc: FakeRauc, daemons: Daemons) -> Client:
    daemons.configure("orchestrator", "period_s: 0.1\ndata: /\nupdate: {reboot: never}\n")
    (Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator").mkdir()
    daemons.start("orchestrator")
    return Client("io.pilotlight.Orchestrator1")


def wait_for(client: Client, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The status, once it is as wanted."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        status: dict[str, Any] = client.call("UpdateStatus")
        if met(status):
            return status
        time.sleep(0.02)
    raise AssertionError(status)


def give(client: Client, content: bytes, **options: Any) -> int:
    """Upload a bundle and install it."""
    file = client.call("Upload", len(content), {})
    try:
        os.write(file, content)
        return int(client.call("Install", Fd(file), options))
    finally:
        os.close(file)


def test_upload_install_and_what_it_tells(client: Client, rauc: FakeRauc) -> None:
    number = give(client, bundle("99.0.0"), Name="new.raucb")
    status = wait_for(client, lambda s: s["State"] == "pending")
    assert (status["Booted"], status["Committed"], status["Pending"], status["Trial"]) == ("A", "A", "B", False)
    assert (status["Last"]["Id"], status["Last"]["Name"], status["Last"]["Version"]) == (number, "new.raucb", "99.0.0")
    wait_for(client, lambda s: s["Waits"] == "somebody to restart the device")
    assert client.get("UpdateState") == "pending" and client.get("UpdateProgress") == 100
    assert [u["Outcome"] for u in client.call("Updates")] == ["pending"]
    slots = {slot["Name"]: slot for slot in client.call("Slots")}
    assert slots["B"]["Version"] == "99.0.0" and slots["B"]["Pending"] and slots["A"]["Booted"]
    request = Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator/reboot"
    assert not request.exists()
    client.call("Reboot")
    assert request.exists()
    assert client.get("UpdateState") == "rebooting"


def test_a_refusal_is_in_the_history_and_in_the_text(client: Client) -> None:
    give(client, bundle("0.0.0"))
    status = wait_for(client, lambda s: s["State"] == "idle" and "Last" in s and s["Last"]["Outcome"] != "installing")
    assert status["Last"]["Outcome"] == "refused"
    assert "older" in status["Text"] and status["Text"] == client.get("UpdateText")


def test_an_administrator_forces_an_older_version(client: Client) -> None:
    give(client, bundle("0.0.0"), Force=True)
    assert wait_for(client, lambda s: s["State"] == "pending")["Last"]["Forced"] is True


@pytest.mark.parametrize("options", [{"Forced": True}, {"Force": 1}, {"Name": True}])
def test_options_are_checked(client: Client, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(bundle("99"))
    with (tmp_path / "b").open() as file, pytest.raises(InvalidArgument, match="nothing was done"):
        client.call("Install", Fd(file.fileno()), options)


def test_an_address_must_be_https(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="https"):
        client.call("InstallUrl", "http://updates.example/b.raucb", {})
    with pytest.raises(InvalidArgument):
        client.call("InstallUrl", "https://updates.example/b.raucb", {"Headers": [1]})


def test_too_large_is_said_at_once(client: Client) -> None:
    with pytest.raises(NoSpace) as refusal:
        client.call("Upload", 1 << 40, {"Name": "huge.raucb", "User": "ada"})
    (entry,) = client.call("Updates")
    assert (entry["Outcome"], entry["Source"], entry["Name"]) == ("refused", "file", "huge.raucb")
    assert entry["User"].startswith("ada through ") and entry["Reason"] == str(refusal.value)
    assert client.call("UpdateStatus")["Last"] == entry
    with pytest.raises(NoSpace):
        client.call("Upload", 0, {})
    assert client.call("Updates")[0]["Name"] == "bundle"


def test_policy_over_the_bus(client: Client) -> None:
    client.call("SetRebootPolicy", "window", "Sat 01:00-02:00")
    assert (client.get("RebootPolicy"), client.get("RebootWindow")) == ("window", "Sat 01:00-02:00")
    with pytest.raises(InvalidArgument):
        client.call("SetRebootPolicy", "window", "")


def test_refusals_of_rauc_have_a_name(client: Client) -> None:
    with pytest.raises(DaemonError) as refusal:
        client.call("Mark", "bad", "booted")
    assert refusal.value.dbus_name == "io.pilotlight.Error.WrongState"
    with pytest.raises(DaemonError, match="nothing that is known to work"):
        client.call("Rollback")


def test_changes_are_announced(client: Client, rauc: FakeRauc) -> None:
    import asyncio

    async def go() -> None:
        seen: list[dict[str, Any]] = []
        leave = client.subscribe_properties(seen.append)
        await asyncio.to_thread(give, client, bundle("99.0.0"))
        async with asyncio.timeout(10):
            while not any(change.get("UpdateState") == "pending" for change in seen):
                await asyncio.sleep(0.01)
        leave()
        count = len(seen)
        await asyncio.to_thread(client.call, "SetRebootPolicy", "now", "")
        await asyncio.sleep(0.1)
        assert len(seen) == count
        assert {"receiving", "pending"} <= {str(change.get("UpdateState")) for change in seen}

    asyncio.run(go())


def test_a_window_that_is_none_stops_the_start(bus: str, tmp_path: Path) -> None:
    for settings in (UpdateSettings(reboot_window="later"), UpdateSettings(reboot=RebootPolicy.WINDOW)):
        with pytest.raises(SettingsError, match=r"orchestrator\.yaml: update\.reboot_window"):
            make_updates(settings, {"Image": "1", "Pilotlight": "1"}, "", tmp_path)


def test_forcing_is_for_administrators(bus: str, tmp_path: Path) -> None:
    versions = {"Slot": "", "Image": "1", "Pilotlight": "1"}
    service = Orchestrator(versions, make_updates(UpdateSettings(), versions, "", tmp_path))
    operator = bind(Caller(1000, "otto", frozenset({"pilotlight", "pilotlight-operator"}), ":1.1"))
    calls: tuple[tuple[Callable[..., int], Any], ...] = (
        (service.Install, 0),
        (service.InstallUrl, "https://updates.example/b.raucb"),
    )
    for method, source in calls:
        with pytest.raises(NotPermitted, match=ADMIN_GROUP):
            operator.run(method, source, {"Force": True})
    assert not (tmp_path / "updates.json").exists()


def test_the_history_is_a_file_for_the_daemon_alone(client: Client) -> None:
    give(client, bundle("0.0.0"))
    wait_for(client, lambda s: s["State"] == "idle" and "Last" in s)
    path = Path(os.environ["PILOTLIGHT_STATE"]) / "orchestrator/updates.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["history"]["attempts"]
