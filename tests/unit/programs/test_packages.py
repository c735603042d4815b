# SPDX-License-Identifier: Apache-2.0
"""Program packages beside Editor ZIPs: one builder, the same bounds, the same interface."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pilotlight.plc import ir
from pilotlight.plc.loading import load_program
from pilotlight.plc.native import translate
from pilotlight.plc.package import Package, write_package
from pilotlight.plc.zipfiles import packed, unpacked
from pilotlight.runtime import packages
from pilotlight.runtime.build import Builder, BuildFailed, BuildSettings, Status
from pilotlight.runtime.native import NativeProgram
from pilotlight.runtime.store import ProgramStore
from pilotlight.tags import Flags, Tag, Type
from pilotlight.tags.directory import Directory

from tests.programs.packing import zip_of
from tests.support.daemons import PACKAGES
from tests.unit.programs.conftest import build_upload

ROOT = Path(__file__).parents[3]
MS = 1_000_000


def example(name: str) -> Package:
    return load_program(ROOT / f"examples/{name}.py").package(name)


@pytest.fixture(scope="module")
def motor() -> bytes:
    return write_package(example("motor"))


@pytest.fixture
def store(tmp_path: Path) -> ProgramStore:
    return ProgramStore(tmp_path / "store")


@pytest.fixture
def builder(store: ProgramStore) -> Builder:
    return Builder(store, BuildSettings(timeout_s=60, jobs=2))


def test_a_package_is_told_by_its_first_entry(motor: bytes, tmp_path: Path) -> None:
    cases = {
        motor: True,
        zip_of("follow"): False,
        b"": False,
        motor[:20]: False,
        motor.replace(b"manifest.json", b"manifest.jsom", 1): False,
        packed({"manifest.json.c": b""}): False,
    }
    for number, (data, expected) in enumerate(cases.items()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        assert packages.is_package(path) is expected


class Running:
    """A built program, scanned by its lines."""

    def __init__(self, path: Path) -> None:
        self.program = NativeProgram.load(path)
        self.tags = [Tag(v.name, Type(v.type), flags=Flags(v.flags)) for v in self.program.variables]
        self.directory = Directory(self.tags)
        self.program.prepare(
            memoryview(bytearray(self.directory.image_size)), [self.directory.offset(n) for n in range(len(self.tags))]
        )
        self.program.bind(0, [(0, bit) for bit in range(5)])
        self.program.bind(1, [(0, bit) for bit in range(3)])
        self.now = 0

    def scan(self, lines: int, seconds: float = 0.01) -> int:
        """Scan for a time with input lines as given; the output lines, as bits."""
        for _ in range(round(seconds * 100)):
            self.now += 10 * MS
            self.program.inputs(lines)
            self.program.run(0, 0, self.now)
            self.program.capture()
        return self.program.outputs()


START, GUARDS, MOTOR, HORN = 0b00001, 0b01110, 0b001, 0b010


def test_a_package_becomes_a_program_that_runs(
    motor: bytes, builder: Builder, store: ProgramStore, tmp_path: Path
) -> None:
    info = build_upload(builder, motor, tmp_path, "motor 1")
    assert (info.name, info.dialect, info.period_ns) == ("motor 1", "plz", 10 * MS)
    assert store.upload_path(info.id).read_bytes() == motor
    assert builder.status.status is Status.SUCCESS
    flags = {v.name: Flags(v.flags) for v in store.manifest(info.id).variables}
    assert flags["Start"] == Flags.INPUT | Flags.WRITABLE
    assert flags["Motor"] == Flags.OUTPUT | Flags.WRITABLE
    assert flags["Tripped"] == Flags.RETENTIVE | Flags.WRITABLE
    assert flags["sys.clock_1s"] == Flags(0)
    running = Running(store.object_path(info.id))
    assert running.scan(GUARDS) == 0
    assert running.scan(GUARDS | START) == HORN
    assert running.scan(GUARDS, 3.1) == MOTOR
    assert running.scan(GUARDS & ~0b10) == 0


def test_both_kinds_are_stored_side_by_side_and_built_once(
    motor: bytes, builder: Builder, store: ProgramStore, tmp_path: Path
) -> None:
    first = build_upload(builder, motor, tmp_path)
    second = build_upload(builder, zip_of("follow"), tmp_path)
    assert {info.id: info.dialect for info in store.list()} == {first.id: "plz", second.id: "A"}
    assert build_upload(builder, motor, tmp_path).id == first.id
    assert "stored build" in "".join(builder.status.log)


def changed(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    files = unpacked(data)
    assert old in files[name]
    return packed({**files, name: files[name].replace(old, new)})


def test_what_is_no_sound_package_is_refused_with_its_reason(
    motor: bytes, builder: Builder, store: ProgramStore, tmp_path: Path
) -> None:
    commented = io.BytesIO(motor)
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"hello"
    cases = {
        "program.json is not what the manifest says": changed(motor, "program.json", b"Motor", b"Mator"),
        "IR version 9": changed(motor, "manifest.json", b'"ir_version": 2', b'"ir_version": 9'),
        "is no point": changed(motor, "manifest.json", b"%IX0.0", b"%IX0.9"),
        "was cut off": motor[:-1],
        "something was added to its end": commented.getvalue(),
    }
    for reason, data in cases.items():
        with pytest.raises(BuildFailed, match=reason):
            build_upload(builder, data, tmp_path)
        assert builder.status.log[-1].startswith("[ERROR] Not a valid PLC Program file: ")
        assert len(builder.status.log[-1].splitlines()) == 1
    assert store.list() == []
    assert [path.name for path in store.scratch.parent.iterdir()] == []


def test_names_of_tags_cannot_become_code(builder: Builder, store: ProgramStore, tmp_path: Path) -> None:
    """A name that the scan cannot publish fails the check; no name is ever C."""
    program = example("motor").program
    for name in ('x"; int y = 0; //', "a\\", "*/", "??/"):
        cells = tuple(replace_name(cell, name) if cell.name == "Horn" else cell for cell in program.cells)
        package = Package("names", ir.Program(cells, program.rungs, edges=program.edges))
        try:
            info = build_upload(builder, write_package(package), tmp_path)
        except BuildFailed as error:
            assert "Not a program this runtime can run" in str(error)
        else:
            assert name in [variable.name for variable in store.manifest(info.id).variables]


@pytest.mark.parametrize("name", ["Scan.Count", "Line.start"])
def test_tags_of_the_runtime_are_not_the_programs(
    name: str, builder: Builder, store: ProgramStore, tmp_path: Path
) -> None:
    program = example("motor").program
    cells = tuple(replace_name(cell, name) if cell.name == "Horn" else cell for cell in program.cells)
    package = Package("names", ir.Program(cells, program.rungs, edges=program.edges))
    with pytest.raises(BuildFailed, match=f"{name}.*rename it"):
        build_upload(builder, write_package(package), tmp_path)
    assert store.list() == []


def replace_name(cell: ir.Cell, name: str) -> ir.Cell:
    return ir.Cell(name, cell.type, cell.default, cell.retentive, cell.readonly, cell.internal, cell.comment)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), OSError(28, "No space left on device")])
def test_a_translation_says_in_one_line_why_it_ended(
    error: Exception, motor: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(data: bytes) -> dict[str, str]:
        raise error

    monkeypatch.setattr(translate, "translate", fails)
    (tmp_path / "a.plz").write_bytes(motor)
    assert translate.main([str(tmp_path / "a.plz"), str(tmp_path / "source")]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_runtime_starts_without_the_language() -> None:
    look = "import sys, pilotlight.runtime.__main__; print([name for name in sys.modules if '.plc' in name])"
    command, env = [sys.executable, "-c", look], {**os.environ, "PYTHONPATH": PACKAGES}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_only_the_translation_reads_more_than_the_compilers() -> None:
    native = str(packages.SUPPORT)
    steps = [*packages.compile_steps("source", ["program.c"]), packages.link_step(["program.c"], "p.so")]
    assert {step.readable for step in steps} == {(native,), ()}
    assert packages.sources_of(["program.c", "program_0.c", "program.h", "program_x.c/..", "a.c"]) == [
        "program.c",
        "program_0.c",
    ]
