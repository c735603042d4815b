# SPDX-License-Identifier: Apache-2.0
"""State files under power cuts.

A recording of every step that `save` takes is cut at every place. For each cut, every disk that the file system may
have kept is built: data not yet fsynced may be there, in part or not at all; renames not yet made durable by an fsync
of the directory may have happened or not. Each of these disks has to load as the old value or the new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import Settings, StateFile, write_atomic
from pilotlight.daemon import state as state_module


class Memory(Settings, frozen=True):
    count: int = 0
    text: str = ""


@dataclass(frozen=True)
class Step:
    kind: str
    name: str = ""
    other: str = ""
    data: bytes = b""


class Recorder:
    """Stands between the module and the operating system and keeps the steps that matter to a disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[Step] = []
        self._names: dict[int, str] = {}
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync", "close", "rename")}
        for name in self._real:
            monkeypatch.setattr(state_module.os, name, getattr(self, name))

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor: int = self._real["open"](path, flags, mode, **more)
        self._names[descriptor] = Path(path).name if not flags & os.O_DIRECTORY else "/"
        if flags & os.O_CREAT:
            self.steps.append(Step("create", self._names[descriptor]))
        return descriptor

    def write(self, descriptor: int, data: Any) -> int:
        # Writes come in two parts, as the kernel is free to do.
        part = bytes(data)[: max(1, len(data) // 2)]
        self.steps.append(Step("write", self._names[descriptor], data=part))
        count: int = self._real["write"](descriptor, part)
        return count

    def fsync(self, descriptor: int) -> None:
        self.steps.append(Step("fsync", self._names[descriptor]))

    def close(self, descriptor: int) -> None:
        self._real["close"](descriptor)

    def rename(self, source: Any, target: Any, **more: Any) -> None:
        self._real["rename"](source, target, **more)
        self.steps.append(Step("rename", Path(source).name, Path(target).name))


@dataclass
class File:
    data: bytes = b""
    durable: int = 0

    def survivors(self) -> Iterator[bytes]:
        """What may be left of it: everything fsynced, and any part of the rest, or the rest as zeros."""
        yield self.data
        if self.durable < len(self.data):
            yield self.data[: self.durable]
            yield self.data[: (self.durable + len(self.data)) // 2]
            yield self.data[: self.durable] + bytes(len(self.data) - self.durable)


def disks(old: dict[str, bytes], steps: list[Step]) -> Iterator[dict[str, bytes]]:
    """Every disk that may be found after the power went right behind these steps."""
    durable = {name: File(data, len(data)) for name, data in old.items()}
    directories = [dict(durable)]  # the last is the present one, each may be the one on disk
    for step in steps:
        present = directories[-1]
        if step.kind == "create":
            directories.append({**present, step.name: File()})
        elif step.kind == "write":
            present[step.name].data += step.data
        elif step.kind == "fsync" and step.name != "/":
            present[step.name].durable = len(present[step.name].data)
        elif step.kind == "fsync":
            directories = [present]
        elif step.kind == "rename":
            moved = dict(present)
            moved[step.other] = moved.pop(step.name)
            directories.append(moved)
    for directory in directories:
        yield from _combinations(directory)


def _combinations(directory: dict[str, File]) -> Iterator[dict[str, bytes]]:
    found: list[dict[str, bytes]] = [{}]
    for name, file in directory.items():
        found = [{**disk, name: data} for disk in found for data in file.survivors()]
    yield from found


def _loaded(folder: Path, disk: dict[str, bytes]) -> Memory:
    for stale in folder.iterdir():
        stale.unlink()
    for name, data in disk.items():
        (folder / name).write_bytes(data)
    return StateFile(folder / "m.json", Memory).load(Memory())


@pytest.mark.parametrize("with_old", [True, False])
def test_a_power_cut_after_any_step_leaves_the_old_value_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_old: bool
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    state = StateFile(folder / "m.json", Memory)
    old, new = Memory(1, "old " * 40) if with_old else Memory(), Memory(2, "new " * 50)
    if with_old:
        state.save(old)
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    with monkeypatch.context() as patch:
        recorder = Recorder(patch)
        state.save(new)
    steps = recorder.steps
    assert [s.kind for s in steps if s.kind != "write"] == ["create", "fsync", "rename", "fsync"]
    after = tmp_path / "after"
    after.mkdir()
    seen = set()
    for cut in range(len(steps) + 1):
        for disk in disks(kept, steps[:cut]):
            value = _loaded(after, disk)
            assert value in (old, new), f"after step {cut} of {steps}: {disk}"
            seen.add(value.count)
            assert not (after / "m.json.corrupt").exists()
    assert seen == {old.count, new.count}
    for disk in disks(kept, steps):
        assert _loaded(after, disk) == new, "save returned, so the new value has to be durable"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_failing_disk_leaves_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    state = StateFile(tmp_path / "m.json", Memory)
    state.save(Memory(1))

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "input/output error")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(state_module.os, call, fail)
        with pytest.raises(OSError, match="input/output"):
            state.save(Memory(2))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert state.load(Memory()) == Memory(1)
    state.save(Memory(3))
    assert state.load(Memory()) == Memory(3)


def test_what_cannot_be_decoded_is_kept_aside(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = StateFile(tmp_path / "m.json", Memory)
    assert state.load(Memory(9)) == Memory(9)
    for damage in (b"", b"\0\0\0\0", b'{"count": "x"}', b'{"count": 1', b'{"other": 1}', b"\xff"):
        state.path.write_bytes(damage)
        assert state.load(Memory(9)) == Memory(9)
        assert not state.path.exists()
        assert (tmp_path / "m.json.corrupt").read_bytes() == damage
    assert "kept as m.json.corrupt" in capfd.readouterr().err


def test_the_file_is_private_and_its_folder_is_made(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "new" / "m.json", Memory)
    state.save(Memory(1))
    assert state.path.stat().st_mode & 0o777 == 0o600
    write_atomic(tmp_path / "open", b"x", 0o644)
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644
    assert [p.name for p in state.path.parent.iterdir()] == ["m.json"]


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".m.json.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        write_atomic(tmp_path / "m.json", b"x")
    assert not (tmp_path / "victim").exists()


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "SIZE_LIMIT", 100)
    state = StateFile(tmp_path / "m.json", Memory)
    state.save(Memory(1))
    with pytest.raises(ValueError, match="the old value stays"):
        state.save(Memory(2, "x" * 100))
    assert state.load(Memory()) == Memory(1)
