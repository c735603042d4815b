# SPDX-License-Identifier: Apache-2.0
"""Mailboxes: the file's bytes, the counter, owners and what they refuse, and readers beside a writer."""

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pilotlight.tags import mailbox
from pilotlight.tags.mailbox import (
    ClientMailbox,
    MailboxError,
    MailboxInUse,
    MailboxMissing,
    MailboxRefused,
    OwnedMailbox,
    Places,
)
from pilotlight.tags.messages import (
    CONTROLLER_COMMAND,
    IGNITER_COMMAND,
    IGNITER_STATUS,
    SENSOR_SNAPSHOT,
    ControllerCommand,
    Fault,
    fault_of,
)

NAME = CONTROLLER_COMMAND.name
ONE = ControllerCommand(1, 10, True, (0.1, 0.2, 0.3, 0.4)).pack()
TWO = ControllerCommand(2, 20, False, (0.4, 0.3, 0.2, 0.1)).pack()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("shm", "tmp"):
        (tmp_path / folder).mkdir()
    return Places(tmp_path / "shm", tmp_path / "tmp")


def create(places: Places, *, strict: bool = True) -> OwnedMailbox:
    return OwnedMailbox.create(NAME, CONTROLLER_COMMAND, strict=strict, places=places)


def attach(places: Places, *, writable: bool = False) -> ClientMailbox:
    return ClientMailbox.attach(NAME, CONTROLLER_COMMAND, writable=writable, places=places)


def test_the_file_is_the_counter_the_message_and_padding(places: Places) -> None:
    owner = create(places)
    path = places.shared / NAME[1:]
    assert path.read_bytes() == bytes(64)
    assert path.stat().st_mode & 0o777 == 0o600
    owner.write(ONE)
    owner.write(TWO)
    assert path.read_bytes() == struct.pack("<Q", 4) + TWO + bytes(4)
    owner.close()
    assert not path.exists()


def test_a_message_is_taken_once(places: Places) -> None:
    owner = create(places)
    client = attach(places)
    assert client.take() is None
    assert client.latest() is None
    owner.write(ONE)
    assert client.take() == ONE
    assert client.take() is None
    assert client.latest() == ONE
    owner.write(ONE)
    assert client.take() == ONE
    client.close()
    owner.close()


def test_an_odd_counter_keeps_readers_out_and_the_next_writer_repairs_it(places: Places) -> None:
    owner = create(places)
    client = attach(places)
    os.pwrite(owner.fd, struct.pack("<Q", 7), 0)
    assert client.take() is None
    assert client.latest() is None
    owner.write(ONE)
    assert struct.unpack("<Q", os.pread(owner.fd, 8, 0)) == (10,)
    assert client.take() == ONE
    client.close()
    owner.close()


def test_a_client_writes_only_when_it_asked_to(places: Places) -> None:
    owner = create(places)
    reader, writer = attach(places), attach(places, writable=True)
    with pytest.raises(ValueError, match="reading only"):
        reader.write(ONE)
    with pytest.raises(ValueError, match="52 bytes, not 3"):
        writer.write(b"abc")
    writer.write(ONE)
    assert owner.take() == ONE
    for box in (reader, writer, owner):
        box.close()


def test_a_file_cut_short_is_an_error_and_no_crash(places: Places) -> None:
    owner = create(places)
    os.ftruncate(owner.fd, 0)
    with pytest.raises(OSError):
        owner.take()
    with pytest.raises(OSError):
        owner.write(ONE)
    owner.close()


def test_a_client_notices_a_mailbox_made_anew(places: Places) -> None:
    owner = create(places)
    client = attach(places)
    assert client.current()
    owner.close()
    assert not client.current()
    owner = create(places)
    assert not client.current()
    client.close()
    client = attach(places)
    owner.write(ONE)
    assert client.take() == ONE
    client.close()
    owner.close()


def test_what_a_dead_owner_left_is_emptied_and_used_again(places: Places) -> None:
    owner = create(places)
    owner.write(ONE)
    mailbox.Mailbox.close(owner)  # as the end of a process does: the file stays
    left = (places.shared / NAME[1:]).stat().st_ino
    owner = create(places)
    assert owner.latest() is None
    assert (places.shared / NAME[1:]).stat().st_ino == left
    owner.close()


def test_a_second_owner_is_refused_and_harms_nothing(places: Places) -> None:
    owner = create(places)
    owner.write(ONE)
    with pytest.raises(MailboxInUse, match="served by another process"):
        create(places)
    assert owner.latest() == ONE
    owner.close()


def test_an_owner_does_not_remove_anothers_file(places: Places) -> None:
    owner = create(places)
    path = places.shared / NAME[1:]
    path.unlink()
    path.write_text("another's")
    owner.close()
    assert path.read_text() == "another's"


