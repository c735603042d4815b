# SPDX-License-Identifier: Apache-2.0
"""The benches: one table, all of it or by name. None of them is run here."""

import importlib
import subprocess
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench import bench_same, checkout
from tests.bench.common import Row, table


def test_a_figure_is_judged_by_its_bar() -> None:
    assert [Row("a", value, "s", 10).verdict for value in (9.9, 10, 10.1)] == ["within", "within", "OVER"]
    assert Row("a", 5, "s").verdict == ""


def test_a_table_has_its_figures_in_columns() -> None:
    title, heads, first, second = table("t", [Row("long name", 1.5, "s", 2, "peer"), Row("b", 20, "MB")]).splitlines()
    assert title == "t"
    assert [line.index(word) for line, word in ((heads, "value"), (first, "1.5"), (second, "20"))] == [11] * 3
    assert first.endswith("within  peer")


def test_every_bench_can_be_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"build", "container", "disk", "publish", "same", "scan", "snapshot"} <= set(command.NAMES)
    for name in command.NAMES:
        module = importlib.import_module(f"tests.bench.bench_{name}")
        monkeypatch.setattr(module, "run", lambda quick, name=name: [Row(name, float(quick), "s")])
    monkeypatch.setattr("sys.argv", ["bench", "disk", "scan", "--quick"])
    command.main()
    figures = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[2::4]]
    assert figures == [["disk", "1", "s"], ["scan", "1", "s"]]
    monkeypatch.setattr("sys.argv", ["bench"])
    command.main()
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in command.NAMES)


def test_an_unknown_bench_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "dsik"])
    with pytest.raises(SystemExit):
        command.main()
    assert "no bench dsik" in capsys.readouterr().err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose `build-image.sh` says what it was asked and fails at a board `broken`."""
    place = tmp_path / "project"
    place.mkdir()
    script = place / "build-image.sh"
    script.write_text('#!/bin/sh\necho "$@" >>../asked\necho said\n[ "$2" != broken ]\n')
    script.chmod(0o755)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *words], cwd=place, check=True)
    monkeypatch.setattr(checkout, "PROJECT", place)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return place


def test_a_fresh_clone_is_built_cleaned_and_gone(project: Path) -> None:
    (project / "untracked").touch()
    with checkout.fresh_clone() as clone:
        assert not (clone.folder / "untracked").exists()
        assert clone.build("container") > 0
        asked = clone.folder.parent / "asked"
        assert asked.read_text() == "build container\n"
        clone.clean()
        assert asked.read_text() == "build container\nclean all\n"
    assert not clone.folder.parent.exists()


def test_a_failed_build_shows_its_output(project: Path) -> None:
    with checkout.fresh_clone() as clone, pytest.raises(SystemExit, match=r"(?s)broken could not be built.*said"):
        clone.build("broken")


def test_a_container_that_ends_before_it_answers_is_no_figure(project: Path) -> None:
    with checkout.this_checkout() as here, pytest.raises(SystemExit, match=r"(?s)did not come up.*said"):
        here.until_web()


def test_files_that_differ_between_two_builds_are_named(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for name in bench_same.COMPARED:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(name)
    assert bench_same.differences(tmp_path / "one", tmp_path / "two") == []
    (tmp_path / "two/boot.img").write_text("else")
    assert bench_same.differences(tmp_path / "one", tmp_path / "two") == ["boot.img"]
