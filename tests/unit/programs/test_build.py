# SPDX-License-Identifier: Apache-2.0
"""Builds with the real compiler: what they log, what they leave, and what they cannot touch."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from pilotlight.daemon import Busy
from pilotlight.runtime import archive
from pilotlight.runtime.build import LOG_LINES_MAX, Builder, BuildFailed, BuildSettings, BuildStatus, Status
from pilotlight.runtime.store import ProgramStore

from tests.programs.bad import BAD
from tests.programs.generate import Sample, Var
from tests.programs.make import zip_of
from tests.programs.samples import wide
from tests.unit.programs.conftest import build_upload


@pytest.fixture
def store(tmp_path: Path) -> ProgramStore:
    return ProgramStore(tmp_path / "store")


@pytest.fixture
def seen() -> list[tuple[str, int | None, int]]:
    return []


@pytest.fixture
def builder(store: ProgramStore, seen: list[tuple[str, int | None, int]]) -> Builder:
    def note(status: BuildStatus) -> None:
        seen.append((status.status.value, status.exit_code, len(status.log)))

    return Builder(store, BuildSettings(timeout_s=60, jobs=2), note)


def contents(store: ProgramStore) -> list[str]:
    return sorted(path.name for path in store.scratch.parent.iterdir())


def test_a_good_upload_is_stored(
    builder: Builder, store: ProgramStore, tmp_path: Path, seen: list[tuple[str, int | None, int]]
) -> None:
    info = build_upload(builder, zip_of("follow"), tmp_path, "my program")
    assert store.get(info.id) == info
    assert (info.name, info.user, info.period_ns) == ("my program", "tester", 20_000_000)
    assert [v.name for v in store.manifest(info.id).variables][:2] == ["INSTANCE0.BUTTON", "INSTANCE0.LAMP"]
    assert store.upload_path(info.id).read_bytes() == zip_of("follow")
    assert contents(store) == [info.id]
    assert builder.status.program == info.id
    statuses = list(dict.fromkeys(status for status, _, _ in seen))
    assert statuses == ["UNZIPPING", "COMPILING", "SUCCESS"]
    assert [code for _, code, _ in seen][-1] == 0
    assert all(code is None for status, code, _ in seen if status == "UNZIPPING")
    assert [length for _, _, length in seen] == sorted(length for _, _, length in seen)
    assert all(
        line.startswith(("[INFO] ", "[WARNING] ", "[ERROR] ")) and line.endswith("\n") for line in builder.status.log
    )


def test_the_same_upload_is_built_once(builder: Builder, store: ProgramStore, tmp_path: Path) -> None:
    first = build_upload(builder, zip_of("invert"), tmp_path)
    second = build_upload(builder, zip_of("invert"), tmp_path, "again")
    assert second.id == first.id
    assert second.name == "again"
    assert second.uploaded > first.uploaded
    assert builder.status.status is Status.SUCCESS
    assert "stored build" in "".join(builder.status.log)
    assert contents(store) == [first.id]


FAILING = {
    "broken": "POUS.c:11:3: error",
    "constructor": "crashes while it is loaded (segmentation fault)",
    "initialiser": "crashes while its variables get their first values",
    "unlinked": "undefined reference to `missing_function'",
    "include": "/etc/passwd: Permission denied",
    "incbin": "file not found: /etc/passwd",
    "huge": "Compiling Res0.c failed",
}


@pytest.mark.parametrize("name", FAILING)
def test_a_program_that_cannot_be_built_changes_nothing(
    name: str, builder: Builder, store: ProgramStore, tmp_path: Path
) -> None:
    with pytest.raises(BuildFailed):
        build_upload(builder, zip_of(name), tmp_path)
    assert builder.status.status is Status.FAILED
    assert builder.status.exit_code not in (0, None)
    assert FAILING[name] in "".join(builder.status.log)
    assert builder.status.log[-1].startswith("[ERROR] ")
    assert "root:" not in "".join(builder.status.log)
    assert contents(store) == []


def test_a_bad_upload_fails_with_its_reason(builder: Builder, store: ProgramStore, tmp_path: Path) -> None:
    for name in ("text", "parent", "bomb", "symbolic-link", "cut-half"):
        with pytest.raises(BuildFailed):
            build_upload(builder, BAD[name].make(), tmp_path)
        assert builder.status.log[-1].startswith("[ERROR] Not a valid PLC Program file: ")
        assert BAD[name].reason in builder.status.log[-1]
        assert (builder.status.status, builder.status.exit_code) == (Status.FAILED, 1)
    assert contents(store) == []


def test_an_upload_that_is_too_large_is_not_copied_whole(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LIMITS", archive.Limits(archive=1000))
    with pytest.raises(BuildFailed, match="more than 1000 bytes"):
        build_upload(builder, zip_of("follow"), tmp_path)


def test_a_program_that_hangs_when_it_is_loaded_is_ended(store: ProgramStore, tmp_path: Path) -> None:
    builder = Builder(store, BuildSettings(timeout_s=2.5))
    with pytest.raises(BuildFailed, match=r"took longer than 2\.5 s"):
        build_upload(builder, zip_of("hang"), tmp_path)
    assert builder.status.exit_code == 124
    assert not builder.busy
    assert contents(store) == []


def test_a_second_build_is_refused_while_one_runs(builder: Builder, tmp_path: Path) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(zip_of("follow"))

    async def test() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        first = asyncio.create_task(builder.build(descriptor, "a", "x"))
        await asyncio.sleep(0)
        assert builder.busy
        with pytest.raises(Busy, match="Runtime is compiling another program, please wait"):
            await builder.build(descriptor, "b", "x")
        assert (await first).name == "a"
        os.close(descriptor)

    asyncio.run(test())


def test_a_cancelled_build_ends_its_compilers_and_frees_the_builder(store: ProgramStore, tmp_path: Path) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(zip_of(wide(10_000)))  # keeps the compiler busy for many seconds
    compiling = asyncio.Event()

    def note(status: BuildStatus) -> None:
        if "debug.c" in "".join(status.log):
            compiling.set()

    builder = Builder(store, BuildSettings(jobs=2), note)

    async def test() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        task = asyncio.create_task(builder.build(descriptor, "a", "x"))
        await compiling.wait()
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
        os.close(descriptor)

    asyncio.run(test())
    assert builder.status.status is Status.FAILED
    assert contents(store) == []
    assert not [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and _works_in(pid, store.scratch)]
    assert build_upload(builder, zip_of("follow"), tmp_path).name == "sample"


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return folder in (process / "cwd").readlink().parents or (process / "cwd").readlink() == folder
    except OSError:
        return False


def test_a_flood_of_messages_is_cut(builder: Builder, tmp_path: Path) -> None:
    messages = "\n".join(f'#pragma message "note {n}"' for n in range(1500))
    sample = Sample("flood", (Var("X", "INT"),), prologue=messages + "\n#error the end")
    with pytest.raises(BuildFailed):
        build_upload(builder, zip_of(sample), tmp_path)
    log = builder.status.log
    assert len(log) <= LOG_LINES_MAX + 2
    assert "lines are missing" in log[-2]
    assert log[-1].startswith("[ERROR] ")


def test_an_address_outside_the_process_image_fails_the_build(builder: Builder, tmp_path: Path) -> None:
    sample = Sample("outside", (Var("X", "BOOL", address="%QX1024.0"),))
    with pytest.raises(BuildFailed, match=r"%QX1024\.0 is outside the process image"):
        build_upload(builder, zip_of(sample), tmp_path)


def test_a_python_block_is_told_to_stay_idle(builder: Builder, tmp_path: Path) -> None:
    call = "  void *a, *b; data__->X.value = python_block_loader(0, 0, 0, 1, 1, &a, &b, getpid());"
    info = build_upload(builder, zip_of(Sample("snake", (Var("X", "INT"),), call)), tmp_path)
    assert info.name == "sample"
    assert any(line.startswith("[WARNING] ") and "Python" in line for line in builder.status.log)


def test_old_programs_are_pruned(store: ProgramStore, tmp_path: Path) -> None:
    builder = Builder(store, BuildSettings(keep=1))
    first = build_upload(builder, zip_of("follow"), tmp_path)
    second = build_upload(builder, zip_of("invert"), tmp_path)
    assert first.id != second.id
    assert contents(store) == [second.id]
