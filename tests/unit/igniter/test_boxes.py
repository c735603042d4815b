# SPDX-License-Identifier: Apache-2.0
"""The ``_v1`` mailboxes: what their messages mean, and a program of the reference's kind that arms and fires."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from pilotlight.igniter import box_cli
from pilotlight.igniter.boxes import command_of, late, status_of
from pilotlight.igniter.channel import MS
from pilotlight.igniter.commands import Command, Kind
from pilotlight.tags import now_ns
from pilotlight.tags.mailbox import ClientMailbox, OwnedMailbox
from pilotlight.tags.messages import IGNITER_COMMAND, IGNITER_STATUS, Action, IgniterCommand, IgniterStatus

from tests.support.daemons import Daemons
from tests.unit.igniter import test_firing
from tests.unit.igniter.test_firing import Site


def test_messages_become_commands_that_need_no_session() -> None:
    def meant(action: int, mask: int = 0) -> Command | None:
        return command_of(IgniterCommand(1, 2, action, mask, (1, 2, 3, 4)), 128)

    assert meant(Action.NONE) is None
    fire = meant(Action.FIRE_MASK, 5)
    assert fire == Command(Kind.BOX_FIRE, mask=5, checks=128, durations_ms=(1, 2, 3, 4))
    kinds = [meant(action) for action in (Action.ARM, Action.DISARM, Action.CLEAR_FAULT)]
    assert [command.kind for command in kinds if command] == [Kind.BOX_ARM, Kind.DISARM, Kind.BOX_CLEAR]
    for action, mask in ((9, 0), (Action.FIRE_MASK, 16)):
        with pytest.raises(ValueError, match=r"9 is not|mask 0x10"):
            meant(action, mask)


def test_what_is_found_too_late_is_not_carried_out_unless_it_makes_safe() -> None:
    def said(action: Action, age_ms: int) -> str:
        return late(IgniterCommand(1, 5000 * MS - age_ms * MS, action, 1, (0,) * 4), 5000 * MS, 500 * MS)

    for action in (Action.ARM, Action.FIRE_MASK, Action.CLEAR_FAULT):
        assert [said(action, age) for age in (0, 500)] == ["", ""]
        assert said(action, 501).startswith("STALE: its time is 501 ms before it was found, 500 ms are allowed")
        assert said(action, -1).startswith("STALE: its time is ahead of the present time")
    assert [said(Action.DISARM, age) for age in (501, -1, 5000)] == ["", "", ""]


def test_status_has_the_codes_of_the_reference() -> None:
    values = {
        "Channel1.State": 4,
        "Channel1.Commanded": True,
        "Channel1.Remaining": 80,
        "FaultLatched": False,
        "Mode": 2,
    }
    values |= {"Channel2.State": 3, "Channel3.State": 2, "Channel3.Fault": 3, "Channel4.State": 0}
    status = status_of(values, 7, 9)
    assert status == IgniterStatus(7, 9, True, False, 1, (2, 1, 3, 0), (0, 0, 3, 0), (80, 0, 0, 0))
    assert status_of({}, 1, 1) == IgniterStatus(1, 1, False, False, 0, (0,) * 4, (0,) * 4, (0,) * 4)


def test_a_program_arms_and_fires_through_the_mailbox(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {kind: f"/pilotlight_test_{os.getpid()}_{kind}" for kind in ("command", "status")}
    where = ", ".join(f"{kind}: {name}" for kind, name in names.items())
    boxes = f"  mailboxes: {{{where}, forced: [REAL_TIME]}}\nsimulated:"
    monkeypatch.setattr(test_firing, "_YAML", test_firing._YAML.replace("simulated:", boxes))
    site = Site(daemons)
    commands = ClientMailbox.wait_for(names["command"], IGNITER_COMMAND, writable=True)
    status = ClientMailbox.wait_for(names["status"], IGNITER_STATUS)
    numbers = count(1)

    def tell(action: Action, mask: int = 0, window: int = 0) -> str:
        number = next(numbers)
        commands.write(IgniterCommand(number, now_ns(), action, mask, (window,) * 4).pack())
        site.wait_until(lambda: site.client.call("Status")["MailboxSequence"] == number)
        return str(site.client.call("Status")["MailboxVerdict"])

    def says(holds: Callable[[IgniterStatus], bool]) -> None:
        site.wait_until(lambda: (data := status.latest()) is not None and holds(IgniterStatus.unpack(data)))

    site.wait_until(lambda: site.failing(1, 3) == {"REAL_TIME"})
    assert tell(Action.FIRE_MASK, 1) == "WRONG_STATE"
    site.wait_until(lambda: tell(Action.ARM) == "ACCEPTED")
    says(lambda told: told.armed and told.states == (1, 0, 1, 0))
    assert tell(Action.FIRE_MASK, 5, 20_000) == "ACCEPTED"
    says(lambda told: told.active_mask == 5 and told.remaining_ms[2] > 10_000)
    assert site.levels() == (True, True)
    assert tell(Action.DISARM) == "ACCEPTED"
    assert site.levels() == (False, False)
    site.chip.drive(test_firing.KILL, False)
    site.wait_until(lambda: "KILL_SWITCH" in site.failing(1))
    assert tell(Action.ARM).startswith("CHECKS: KILL_SWITCH: ")
    site.chip.drive(test_firing.KILL, True)
    site.wait_until(lambda: site.failing(1, 3) == {"REAL_TIME"})
    config = tmp_path / "igniter.toml"
    config.write_text(f'[igniter]\ncommand_shm = "{names["command"]}"\nstatus_shm = "{names["status"]}"\n')
    tool = ["--config", str(config)]
    assert box_cli.main([*tool, "fire-one", "--channel", "2", "--duration-ms", "50"]) == 1
    site.wait_until(lambda: box_cli.main([*tool, "arm"]) == 0)
    assert box_cli.main([*tool, "fire-mask", "--mask", "0x5", "--d0", "20000", "--d2", "20000"]) == 0
    assert box_cli.main([*tool, "status"]) == 0
    assert box_cli.main([*tool, "disarm"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("WRONG_STATE\n")
    assert "active_mask=5" in told
    accepted, refused = site.counts()
    number = next(numbers)
    commands.write(IgniterCommand(number, now_ns() - 10_001 * MS, Action.ARM, 0, (0,) * 4).pack())
    site.wait_until(lambda: site.client.call("Status")["MailboxSequence"] == number)
    assert site.client.call("Status")["MailboxVerdict"].startswith("STALE: its time is ")
    site.wait_until(lambda: site.counts() == (accepted, refused + 1))
    assert site.audit("refused")[-1]["command"] == "BOX_ARM"
    commands.write(bytes(IGNITER_COMMAND.size))
    site.wait_until(lambda: site.counts() == (accepted, refused + 2))
    assert "its schema is wrong" in site.client.call("Status")["MailboxVerdict"]
    site.wait_until(lambda: tell(Action.ARM) == "ACCEPTED")
    assert tell(Action.FIRE_MASK, 5, 20_000) == "ACCEPTED"
    says(lambda told: told.active_mask == 5)
    site.daemon.terminate()
    assert site.daemon.wait(20) == 0
    last = status.latest()
    assert last is not None
    told = IgniterStatus.unpack(last)
    assert (told.armed, told.active_mask, told.states) == (False, 0, (0, 0, 0, 0)), "the last status says: safe"
    commands.write(IgniterCommand(next(numbers), now_ns(), Action.ARM, 0, (0,) * 4).pack())
    site.daemon = daemons.start("igniter")
    site.wait_until(lambda: site.failing(1, 3) == {"REAL_TIME"})
    assert site.client.call("Status")["MailboxVerdict"] == "", "what was written while nobody served it is not found"
    site.wait_until(lambda: tell(Action.ARM) == "ACCEPTED")
    says(lambda told: told.armed)
    commands.close()
    status.close()
    for box in names.values():
        Path(f"/dev/shm{box}").unlink()


def test_a_tool_without_a_mailbox_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "igniter.toml"
    config.write_text('[igniter]\ncommand_shm = "/pilotlight_test_none"\n')
    assert box_cli.main(["--config", str(config), "arm"]) == 1
    assert "there is no mailbox /pilotlight_test_none" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        box_cli.main(["--config", str(config), "fire-mask", "--mask", "0x10"])


def test_a_command_that_nobody_confirms_is_said_to_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PILOTLIGHT_BUS", f"unix:path={tmp_path}/none")
    name = f"/pilotlight_test_{os.getpid()}_alone"
    config = tmp_path / "igniter.toml"
    config.write_text(f'[igniter]\ncommand_shm = "{name}"\n')
    box = OwnedMailbox.create(name, IGNITER_COMMAND)
    try:
        assert box_cli.main(["--config", str(config), "arm"]) == 1
        given = box.latest()
    finally:
        box.close()
    assert given is not None
    assert IgniterCommand.unpack(given).action == Action.ARM
    assert "the command is in the mailbox and may be carried out" in capsys.readouterr().err
