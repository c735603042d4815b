# SPDX-License-Identifier: Apache-2.0
"""The package list and the package lock."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image import apt, lists
from image.errors import BuildError
from image.lists import Drift, Package

PROJECT = Path(__file__).parents[3]
ONE = Package("alpha", "amd64", "1:2.3-4", "a" * 64)
TWO = Package("beta", "all", "0~rc1+dfsg-1", "b" * 64)

packages = st.builds(
    Package,
    name=st.from_regex(r"[a-z0-9][a-z0-9.+-]{1,20}", fullmatch=True),
    arch=st.sampled_from(["amd64", "arm64", "all"]),
    version=st.from_regex(r"[0-9][A-Za-z0-9.+~:-]{0,20}", fullmatch=True),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


def test_names_of_a_set_for_an_architecture() -> None:
    sections = lists.parse_list("[set one]\nb1 # why\na1 [arm64]\n\n[set]\na1 [amd64 arm64]\nc1\n[settled]\nz1\n")
    assert lists.names(sections, ["set"], "amd64") == ["a1", "b1", "c1"]
    assert lists.names(sections, ["set one"], "amd64") == ["b1"]
    assert lists.names(sections, ["set one", "settled"], "arm64") == ["a1", "b1", "z1"]
    assert list(sections) == ["set one", "set", "settled"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a-package\n", "before the first"),
        ("[a]\nBad_Name\n", "neither a"),
        ("[a]\nfine\n[a]\n", "twice"),
        ("[a]\nfine [amd64\n", "neither a"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(BuildError, match=rf"image/packages:\d+: .*{reason}"):
        lists.parse_list(text)


def test_a_missing_section_is_refused() -> None:
    with pytest.raises(BuildError, match=r"\[kernel\]"):
        lists.names({}, ["kernel"], "amd64")


@given(st.lists(packages, max_size=5, unique_by=lambda package: (package.name, package.arch)))
def test_a_lock_reads_back_as_written(some: list[Package]) -> None:
    assert sorted(lists.parse_lock(lists.format_lock(some)).values()) == sorted(some)


@pytest.mark.parametrize("line", ["alpha 1.0 amd64", f"alpha=1.0 amd64 {'g' * 64}", f"alpha=1.0 {'a' * 64}"])
def test_a_wrong_lock_is_refused(line: str) -> None:
    with pytest.raises(BuildError, match=r"packages.lock:1"):
        lists.parse_lock(line)


def test_drift_names_what_moved_what_is_new_and_what_changed_in_place() -> None:
    locked = {("alpha", "amd64"): ONE}
    moved = Package("alpha", "amd64", "1:2.4-1", "c" * 64)
    forged = Package("alpha", "amd64", "1:2.3-4", "d" * 64)
    assert lists.drift([ONE], locked) == []
    assert lists.drift([moved, TWO], locked) == [Drift(moved, ONE), Drift(TWO, None)]
    assert str(Drift(moved, ONE)) == "alpha (amd64): locked 1:2.3-4, now 1:2.4-1"
    assert "not in the lock" in str(Drift(TWO, None))
    assert "other contents" in str(lists.drift([forged], locked)[0])


def test_an_insisting_build_refuses_drift_and_a_plain_one_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lock").write_text(lists.format_lock([ONE]))
    monkeypatch.setattr(apt, "LOCK", tmp_path / "lock")
    said: list[str] = []
    monkeypatch.setattr(apt.progress, "say", said.append)
    moved = Package("alpha", "amd64", "1:2.4-1", "c" * 64)
    apt.report_drift("set", [ONE])
    assert said == []
    apt.report_drift("set", [moved])
    assert "locked 1:2.3-4, now 1:2.4-1" in said[0]
    monkeypatch.setattr(apt.Locked, "insist", True)
    with pytest.raises(BuildError, match="--locked insists"):
        apt.report_drift("set", [moved])
    apt.report_drift("set", [ONE])


def test_preferences_pin_locked_versions_above_all_else() -> None:
    text = lists.preferences([ONE], ["linux-image-*"])
    assert "Package: alpha\nPin: version 1:2.3-4\nPin-Priority: 1001" in text
    assert "Package: linux-image-*\nPin: release n=trixie-backports\nPin-Priority: 990" in text


def test_a_stanza_becomes_a_package_and_a_file_name() -> None:
    stanza = f"Package: alpha\nVersion: 1:2.3-4\nArchitecture: amd64\nSHA256: {'a' * 64}\nDescription: x\n more\n"
    assert apt.package_of(stanza) == ONE
    assert apt.file_name(ONE) == "alpha_1%3a2.3-4_amd64.deb"
    assert apt.split(f"{stanza}\n\n{stanza}") == [stanza, stanza]


def test_the_projects_list_is_well_formed_sorted_and_locked() -> None:
    sections = lists.parse_list((PROJECT / "image/packages").read_text())
    locked = lists.parse_lock((PROJECT / "image/packages.lock").read_text())
    for title, lines in sections.items():
        assert lines == sorted(lines), title
    for arch in ("amd64", "arm64"):
        for name in lists.names(sections, {title.split()[0] for title in sections}, arch):
            assert (name, arch) in locked or (name, "all") in locked, f"{name} is not in the lock: build-image.sh lock"


def test_the_lock_names_no_package_host() -> None:
    assert not re.search(r"https?://", (PROJECT / "image/packages.lock").read_text())
