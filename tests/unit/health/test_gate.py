# SPDX-License-Identifier: Apache-2.0
"""The health gate: what counts as fit, and what follows on a trial and on a committed slot."""

import json
import socket
import threading
from pathlib import Path

import pytest
from pilotlight.daemon import Unavailable
from pilotlight.orchestrator.boot import __main__ as handler
from pilotlight.orchestrator.boot import store
from pilotlight.orchestrator.boot.core import Pending
from pilotlight.orchestrator.core import DAEMONS
from pilotlight.orchestrator.health import __main__ as gate
from pilotlight.orchestrator.health import look as looking
from pilotlight.orchestrator.health.core import Daemon, Look, Wanted, mounted, reasons

from image import boot_files


class Places:
    """The handler's places as paths."""

    def __init__(self, root: Path) -> None:
        self.real = store.Places(str(root))

    def __getattr__(self, name: str) -> Path:
        return Path(getattr(self.real, name))


MOUNTS = """\
22 1 253:0 / / ro,relatime shared:1 - erofs /dev/mapper/root ro,user_xattr
40 22 254:6 / /data rw,nosuid,nodev shared:20 - ext4 /dev/vda6 rw
41 22 254:6 /pilotlight/etc /etc/pilotlight rw,nosuid shared:20 - ext4 /dev/vda6 rw
"""
DATA_READ_ONLY = MOUNTS.replace("ext4 /dev/vda6 rw", "ext4 /dev/vda6 ro,errors=remount-ro")
FIT = Look([Daemon(name, "active", 60.0) for name in DAEMONS], "", "RUNNING", "", MOUNTS, "CRYPT-VERITY-0-root\n", "")
WANTED = Wanted(DAEMONS, 20.0, program_runs=True)


def test_a_fit_appliance_gives_no_reason() -> None:
    assert reasons(FIT, WANTED) == []


def without(name: str, active: str, active_s: float) -> list[Daemon]:
    return [Daemon(name, active, active_s) if daemon.name == name else daemon for daemon in FIT.daemons]


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (FIT._replace(daemons=without("web", "failed", 0)), "web is not ready: its unit is failed"),
        (FIT._replace(daemons=without("web", "active", 3.2)), "web has been ready for 3 s only"),
        (FIT._replace(daemons=FIT.daemons[1:]), f"{DAEMONS[0]} is not ready: its unit is not there"),
        (FIT._replace(daemons=[], systemd="timed out"), "systemd does not tell about the daemons: timed out"),
        (FIT._replace(program="STOPPED"), "a program ran before the restart and does not run now: the PLC is STOPPED"),
        (FIT._replace(program=""), "the runtime does not tell its state"),
        (FIT._replace(web="refused"), "the web does not answer: refused"),
        (FIT._replace(mounts=DATA_READ_ONLY), "the data partition is not mounted for writing"),
        (FIT._replace(mounts=MOUNTS.splitlines()[0]), "the data partition is not mounted for writing"),
        (FIT._replace(root_device=""), "the root file system is not a verified one"),
        (FIT._replace(slot="nobody knows"), "nobody knows"),
    ],
)
def test_each_fault_has_its_sentence(look: Look, said: str) -> None:
    (reason,) = reasons(look, WANTED)
    assert said in reason


def test_a_program_that_did_not_run_before_need_not_run() -> None:
    assert reasons(FIT._replace(program="STOPPED"), WANTED._replace(program_runs=False)) == []


def test_the_sandboxs_own_options_do_not_count() -> None:
    mount = mounted(MOUNTS.replace("/data rw,nosuid", "/data ro,nosuid"), "/data")
    assert mount is not None and "rw" in mount.options


