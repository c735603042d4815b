# SPDX-License-Identifier: Apache-2.0
"""Which uploads are taken, and what happens to the others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime import archive
from pilotlight.runtime.archive import ArchiveError

from tests.programs.bad import BAD
from tests.programs.generate import files_of
from tests.programs.make import bad_zips, zip_files, zip_of
from tests.programs.samples import SAMPLES

FOLLOW = {path: text.encode() for path, text in files_of(SAMPLES["follow"]).items()}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def upload(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    return path


def extracted(tmp_path: Path, data: bytes) -> dict[str, bytes]:
    archive.extract(upload(tmp_path, data), tmp_path / "out")
    return tree(tmp_path / "out")


def test_a_program_is_extracted_as_it_was_packed(tmp_path: Path) -> None:
    assert extracted(tmp_path, zip_of("follow")) == FOLLOW


def test_a_compressed_program_is_extracted(tmp_path: Path) -> None:
    assert extracted(tmp_path, zip_files(FOLLOW, zipfile.ZIP_DEFLATED)) == FOLLOW


def test_sizes_may_follow_the_data(tmp_path: Path) -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:  # type: ignore[override]
            self.data += piece
            return len(piece)

    target = Unseekable()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packer:
        for name, data in FOLLOW.items():
            packer.writestr(name, data)
    assert extracted(tmp_path, bytes(target.data)) == FOLLOW


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    data = zip_files({name.replace("/", "\\"): data for name, data in FOLLOW.items()})
    assert extracted(tmp_path, data) == FOLLOW


def test_one_root_folder_is_stripped_and_litter_is_skipped(tmp_path: Path) -> None:
    inside = {f"my project/{name}": data for name, data in FOLLOW.items()}
    litter = {"__MACOSX/my project/._POUS.c": b"x", "my project/.DS_Store": b"x", "my project/": b""}
    assert extracted(tmp_path, zip_files(inside | litter)) == FOLLOW


def test_the_report_lists_files_and_sizes(tmp_path: Path) -> None:
    report = archive.inspect(upload(tmp_path, zip_of("follow")))
    assert dict(report.files) == {name: len(data) for name, data in FOLLOW.items()}
    assert report.total == sum(map(len, FOLLOW.values()))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_upload_is_refused_with_its_reason_and_writes_nothing(name: str, tmp_path: Path) -> None:
    path = upload(tmp_path, BAD[name].make())
    with pytest.raises(ArchiveError) as error:
        archive.extract(path, tmp_path / "out")
    text = str(error.value)
    assert BAD[name].reason in text
    assert text.isprintable() and len(text) < 400
    assert list(tmp_path.iterdir()) == [path]


def test_there_are_many_kinds_of_bad_uploads() -> None:
    uploads = bad_zips()
    assert len(uploads) >= 45
    assert len({data for data, _ in uploads.values()}) == len(uploads)
    assert all(reason and len(data) < 8 << 20 for data, reason in uploads.values())


def test_an_upload_larger_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = upload(tmp_path, zip_of("follow"))
    with pytest.raises(ArchiveError, match="more than 1000"):
        archive.inspect(path, archive.Limits(archive=1000))


def test_nothing_is_written_through_a_link_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        archive.extract(upload(tmp_path, zip_of("follow")), tmp_path / "out")
    assert tree(tmp_path / "elsewhere") == {}


GOOD = zip_files(FOLLOW, zipfile.ZIP_DEFLATED)
SMALL = zip_files({name: data[:40] for name, data in FOLLOW.items()})


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid ZIP with some bytes changed, cut out, repeated or moved."""
    data = bytearray(draw(st.sampled_from([GOOD, SMALL])))
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["set", "cut", "copy", "number"]))
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        if kind == "set":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 400))]
        elif kind == "copy":
            data[at:at] = data[at : at + draw(st.integers(1, 400))]
        else:
            data[at : at + 4] = draw(st.sampled_from([0, 1, 0xFFFF, 0xFFFFFFFF, 1 << 31])).to_bytes(4, "little")
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(data=mutated())
def test_any_file_is_either_refused_or_extracted_inside_its_folder(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("mutated")
    path = upload(place, data)
    try:
        report = archive.extract(path, place / "out")
    except ArchiveError as error:
        assert str(error).isprintable()
        assert list(place.iterdir()) == [path]
    else:
        assert sorted(place.iterdir()) == [place / "out", path]
        assert {name: len(text) for name, text in tree(place / "out").items()} == dict(report.files)
