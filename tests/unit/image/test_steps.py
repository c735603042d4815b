# SPDX-License-Identifier: Apache-2.0
"""Steps are made again exactly when what they are made from changed."""

import os
import threading
from pathlib import Path

import pytest

from image import steps
from image.errors import BuildError
from image.progress import clock
from image.steps import Artefact, Log, key_of, step


@pytest.fixture(autouse=True)
def _logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOGS", tmp_path / "logs")


def test_keys_tell_values_files_modes_links_and_trees_apart(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    seen = [key_of(tree)]

    def changed() -> None:
        key = key_of(tree)
        assert key not in seen
        seen.append(key)

    (tree / "a").write_text("one")
    changed()
    (tree / "a").write_text("two")
    changed()
    (tree / "a").chmod(0o755)
    changed()
    (tree / "a").rename(tree / "b")
    changed()
    (tree / "l").symlink_to("b")
    changed()
    (tree / "l").unlink()
    (tree / "l").symlink_to("c")
    changed()
    (tree / "sub").mkdir()
    changed()
    assert key_of([1, "a"]) != key_of(["1", "a"]) != key_of(["1a"])
    assert key_of(None) != key_of("None")
    assert key_of({"a": 1}) != key_of({"b": 1})


def test_keys_do_not_see_compiled_files_or_times(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    before = key_of(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("y")
    os.utime(tmp_path / "a.py", (1, 1))
    assert key_of(tmp_path) == before


def test_a_step_is_skipped_while_its_inputs_are_the_same(tmp_path: Path) -> None:
    made: list[str] = []

    def build(value: str) -> Artefact:
        def make(target: Path, log: Log) -> None:
            made.append(value)
            target.write_text(value)

        return step("thing", inputs=[value], output=tmp_path / "out", make=make)

    first = build("a")
    assert build("a") == first
    assert made == ["a"]
    second = build("b")
    assert second.key != first.key
    assert second.path.read_text() == "b"
    (tmp_path / "out").unlink()
    build("b")
    assert made == ["a", "b", "b"]


def test_what_is_made_from_an_artefact_follows_its_key() -> None:
    assert key_of([Artefact(Path("x"), "1")]) == key_of([Artefact(Path("y"), "1")])
    assert key_of([Artefact(Path("x"), "1")]) != key_of([Artefact(Path("x"), "2")])


def test_a_failed_step_names_its_log_keeps_the_old_output_and_leaves_no_part(tmp_path: Path) -> None:
    output = tmp_path / "out"
    step("thing", inputs=["a"], output=output, make=lambda target, log: target.write_text("old") and None)

    def fail(target: Path, log: Log) -> None:
        target.mkdir()
        (target / "part").write_text("x")
        log.run(["sh", "-c", "echo the reason; exit 3"])

    with pytest.raises(BuildError) as caught:
        step("a thing: it", inputs=["b"], output=output, make=fail)
    message = str(caught.value)
    assert "step 'a thing: it' failed: sh ended with exit code 3" in message
    assert "the reason" in message
    log = Path(message.splitlines()[-1].removeprefix("the whole log: "))
    assert "the reason" in log.read_text()
    assert output.read_text() == "old"
    assert not (tmp_path / "out.new").exists()


def test_two_builders_of_one_output_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []

    def build() -> None:
        def make(target: Path, log: Log) -> None:
            made.append(1)
            target.write_text("x")

        step("thing", inputs=[], output=tmp_path / "out", make=make)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_tree_in_use_is_put_aside_and_removed_later(tmp_path: Path) -> None:
    output = tmp_path / "tree"

    def build(value: str) -> None:
        def make(target: Path, log: Log) -> None:
            target.mkdir()
            (target / value).touch()

        step("tree", inputs=[value], output=output, make=make)

    build("a")
    with steps.in_use(output):
        build("b")
        aside = [path for path in tmp_path.iterdir() if ".used-" in path.name]
        assert [path.name for path in aside[0].iterdir()] == ["a"]
        build("c")
        assert aside[0].exists()
    build("d")
    assert not aside[0].exists()
    assert [path.name for path in output.iterdir()] == ["d"]


def test_commands_get_the_environment_and_give_their_output(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as stream:
        log = Log("x", tmp_path / "log", stream)
        assert (
            log.output(["sh", "-c", "echo $WORD; pwd"], env={"WORD": "hello"}, cwd=tmp_path) == f"hello\n{tmp_path}\n"
        )
        with pytest.raises(BuildError, match="exit code 1"):
            log.output(["false"])
        log.run(["cat"], stdin="typed")
    assert "typed" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "1:01 min"), (600, "10:00 min")])
def test_durations_as_people_write_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_commands_do_not_see_the_time_of_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tools would take it for a wish to treat time stamps in another way than in a build without it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("KEPT", "2")
    words = ["sh", "-c", "echo ${SOURCE_DATE_EPOCH-none} $KEPT"]
    with (tmp_path / "log").open("wb") as stream:
        log = Log("test", tmp_path / "log", stream)
        assert log.output(words) == "none 2\n"
        log.run(words)
        assert log.output(words, env={"SOURCE_DATE_EPOCH": "3"}) == "3 2\n"
    assert "\nnone 2\n" in (tmp_path / "log").read_text()
