# SPDX-License-Identifier: Apache-2.0
"""The program store, also after power cuts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pilotlight.daemon import NotFound
from pilotlight.runtime.check import VariableInfo
from pilotlight.runtime.store import MANIFEST, OBJECT, Manifest, ProgramStore


def manifest(program: str, uploaded: int = 1, **changes: object) -> Manifest:
    fields: dict[str, object] = {
        "id": program,
        "name": f"name of {program}",
        "user": "admin",
        "identity": "0" * 32,
        "period_ns": 20_000_000,
        "uploaded": uploaded,
        "size": 6,
        "digest": "d",
        "variables": (VariableInfo("INSTANCE0.X", 3, 2, 8),),
        "log": ("[INFO] built\n",),
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    upload, shared_object = tmp_path / "u.zip", tmp_path / "p.so"
    upload.write_bytes(b"upload")
    shared_object.write_bytes(b"object")
    return upload, shared_object


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "programs"


def test_a_stored_program_is_found_again(root: Path, files: tuple[Path, Path]) -> None:
    added = ProgramStore(root).add(manifest("a1"), *files)
    store = ProgramStore(root)
    assert store.get("a1") == added
    assert store.manifest("a1") == manifest("a1")
    assert store.object_path("a1").read_bytes() == b"object"
    assert store.upload_path("a1").read_bytes() == b"upload"
    assert [info.id for info in store.list()] == ["a1"]


def test_the_list_is_newest_first_and_knows_no_variables(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    for program, uploaded in (("a", 5), ("b", 9), ("c", 7)):
        store.add(manifest(program, uploaded), *files)
    assert [info.id for info in store.list()] == ["b", "c", "a"]
    assert not hasattr(store.list()[0], "variables")


def test_the_active_program_survives_a_restart(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    assert store.active is None
    store.add(manifest("a"), *files)
    store.set_active("a")
    assert ProgramStore(root).active == "a"
    store.set_active(None)
    assert ProgramStore(root).active is None


@pytest.mark.parametrize("program", ["missing", "", ".", "..", "../x", ".new-a", "a/b", "x" * 100, "é"])
def test_what_is_not_stored_is_not_found(program: str, root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    store.add(manifest("a"), *files)
    store.set_active("a")
    for call in (store.get, store.manifest, store.object_path, store.set_active):
        with pytest.raises(NotFound):
            call(program)
    assert store.active == "a"


def test_pruning_keeps_the_newest_and_the_active_one(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    for n in range(6):
        store.add(manifest(f"p{n}", n), *files)
    store.set_active("p0")
    assert sorted(store.prune(keep=2)) == ["p1", "p2", "p3"]
    assert [info.id for info in store.list()] == ["p5", "p4", "p0"]
    assert sorted(path.name for path in root.iterdir()) == ["active.json", "p0", "p4", "p5"]


def test_uploading_again_renews_the_entry(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    store.add(manifest("a", 1), *files)
    store.add(manifest("b", 2), *files)
    renewed = store.renew("a", "other name", "someone")
    assert (renewed.name, renewed.user) == ("other name", "someone")
    assert [info.id for info in store.list()] == ["a", "b"]
    assert store.manifest("a").variables == manifest("a").variables


@pytest.mark.parametrize("cut", ["mkdir", "upload", "object", "manifest"])
def test_a_power_cut_while_adding_leaves_no_part(cut: str, root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    store.add(manifest("a"), *files)
    partial = root / ".new-b"
    partial.mkdir()
    if cut != "mkdir":
        (partial / "upload.zip").write_bytes(b"upl")
    if cut in ("object", "manifest"):
        (partial / OBJECT).write_bytes(b"obj")
    if cut == "manifest":
        (partial / MANIFEST).write_bytes(b'{"id": "b"')
    again = ProgramStore(root)
    assert [info.id for info in again.list()] == ["a"]
    assert not partial.exists()
    again.add(manifest("b"), *files)
    assert again.get("b").id == "b"


def test_a_damaged_program_is_removed_and_is_active_no_more(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    for program in ("a", "b"):
        store.add(manifest(program), *files)
    store.set_active("a")
    (root / "a" / OBJECT).unlink()
    again = ProgramStore(root)
    assert again.active is None
    assert [info.id for info in again.list()] == ["b"]


def test_a_program_under_another_programs_name_is_none(root: Path, files: tuple[Path, Path]) -> None:
    store = ProgramStore(root)
    store.add(manifest("a"), *files)
    shutil.copytree(root / "a", root / "z")
    with pytest.raises(NotFound):
        store.get("z")


def test_a_disk_that_fails_leaves_the_store_as_it_was(
    root: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ProgramStore(root)
    store.add(manifest("a"), *files)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(manifest("b"), *files)
    monkeypatch.undo()
    assert [path.name for path in root.iterdir()] == ["a"]


def test_the_program_is_flushed_before_it_gets_its_name(
    root: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ProgramStore(root)
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def flushed(descriptor: int) -> None:
        events.append("flush " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        events.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "rename", renamed)
    store.add(manifest("b"), *files)
    named = events.index("rename b")
    assert {"flush upload.zip", "flush program.so", "flush .manifest.json.new", "flush .new-b"} <= set(events[:named])
    assert events[named + 1 :] == ["flush programs"]
