# SPDX-License-Identifier: Apache-2.0
"""Rolling back and marking by hand, and when the device restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pilotlight.daemon import Busy, InvalidArgument, Unavailable, WrongState
from pilotlight.orchestrator.update import restart
from pilotlight.orchestrator.update.attempts import Outcome
from pilotlight.orchestrator.update.policy import STOPPED_S, RebootPolicy
from pilotlight.orchestrator.update.settings import UpdateSettings

from tests.unit.update.conftest import Site


def test_an_update_that_waits_can_be_taken_back(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
            assert "slot B is not tried" in await updates.rollback("ada")
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.WITHDRAWN and "ada" in latest.reason
            assert site.boot.pending == "" and updates.standing.state == "idle" and site.reboots == 0

    asyncio.run(go())


def test_while_rauc_takes_it_back_nobody_else_draws_conclusions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
            loop, take_back = asyncio.get_running_loop(), site.boot.set_primary

            async def meanwhile() -> None:
                await updates.tick()
                with pytest.raises(Busy, match="going back"):
                    updates.reboot("eve")

            def slowly(slot: str) -> None:
                take_back(slot)
                asyncio.run_coroutine_threadsafe(meanwhile(), loop).result(10)

            monkeypatch.setattr(site.boot, "set_primary", slowly)
            await updates.rollback("ada")
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.WITHDRAWN and "ada" in latest.reason
            assert site.reboots == 0
            updates.reboot("eve")

    asyncio.run(go())


def test_a_version_on_trial_is_left_by_a_restart_at_once(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
        site.boot.restart()
        site.boot.pending = "B"
        site.boot.publish()
        async with site.life() as updates:
            assert "slot A" in await updates.rollback("ada")
            assert site.marks_active() == ["A"] and site.reboots == 1
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.WITHDRAWN

    asyncio.run(go())


def test_going_back_is_a_trial_of_its_own(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            with pytest.raises(WrongState, match="nothing that is known to work"):
                await updates.rollback("ada")
            assert updates.ledger.latest is None
            site.boot.good.add("B")
            assert "0.9.0" in await updates.rollback("ada")
            latest = updates.ledger.latest
            assert latest is not None
            assert (latest.source, latest.version, latest.outcome) == ("rollback", "0.9.0", Outcome.PENDING)
        site.boot.restart()
        site.boot.confirm()
        async with site.life() as updates:
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.DONE

    asyncio.run(go())


def test_without_slots_there_is_nothing_to_go_back_to(site: Site) -> None:
    async def go() -> None:
        (Path(site.folder) / "run/boot/status.json").unlink()
        async with site.life() as updates:
            with pytest.raises(WrongState, match="nothing to go back to"):
                await updates.rollback("ada")
            assert updates.boot is None

    asyncio.run(go())


def test_without_rauc_everything_else_goes_on(site: Site) -> None:
    async def go() -> None:
        site.rauc.leave()
        async with site.life() as updates:
            with pytest.raises(Unavailable, match="running system goes on"):
                await updates.slots()
            attempt = await site.install(updates, "1.1.0")
            assert attempt.outcome is Outcome.REFUSED and "RAUC does not answer" in attempt.reason
            await updates.tick()

    asyncio.run(go())


def test_marking_by_hand(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            assert "good" in await updates.mark("good", "booted")
            with pytest.raises(WrongState, match="committed slot stays"):
                await updates.mark("bad", "A")
            for state, slot in (("active", "B"), ("good", "C"), ("", "")):
                with pytest.raises(InvalidArgument):
                    await updates.mark(state, slot)
            assert site.rauc.marks == [("good", "A")]

    asyncio.run(go())


def test_what_is_in_the_slots(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
            a, b = (await updates.slots()).all
            assert (a.name, a.version, a.booted, a.committed, a.pending, a.good) == (
                "A",
                "1.0.0",
                True,
                True,
                False,
                True,
            )
            assert (b.name, b.version, b.booted, b.committed, b.pending, b.good) == (
                "B",
                "1.1.0",
                False,
                False,
                True,
                False,
            )

    asyncio.run(go())


def test_the_device_restarts_when_the_machine_has_been_stopped_for_a_while(site: Site) -> None:
    async def go() -> None:
        site.settings = UpdateSettings(reboot=RebootPolicy.STOPPED)
        async with site.life() as updates:
            await updates.tick()
            assert site.reboots == 0
            await site.install(updates, "1.1.0")
            for state, seconds, reboots in (
                ("RUNNING", 3600.0, 0),
                ("STOPPED", 0.0, 0),
                ("STOPPED", STOPPED_S - 1, 0),
                ("RUNNING", 1.0, 0),
                ("STOPPED", 1.0, 0),
                ("ERROR", STOPPED_S / 2, 0),
                (None, STOPPED_S / 2 + 1, 1),
                ("STOPPED", 100.0, 1),
                ("STOPPED", restart.PATIENCE_S, 2),
            ):
                site.runtime = state
                site.now += seconds
                await updates.tick()
                assert site.reboots == reboots, (state, seconds)
                if not reboots:
                    assert "that waits for the machine" in updates.standing.text

    asyncio.run(go())


def test_never_waits_for_somebody(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
            site.runtime = "STOPPED"
            site.now += 1e6
            await updates.tick()
            assert site.reboots == 0 and "somebody" in updates.standing.text
            updates.reboot("ada")
            assert site.reboots == 1 and updates.standing.state == "rebooting"

    asyncio.run(go())


def test_a_policy_is_kept_over_restarts_and_a_wrong_one_changes_nothing(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            for policy, window in (("sometimes", ""), ("window", ""), ("window", "25:00-26:00"), ("now", "x")):
                with pytest.raises(InvalidArgument, match="stays as it was"):
                    updates.set_policy(policy, window)
            assert updates.ledger.policy is RebootPolicy.NEVER
            updates.set_policy("window", "Sat,Sun 02:00-04:00")
        async with site.life() as updates:
            assert (updates.ledger.policy, updates.ledger.window) == (RebootPolicy.WINDOW, "Sat,Sun 02:00-04:00")
            updates.set_policy("now", "")
            await site.install(updates, "1.1.0")
            await updates.tick()
            assert site.reboots == 1

    asyncio.run(go())


def test_a_restart_that_cannot_be_asked_for_is_told(site: Site, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        restart.leave_request(tmp_path / "none/reboot")
    restart.leave_request(tmp_path / "reboot")
    assert (tmp_path / "reboot").read_text() == "reboot\n"

    def refuse() -> None:
        raise OSError(30, "Read-only file system")

    async def state() -> None:
        return None

    restarts = restart.Restarts(state, refuse)
    with pytest.raises(WrongState, match="systemctl reboot"):
        restarts.now("test")
    assert not restarts.asked