class Fake:
    """An appliance that looks as told, one look after the other, the last one for ever."""

    def __init__(self, *looks: Look, mark: Exception | None = None) -> None:
        self.looks, self.mark = list(looks), mark
        self.marked = self.restarted = 0

    def look(self, slot: str) -> Look:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return look._replace(slot=slot)

    def mark_good(self) -> None:
        self.marked += 1
        if self.mark:
            raise self.mark

    def restart(self) -> None:
        self.restarted += 1


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A device whose committed slot is A and was marked good."""
    places = Places(tmp_path)
    places.configuration.mkdir(parents=True)
    (places.configuration / "autoboot.txt").write_bytes(boot_files.autoboot("A"))
    (places.configuration / "good-a").touch()
    places.bootloader.mkdir(parents=True)
    started(places, 2, tryboot=False, slot="A")
    return places


def started(places: Places, partition: int, tryboot: bool, slot: str) -> None:
    (places.bootloader / "partition").write_bytes(partition.to_bytes(4, "big"))
    (places.bootloader / "tryboot").write_bytes(int(tryboot).to_bytes(4, "big"))
    places.command_line.write_text(f"rauc.slot={slot}")


def trial(places: Places, ran: bool = False) -> None:
    started(places, 3, tryboot=True, slot="B")
    wish = Pending("B", "1.1.0", 7, attempts=1, armed=True, started=True, ran=ran)
    store.perform(places.real, [handler.core.Keep(wish)])


def run(places: Places, fake: Fake, deadline_s: float = 0.0) -> int:
    return gate.run(fake, places.configuration.parents[1], 20.0, deadline_s, lambda _: None)


def kept(places: Places) -> list[str]:
    return list(json.loads((places.configuration / "pending.json").read_text())["reasons"])


def test_a_trial_that_passes_is_marked(places: Places) -> None:
    trial(places)
    fake = Fake(FIT)
    assert run(places, fake) == 0
    assert (fake.marked, fake.restarted) == (1, 0)


def test_it_waits_for_what_is_still_starting(places: Places) -> None:
    trial(places)
    fake = Fake(FIT._replace(web="refused"), FIT._replace(program=""), FIT)
    assert run(places, fake, deadline_s=60.0) == 0
    assert fake.marked == 1


def test_a_trial_that_fails_keeps_its_reasons_and_restarts(places: Places) -> None:
    trial(places)
    fake = Fake(FIT._replace(web="refused", program="ERROR"))
    assert run(places, fake) == 2
    assert (fake.marked, fake.restarted) == (0, 1)
    assert kept(places) == ["the web does not answer: refused"]


def test_a_program_that_ran_before_must_run_on_trial(places: Places) -> None:
    trial(places, ran=True)
    fake = Fake(FIT._replace(program="STOPPED"))
    assert run(places, fake) == 2
    assert "a program ran before" in kept(places)[0]


def test_a_trial_that_could_never_be_updated_again_fails(places: Places) -> None:
    trial(places)
    fake = Fake(FIT, mark=Unavailable("nobody answers"))
    assert run(places, fake) == 2
    assert fake.restarted == 1
    assert "could not be marked good" in kept(places)[0]


def test_a_trial_with_the_wrong_command_line_fails(places: Places) -> None:
    trial(places)
    started(places, 3, tryboot=True, slot="A")
    fake = Fake(FIT)
    assert run(places, fake) == 2
    assert "disagree" in kept(places)[0] or "says slot 'A'" in kept(places)[0]


def test_a_committed_slot_never_restarts_the_machine(places: Places) -> None:
    fake = Fake(FIT._replace(web="refused"))
    assert run(places, fake) == 1
    assert (fake.marked, fake.restarted) == (0, 0)
    assert not (places.configuration / "pending.json").exists()


def test_a_good_slot_is_not_marked_again(places: Places) -> None:
    fake = Fake(FIT)
    assert run(places, fake) == 0
    assert fake.marked == 0
    (places.configuration / "good-a").unlink()
    assert run(places, fake) == 0
    assert fake.marked == 1


def test_the_web_is_asked_where_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "WEB_TIMEOUT_S", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/web.yaml").write_text(f"port: {server.getsockname()[1]}\nupload_mib: 8\n")
        asked = threading.Event()

        def hang_up() -> None:
            server.accept()[0].close()
            asked.set()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert looking.web_problem() != ""
        assert asked.wait(5)
        thread.join()
    assert "refused" in looking.web_problem().lower()
