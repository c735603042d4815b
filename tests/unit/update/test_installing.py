# SPDX-License-Identifier: Apache-2.0
"""Installing, with everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import os

import pytest
from pilotlight.daemon import Busy, InvalidArgument, WrongState
from pilotlight.orchestrator.update import spool
from pilotlight.orchestrator.update.attempts import Outcome
from pilotlight.orchestrator.update.installing import Source
from pilotlight.orchestrator.update.ledger import Request
from pilotlight.orchestrator.update.spool import NoSpace

from tests.support.fake_rauc import bundle
from tests.unit.update.conftest import Site, settled, until

OTHER = Request("file", "other.raucb", "bob")


def test_a_good_bundle_waits_for_the_restart_and_is_confirmed_after_it(site: Site) -> None:
    async def go() -> None:
        seen = []
        async with site.life() as updates:
            updates.changed = lambda: seen.append(updates.standing)
            site.rauc.hold.clear()
            site.begin(updates, bundle("1.1.0"))
            await until(lambda: updates.standing.progress == 60)
            site.rauc.hold.set()
            await settled(updates)
            attempt = updates.ledger.latest
            assert attempt is not None
            assert (attempt.outcome, attempt.slot, attempt.before) == (Outcome.PENDING, "B", "1.0.0")
            assert updates.standing.state == "pending" and "1.1.0" in updates.standing.text
            assert list((site.folder / "bundles").iterdir()) == []
        assert {s.state for s in seen} >= {"receiving", "checking", "installing", "pending"}
        assert 60 in {s.progress for s in seen if s.state == "installing"}
        site.boot.restart()
        async with site.life() as updates:
            assert updates.standing.state == "trying"
            with pytest.raises(WrongState, match="on trial"):
                site.begin(updates, bundle("1.2.0"))
            site.boot.confirm()
            await updates.tick()
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.DONE and latest.reason == ""
            assert updates.standing.state == "idle"

    asyncio.run(go())


def test_what_the_bundle_was_checked_as_is_what_is_installed(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
        ((_source, options),) = site.rauc.installed
        assert options == {"require-manifest-hash": "0" * 64}

    asyncio.run(go())


def test_a_trial_that_fails_keeps_the_reason_of_the_gate(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
        site.boot.restart()
        async with site.life() as updates:
            assert updates.standing.state == "trying"
        site.boot.fall_back("pilotlight-web does not answer")
        async with site.life() as updates:
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.ROLLED_BACK
            assert "pilotlight-web does not answer" in latest.reason
            assert "pilotlight-web does not answer" in updates.problems()[0]
            assert (await site.install(updates, "1.2.0")).outcome is Outcome.PENDING
            assert updates.problems() == []

    asyncio.run(go())


def test_a_slot_that_never_started_is_a_rollback_too(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
        site.boot.fall_back()
        async with site.life() as updates:
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.ROLLED_BACK and "did not start" in latest.reason

    asyncio.run(go())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bundle("0.9.0"), "older than 1.0.0"),
        (bundle(""), "cannot be compared"),
        (bundle("1.1.0", "pilotlight-other"), "another board"),
        (b"\0" * 4096, "damaged or cut off"),
    ],
)
def test_what_may_not_be_installed_is_refused_before_anything_is_written(
    site: Site, content: bytes, reason: str
) -> None:
    async def go() -> None:
        async with site.life() as updates:
            site.begin(updates, content)
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.REFUSED
            assert reason in latest.reason and updates.standing.text == latest.reason
            assert site.rauc.installed == []

    asyncio.run(go())


def test_an_older_version_can_be_forced(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            attempt = await site.install(updates, "0.9.0", force=True)
            assert attempt.outcome is Outcome.PENDING and attempt.forced
        assert site.rauc.installed[0][1]["ignore-version-limit"] is True

    asyncio.run(go())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Installation error: Failed updating slot rootfs.1: Input/output error", "tampered"),
        ("signature verification failed: Verify error: certificate has expired", "not valid at this time"),
        ("signature verification failed: Verify error: unable to get local issuer certificate", "trusts"),
        ("write failed: No space left on device", "not enough room"),
        ("Refusing to install bundle with unexpected hash (expected 0, got 1)", "exchanged"),
        ("something else", "something else"),
    ],
)
def test_a_failure_is_explained_and_leaves_the_device_as_it_was(site: Site, words: str, sentence: str) -> None:
    async def go() -> None:
        site.rauc.fail_with = words
        async with site.life() as updates:
            attempt = await site.install(updates, "1.1.0")
            assert attempt.outcome is Outcome.FAILED and sentence in attempt.reason and words in attempt.reason
            assert "untouched" in attempt.reason
            assert updates.standing.state == "idle"
            assert (await site.install(updates, "1.1.0")).outcome is Outcome.PENDING

    asyncio.run(go())


def test_one_at_a_time(site: Site) -> None:
    async def go() -> None:
        site.rauc.hold.clear()
        async with site.life() as updates:
            site.begin(updates, bundle("1.1.0"))
            for refused in (
                lambda: site.begin(updates, bundle("1.2.0")),
                lambda: updates.upload(OTHER, 10),
                lambda: updates.reboot("ada"),
            ):
                with pytest.raises(Busy):
                    refused()
            for asked in (lambda: updates.rollback("ada"), lambda: updates.mark("good", "A"), updates.slots):
                with pytest.raises(Busy):
                    await asked()
            site.rauc.hold.set()
            await settled(updates)
            assert len(site.rauc.installed) == 1

    asyncio.run(go())


def test_rauc_that_is_at_work_for_somebody_else_is_left_alone(site: Site) -> None:
    async def go() -> None:
        site.rauc.operation = "installing"
        async with site.life() as updates:
            attempt = await site.install(updates, "1.1.0")
            assert attempt.outcome is Outcome.REFUSED and "begun elsewhere" in attempt.reason

    asyncio.run(go())


def test_a_lost_word_of_success_is_made_up_for_by_what_is_to_be_tried(site: Site) -> None:
    async def go() -> None:
        site.rauc.keeps_quiet = True
        async with site.life() as updates:
            assert (await site.install(updates, "1.1.0")).outcome is Outcome.PENDING

    asyncio.run(go())


def test_without_signals_the_end_is_noticed_all_the_same(site: Site) -> None:
    async def go() -> None:
        site.rauc.keeps_quiet = True
        site.rauc.fail_with = "Input/output error"
        async with site.life() as updates:
            assert (await site.install(updates, "1.1.0")).outcome is Outcome.FAILED

    asyncio.run(go())


def test_rauc_that_dies_in_the_middle_is_a_failure(site: Site) -> None:
    async def go() -> None:
        site.rauc.dies = True
        site.rauc.hold.clear()
        async with site.life() as updates:
            site.begin(updates, bundle("1.1.0"))
            await until(lambda: updates.standing.progress == 60)
            site.rauc.hold.set()
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.FAILED
            await until(lambda: not site.rauc.dies)
            assert (await site.install(updates, "1.1.0")).outcome is Outcome.PENDING

    asyncio.run(go())


def test_an_installation_is_followed_over_a_restart_of_the_service(site: Site) -> None:
    async def go() -> None:
        site.rauc.hold.clear()
        async with site.life() as updates:
            site.begin(updates, bundle("1.1.0"))
            await until(lambda: updates.standing.progress == 60)
        async with site.life() as updates:
            assert updates.busy and updates.standing.state == "installing"
            site.rauc.hold.set()
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.PENDING

    asyncio.run(go())


def test_a_power_cut_in_the_middle_is_told(site: Site) -> None:
    async def go() -> None:
        site.rauc.hold.clear()
        async with site.life() as updates:
            site.begin(updates, bundle("1.1.0"))
            await until(lambda: updates.standing.progress == 60)
        site.rauc.operation = "idle"
        site.boot.starts += 1
        async with site.life() as updates:
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.FAILED and "power cut" in latest.reason

    asyncio.run(go())


def test_a_refused_bundle_does_not_take_the_place_of_one_that_waits(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            await site.install(updates, "1.1.0")
            assert (await site.install(updates, "0.1.0")).outcome is Outcome.REFUSED
            assert updates.standing.state == "pending" and "1.1.0" in updates.standing.text
            assert (await site.install(updates, "1.2.0")).outcome is Outcome.PENDING
            outcomes = [attempt.outcome for attempt in updates.ledger.history.attempts]
            assert outcomes == [Outcome.WITHDRAWN, Outcome.REFUSED, Outcome.PENDING]

    asyncio.run(go())


def test_from_an_address(site: Site) -> None:
    async def go() -> None:
        url = "https://ada:secret@updates.example/b.raucb?token=x"
        site.rauc.urls[url] = bundle("1.1.0")
        async with site.life() as updates:
            access = {"http-headers": ["Authorization: Bearer x"]}
            updates.install(Request("url", "shown", "ada"), Source(url=url, access=access))
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.PENDING
            assert site.rauc.installed[0] == (url, access | {"require-manifest-hash": "0" * 64})
            updates.install(Request("url", "shown", "ada"), Source(url="https://updates.example/none"))
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.REFUSED and "could not be fetched" in latest.reason
        assert b"secret" not in (site.folder / "updates.json").read_bytes()

    asyncio.run(go())


def test_an_upload_is_installed_without_a_copy_and_can_go_on(site: Site) -> None:
    async def go() -> None:
        async with site.life() as updates:
            content = bundle("1.1.0", pad=1000)
            first = updates.upload(OTHER, len(content), "key1")
            os.write(first, content[:100])
            os.close(first)
            again = updates.upload(OTHER, len(content), "key1")
            assert os.fstat(again).st_size == 100
            os.pwrite(again, content[100:], 100)
            updates.install(Request("file", "x", "ada"), Source(again))
            os.close(again)
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.PENDING
            assert site.rauc.installed[0][0].endswith("/bundles/key1.raucb")
            os.close(updates.upload(OTHER, 10, "key1"))
            other = updates.upload(OTHER, 10)
            assert os.fstat(other).st_size == 0
            os.close(other)
            assert [path.name for path in (site.folder / "bundles").iterdir()] == ["upload.raucb"]

    asyncio.run(go())


def test_no_room_is_said_before_anything_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with site.life() as updates:
            for size in (0, (1024 << 20) + 1, 1 << 50):
                with pytest.raises(NoSpace):
                    updates.upload(OTHER, size)
            monkeypatch.setattr(spool, "MARGIN", 1 << 60)
            with pytest.raises(NoSpace, match="are free"):
                updates.upload(OTHER, 10)
            attempt = await site.install(updates, "1.1.0")
            assert attempt.outcome is Outcome.REFUSED and "are free" in attempt.reason
            assert list((site.folder / "bundles").iterdir()) == []
            for key in ("", "../x", "A", "x" * 65):
                if key:
                    with pytest.raises(InvalidArgument):
                        updates.upload(OTHER, 10, key)

    asyncio.run(go())


def test_a_pipe_is_no_bundle(site: Site) -> None:
    async def go() -> None:
        reader, writer = os.pipe()
        async with site.life() as updates:
            updates.install(Request("file", "pipe", "ada"), Source(reader))
            await settled(updates)
            latest = updates.ledger.latest
            assert latest is not None and latest.outcome is Outcome.REFUSED and "plain file" in latest.reason
        os.close(reader)
        os.close(writer)

    asyncio.run(go())
