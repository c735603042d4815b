# SPDX-License-Identifier: Apache-2.0
"""Program packages: what is written is read back, and nothing that was tampered with is taken."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import Bool, Program, Rung, ir, out, run_function
from pilotlight.plc.package import (
    MANIFEST,
    PROGRAM,
    Package,
    PackageError,
    python_functions,
    read_package,
    with_files,
    write_package,
)
from pilotlight.plc.zipfiles import Limits, ZipError, packed, unpacked

from tests.unit.plc.generating import Maker


def lamp() -> ir.Program:
    with Program() as logic, Rung(Bool("Button")):
        out(Bool("Lamp"))
    return logic.ir


def package() -> Package:
    sources = {"lamp.py": b"# lamp\n", "parts/valve.py": b"# valve\n"}
    return Package("Lamp 1", lamp(), sources, 2_000_000, {"Lamp": "%QX0.1"})


def files() -> dict[str, bytes]:
    return unpacked(write_package(package()))


def resealed(contents: dict[str, bytes], **changes: object) -> bytes:
    """A package with the checksums of its contents made right again, and fields of the manifest changed."""
    import hashlib

    manifest = json.loads(contents[MANIFEST])
    manifest["checksums"] = {
        path: hashlib.sha256(data).hexdigest() for path, data in contents.items() if path != MANIFEST
    }
    return packed({**contents, MANIFEST: json.dumps({**manifest, **changes}).encode()})


def test_a_package_comes_back_as_it_went() -> None:
    assert read_package(write_package(package())) == package()


def test_the_same_package_has_the_same_bytes_and_identity() -> None:
    turned = replace(package(), sources=dict(reversed(package().sources.items())))
    assert write_package(turned) == write_package(package())
    assert turned.identity == Package("other", lamp()).identity
    assert Package("Lamp 1", ir.Program(lamp().cells, ())).identity != turned.identity


def test_any_zip_tool_can_open_a_package() -> None:
    with zipfile.ZipFile(io.BytesIO(write_package(package()))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST, PROGRAM, "sources/lamp.py", "sources/parts/valve.py"]
        manifest = json.loads(archive.read(MANIFEST))
    assert (manifest["format"], manifest["name"], manifest["ir_version"]) == (1, "Lamp 1", ir.VERSION)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 64))
def test_any_program_can_be_packed(seed: int) -> None:
    program = Maker(random.Random(seed)).program()
    assert read_package(write_package(Package("any", program))).program == program


def test_rungs_name_their_files_by_the_path_in_the_package() -> None:
    program = with_files(lamp(), {__file__: "lamp.py"})
    assert [rung.file for rung in program.rungs] == ["lamp.py"]
    assert [rung.file for rung in with_files(lamp(), {}).rungs] == [""]


def test_a_program_with_python_functions_is_refused_by_their_names() -> None:
    def doubled(x: int) -> dict[str, int]:
        return {"x": 2 * x}

    with Program() as logic, Rung():
        run_function(doubled, ins={"x": 1})
    assert [name.split(".")[-1] for name in python_functions(logic.ir)] == ["doubled:0"]
    with pytest.raises(PackageError, match="doubled"):
        write_package(Package("p", logic.ir))


@pytest.mark.parametrize("name", ["", "-x", "a/b", "x" * 65, "ä", "a\nb"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(PackageError, match="name"):
        write_package(Package(name, lamp()))


DEEP = "/".join("abcdefghi") + ".py"
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ({"Lam": "%QX0.0"}, "Lam is no BOOL tag"),
        ({"Lamp": "%QX1024.0"}, "no point"),
        ({"Lamp": "%QX0.8"}, "no point"),
        ({"Lamp": "%QX0.0\n"}, "no point"),
        ({"Lamp": "%MX0.0"}, "no point"),
        ({"Lamp": "%QX0.0", "Button": "%QX0.0"}, "both Lamp and Button"),
    ],
)
def test_points_that_are_refused(lines: dict[str, str], reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        write_package(replace(package(), lines=lines))


@pytest.mark.parametrize("period_ns", [0, -1, 99_999, 3_600_000_000_001])
def test_times_of_a_scan_that_are_refused(period_ns: int) -> None:
    with pytest.raises(PackageError, match=r"0\.1 ms to 1 hour"):
        write_package(replace(package(), period_ns=period_ns))


PATHS = ["../a.py", "/a.py", "a.txt", "a\\b.py", "a/../b.py", "a//b.py", ".a.py", "CON:.py", DEEP]


@pytest.mark.parametrize("path", PATHS)
def test_source_paths_that_are_refused(path: str) -> None:
    with pytest.raises(PackageError):
        write_package(Package("p", lamp(), {path: b""}))
    with pytest.raises(PackageError):
        read_package(resealed({**files(), f"sources/{path}": b""}))


def test_two_paths_that_differ_in_case_are_refused() -> None:
    with pytest.raises(PackageError, match=r"LAMP\.py"):
        read_package(resealed({**files(), "sources/LAMP.py": b""}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: {**f, PROGRAM: f[PROGRAM] + b" "}, "program.json is not what the manifest says"),
        (lambda f: {**f, "sources/lamp.py": b"evil"}, r"sources/lamp\.py is not what"),
        (lambda f: {**f, "sources/more.py": b""}, "not those its manifest lists"),
        (lambda f: {path: data for path, data in f.items() if path != "sources/lamp.py"}, "not those its manifest"),
        (lambda f: {path: data for path, data in f.items() if path != MANIFEST}, "no manifest.json"),
        (lambda f: {**f, MANIFEST: b"[]"}, "manifest.json"),
        (lambda f: {**f, MANIFEST: b"[" * 100_000}, "manifest.json"),
        (lambda f: {**f, MANIFEST: random.Random(1).randbytes(1 << 20) * 2}, "beyond"),
        (lambda f: {**f, MANIFEST: f[MANIFEST].replace(b'"format"', b'"x": 1, "format"')}, "manifest.json"),
    ],
)
def test_packages_that_were_changed_are_refused(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], reason: str
) -> None:
    with pytest.raises(PackageError, match=reason):
        read_package(packed(change(files())))


def test_what_is_sealed_and_wrong_is_refused_all_the_same() -> None:
    good = files()
    cases = [
        (resealed(good, format=2), "format 2"),
        (resealed(good, ir_version=99), "IR version 99"),
        (resealed(good, ir_version=1), "IR version 1; this is version 2"),
        (resealed(good, name="../x"), "name"),
        (resealed(good, period_ns=1), "scan"),
        (resealed(good, lines={"Button": "%QX9.9"}), "point"),
        (resealed({**good, PROGRAM: b"{}"}), "program.json"),
        (resealed({**good, PROGRAM: good[PROGRAM].replace(b'"slot":3', b'"slot":99')}), "program.json"),
        (resealed({**good, "extra.txt": b""}), "no place"),
    ]
    assert b'"slot":3' in good[PROGRAM]
    for data, reason in cases:
        with pytest.raises(PackageError, match=reason):
            read_package(data)


def test_bombs_and_floods_are_refused() -> None:
    limits = Limits(archive=5000, entries=3, total=100_000, ratio=50, ratio_from=1000)
    half = random.Random(1).randbytes(1600) * 36
    cases = {
        "5001 bytes": bytes(5001),
        "4 entries": packed({str(number): b"" for number in range(4)}),
        "100000 bytes": packed({"a": half, "b": half}),
        "more than 50 times": packed({"a": bytes(50_000)}),
    }
    for reason, data in cases.items():
        with pytest.raises(ZipError, match=reason):
            unpacked(data, limits)


def test_an_entry_that_unpacks_to_more_than_it_says_is_refused() -> None:
    data = bytearray(packed({"a": b"x" * 1000}))
    for place in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(ZipError, match="damaged"):
        unpacked(bytes(data))


def odd(name: str = "a", *, method: int = 8, mode: int = 0o100644, extra: bytes = b"", comment: bytes = b"") -> bytes:
    out_file = io.BytesIO()
    with zipfile.ZipFile(out_file, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr, info.extra, info.comment = method, mode << 16, extra, comment
        archive.writestr(info, b"x")
    return out_file.getvalue()


def test_only_plain_zips_are_taken() -> None:
    plain = odd()
    assert unpacked(plain) == {"a": b"x"} and unpacked(odd(method=0)) == {"a": b"x"}
    strange = [
        b"", b"PK", plain[:-1], plain + b"x", b"x" + plain, odd(method=14), odd(mode=0o120777), odd(extra=b"ab\0\0"),
        odd(comment=b"c"), plain[:30] + b"b" + plain[31:], plain.replace(b"PK\x03\x04", b"PK\x03\x05"),
        plain.replace(b"PK\x01\x02", b"PK\x01\x03"), odd()[:-22] + odd(),
    ]  # fmt: skip
    for data in strange:
        with pytest.raises(ZipError):
            unpacked(data)


def two(first: str = "a", second: str = "b") -> bytes:
    out_file = io.BytesIO()
    with zipfile.ZipFile(out_file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(zipfile.ZipInfo(first), b"x")
        archive.writestr(zipfile.ZipInfo(second), b"x")
    return out_file.getvalue()


def patched(data: bytes, *changes: tuple[int, int]) -> bytes:
    """Numbers of four bytes written at places."""
    made = bytearray(data)
    for place, number in changes:
        made[place : place + 4] = struct.pack("<I", number)
    return bytes(made)


def test_entries_lie_one_behind_the_other_and_the_directory_behind_them() -> None:
    data = two()
    assert unpacked(data) == {"a": b"x", "b": b"x"}
    directory, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    second = data.index(b"PK\x01\x02", directory + 4)
    local = data.index(b"PK\x03\x04", 4)
    gap = data[:local] + b"-" + data[local:]
    cases = {
        "does not follow": patched(gap, (second + 1 + 42, local + 1), (end + 1 + 16, directory + 1)),
        "does not follow the": patched(data, (second + 42, 0)),
        "between its entries": patched(data[:directory] + b"-" + data[directory:], (end + 1 + 16, directory + 1)),
        "is in it twice": two("a", "a"),
        "was damaged": patched(odd(method=0), (14, 0), (odd(method=0).index(b"PK\x01\x02") + 16, 0)),
    }
    for reason, made in cases.items():
        with pytest.raises(ZipError, match=reason):
            unpacked(made)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_no_byte_can_be_changed_unseen(place: int, value: int) -> None:
    """But for what says nothing: the versions of ZIP, and permissions."""
    good = write_package(package())
    data = bytearray(good)
    data[place % len(good)] = value
    try:
        taken = read_package(bytes(data))
    except PackageError:
        return
    assert taken == package()
