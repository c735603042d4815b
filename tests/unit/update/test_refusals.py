# SPDX-License-Identifier: Apache-2.0
"""What is refused before it begins: it is in the history with its reason, and disturbs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pilotlight.daemon import Busy, DaemonError, InvalidArgument, NotPermitted, StateFile, Unavailable, WrongState
from pilotlight.orchestrator.update import spool
from pilotlight.orchestrator.update.attempts import HISTORY_MAX, Attempt, History, Outcome, end
from pilotlight.orchestrator.update.installing import Source
from pilotlight.orchestrator.update.ledger import Ledger, Records, Request
from pilotlight.orchestrator.update.manager import Updates
from pilotlight.orchestrator.update.settings import UpdateSettings
from pilotlight.orchestrator.update.spool import NoSpace

from tests.support.fake_rauc import bundle
from tests.unit.update.conftest import Site, settled, until

URL = "https://updates.example/b.raucb"
BY_FLEET = Request("fleet", URL, "hawkBit through root")
BY_EVE = Request("file", "eves.raucb", "eve through pilotlight-web")


def told(updates: Updates) -> list[tuple[str, str, str, str, str]]:
    """Source, name, person, outcome and reason of every entry of the history, oldest first."""
    return [(a.source, a.name, a.user, str(a.outcome), a.reason) for a in updates.ledger.history.attempts]


def test_a_second_update_leaves_its_reason_and_the_first_goes_on(site: Site) -> None:
    async def go() -> None:
        site.rauc.hold.clear()
        async with site.life() as updates:
            number = site.begin(updates, bundle("1.1.0"))
            await until(lambda: updates.standing.progress == 60)
            before = updates.standing
            with pytest.raises(Busy) as by_fleet:
                updates.install(BY_FLEET, Source(url=URL))
            with pytest.raises(Busy) as by_eve:
                updates.upload(BY_EVE, 10)
            assert told(updates) == [
                ("fleet", URL, "hawkBit through root", "refused", str(by_fleet.value)),
                ("file", "eves.raucb", "eve through pilotlight-web", "refused", str(by_eve.value)),
                ("file", "test.raucb", "ada", "installing", ""),
            ]
            latest = updates.ledger.latest
            assert latest is not None and latest.id == number and latest == updates.ledger.current
            assert updates.standing == before
        async with site.life() as updates:
            assert updates.busy
            site.rauc.hold.set()
            await settled(updates)
            assert [entry[3] for entry in told(updates)] == ["refused", "refused", "pending"]
            assert len(site.rauc.installed) == 1

    asyncio.run(go())


def test_what_does_not_fit_is_in_the_history(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with site.life() as updates:
            with pytest.raises(NoSpace, match="bundle_mib") as too_large:
                updates.upload(BY_EVE, (1024 << 20) + 1)
            with monkeypatch.context() as patch:
                patch.setattr(spool, "MARGIN", 1 << 60)
                with pytest.raises(NoSpace, match="are free") as no_room:
                    updates.upload(BY_EVE, 10)
            (site.folder / "bundles").rmdir()
            (site.folder / "bundles").write_text("in the way")
            with pytest.raises(NoSpace, match="cannot be taken") as no_folder:
                updates.upload(BY_EVE, 10)
            assert told(updates) == [
                ("file", "eves.raucb", "eve through pilotlight-web", "refused", str(error.value))
                for error in (too_large, no_room, no_folder)
            ]
            assert all(a.before == "1.0.0" and a.ended >= a.started > 0 for a in updates.ledger.history.attempts)
            await updates.tick()
            assert (updates.standing.state, updates.standing.text) == ("idle", str(no_folder.value))
        async with site.life() as updates:
            assert len(told(updates)) == 3

    asyncio.run(go())


def test_a_trial_ends_as_it_would_have_without_the_refusals(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
        site.boot.restart()
        async with site.life() as updates:
            with pytest.raises(WrongState) as on_trial:
                updates.upload(BY_EVE, 10)
            assert told(updates)[0][3:] == ("refused", str(on_trial.value))
            assert updates.standing.state == "trying"
        site.boot.fall_back("pilotlight-web does not answer")
        async with site.life() as updates:
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.ROLLED_BACK
            with pytest.raises(NoSpace):
                updates.upload(BY_EVE, 1 << 50)
            await updates.tick()
            assert "pilotlight-web does not answer" in updates.problems()[0]
            updates.reboot("ada")
            with pytest.raises(Busy, match="restarts") as restarting:
                updates.install(BY_FLEET, Source(url=URL))
            assert told(updates)[-1][3:] == ("refused", str(restarting.value))

    asyncio.run(go())


@pytest.mark.parametrize("error", [NotPermitted("no"), InvalidArgument("no"), Unavailable("no")])
def test_wrong_calls_and_strangers_leave_no_entry(error: DaemonError, tmp_path: Path) -> None:
    ledger = Ledger(StateFile(tmp_path / "updates.json", Records), UpdateSettings())
    with pytest.raises(type(error)), ledger.refusals(BY_EVE, "1.0.0"):
        raise error
    assert ledger.history == History()


def test_the_same_refusal_is_one_entry_with_its_newest_time(tmp_path: Path) -> None:
    """A fleet server's door asks again at each poll."""
    ledger = Ledger(StateFile(tmp_path / "updates.json", Records), UpdateSettings())
    asked = [
        (100.0, BY_FLEET, "busy"), (200.0, BY_FLEET, "busy"), (300.0, BY_FLEET, "on trial"),
        (400.0, BY_EVE, "on trial"), (500.0, BY_FLEET, "on trial"),
    ]  # fmt: skip
    for time, request, reason in asked:
        again = Request(request.source, request.name, request.user, time=time)
        with pytest.raises(Busy), ledger.refusals(again, "1.0.0"):
            raise Busy(reason)
    kept = [(a.started, a.name, a.reason) for a in ledger.history.attempts]
    assert kept == [
        (200.0, URL, "busy"), (300.0, URL, "on trial"), (400.0, "eves.raucb", "on trial"), (500.0, URL, "on trial"),
    ]  # fmt: skip
    assert len({a.id for a in ledger.history.attempts}) == 4


def attempt(number: int, outcome: Outcome = Outcome.INSTALLING, name: str = "x") -> Attempt:
    return Attempt(id=number, source="file", name=name, user="ada", started=1.0, slot="B", outcome=outcome)


@pytest.mark.parametrize("ended", [0, 1, HISTORY_MAX - 1, HISTORY_MAX])
@pytest.mark.parametrize("outcome", [Outcome.INSTALLING, Outcome.PENDING, Outcome.TRYING])
def test_no_number_of_refusals_makes_what_is_open_forgotten(ended: int, outcome: Outcome) -> None:
    history = History()
    for _ in range(ended):
        history = history.with_attempt(attempt(history.next_id, Outcome.DONE))
    under_way = attempt(history.next_id, outcome)
    history = history.with_attempt(under_way)
    for count in range(2 * HISTORY_MAX):
        refusal = attempt(history.next_id, name=f"refused {count}")
        history = history.with_refusal(end(refusal, Outcome.REFUSED, "busy", 2.0))
    assert len(history.attempts) == HISTORY_MAX
    assert history.latest == history.current == history.accepted == under_way
    assert [a.id for a in history.attempts[:-1]] == list(range(history.next_id - HISTORY_MAX + 1, history.next_id))
    settled = end(under_way, Outcome.DONE, "", 3.0)
    assert history.with_attempt(settled).latest == settled