@pytest.mark.parametrize("folder", ["shm", "tmp"])
def test_links_are_refused_and_not_followed(places: Places, tmp_path: Path, folder: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    name = NAME[1:] if folder == "shm" else f"{NAME[1:]}.mailbox"
    if folder == "tmp":
        places.shared.rmdir()
    link = tmp_path / folder / name
    link.symlink_to(victim)
    with pytest.raises(MailboxRefused, match="is a link"):
        create(places)
    with pytest.raises(MailboxRefused, match="is a link"):
        attach(places)
    link.unlink()
    os.link(victim, link)
    with pytest.raises(MailboxRefused, match="not a plain file"):
        create(places)
    assert victim.read_text() == "precious"


def test_a_file_that_others_can_write_is_refused(places: Places) -> None:
    path = places.shared / NAME[1:]
    path.touch()
    path.chmod(0o666)
    with pytest.raises(MailboxRefused, match="can be written by others"):
        create(places)
    owner = create(places, strict=False)
    assert path.stat().st_mode & 0o777 == 0o600
    owner.close()


def test_another_users_file_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = create(places)
    mine = os.geteuid()
    with monkeypatch.context() as other:
        other.setattr(mailbox, "_trusted", lambda form: {mine + 1})
        with pytest.raises(MailboxRefused, match=f"belongs to user {mine}, who does not serve"):
            attach(places)
    owner.write(ONE)
    mailbox.Mailbox.close(owner)
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(MailboxRefused, match=f"belongs to user {mine};"):
        create(places)
    assert ONE in (places.shared / NAME[1:]).read_bytes()


def test_the_daemons_of_the_appliance_own_the_mailboxes_they_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    users = {"pilotlight-runtime": SimpleNamespace(pw_uid=61001), "pilotlight-igniter": SimpleNamespace(pw_uid=61002)}
    monkeypatch.setattr(mailbox.pwd, "getpwnam", users.__getitem__)
    anyway = {os.geteuid(), 0}
    assert mailbox._trusted(CONTROLLER_COMMAND) == {*anyway, 61001}
    assert mailbox._trusted(IGNITER_COMMAND) == mailbox._trusted(IGNITER_STATUS) == {*anyway, 61002}
    users.clear()
    assert mailbox._trusted(CONTROLLER_COMMAND) == anyway


def test_without_shared_memory_the_fallback_folder_serves(places: Places) -> None:
    places.shared.rmdir()
    owner = create(places)
    assert owner.path == places.fallback / "rt_controller_command_v1.mailbox"
    client = attach(places, writable=True)
    client.write(ONE)
    assert owner.take() == ONE
    client.close()
    owner.close()
    assert not owner.path.exists()
    places.fallback.rmdir()
    with pytest.raises(MailboxError, match="cannot be opened"):
        create(places)


def test_a_client_waits_for_the_owner_and_not_forever(places: Places) -> None:
    owners: list[OwnedMailbox] = []
    pauses: list[float] = []

    def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 2:
            owners.append(create(places))

    client = ClientMailbox.wait_for(NAME, CONTROLLER_COMMAND, tries=3, pause_s=0.5, places=places, sleep=sleep)
    assert pauses == [0.5, 0.5]
    client.close()
    owners[0].close()
    with pytest.raises(MailboxMissing, match="start the process that owns it first"):
        ClientMailbox.wait_for(NAME, CONTROLLER_COMMAND, tries=3, places=places, sleep=pauses.append)
    assert len(pauses) == 4


def test_a_mailbox_without_its_size_is_not_there_yet(places: Places) -> None:
    (places.shared / NAME[1:]).touch()
    with pytest.raises(MailboxMissing, match="not ready"):
        attach(places)


@pytest.mark.parametrize("name", ["", "/", "rt", "/a/b", "/..", "/.", "/a\0b", "/ü", "/" + "a" * 200])
def test_what_is_no_name(places: Places, name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a mailbox"):
        OwnedMailbox.create(name, CONTROLLER_COMMAND, places=places)


def test_no_reader_sees_half_a_message(places: Places) -> None:
    """A writer in another process as fast as it can; what is taken is always one whole message."""
    owner = OwnedMailbox.create(SENSOR_SNAPSHOT.name, SENSOR_SNAPSHOT, places=places)
    script = f"""
import itertools
from pathlib import Path
from types import SimpleNamespace
from pilotlight.tags.mailbox import ClientMailbox, Places
from pilotlight.tags.messages import SENSOR_SNAPSHOT, SensorSnapshot
places = Places(Path({str(places.shared)!r}), Path({str(places.fallback)!r}))
box = ClientMailbox.attach(SENSOR_SNAPSHOT.name, SENSOR_SNAPSHOT, writable=True, places=places)
messages = [SensorSnapshot(n, n, True, True, (n,) * 3, (n,) * 3, n, n).pack() for n in range(50)]
for message in itertools.cycle(messages):
    box.write(message)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", script], env=environment)
    taken, end = 0, time.monotonic() + 60
    try:
        while taken < 200:
            assert writer.poll() is None and time.monotonic() < end, (writer.returncode, taken)
            message = owner.take()
            if message is not None:
                assert fault_of(SENSOR_SNAPSHOT, message) is Fault.NONE
                taken += 1
    finally:
        writer.kill()
        writer.wait()
    owner.close()
