# SPDX-License-Identifier: Apache-2.0
"""Boards and their configuration."""

import re
from pathlib import Path

import pytest

from image import config, kconfig
from image.config import Board
from image.errors import BuildError

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where menuconfig would keep the choice."""
    monkeypatch.setattr(config, "CHOSEN", tmp_path / "config")
    return tmp_path / "config"


def evaluate(tmp_path: Path, text: str) -> tuple[int, dict[str, str]]:
    (tmp_path / "in").write_text(text)
    code = kconfig.main(["resolve", str(tmp_path / "out"), str(tmp_path / "in")])
    return code, config.parse((tmp_path / "out").read_text()) if code == 0 else {}


@pytest.fixture(autouse=True)
def _in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def test_values_lose_quotes_and_unset_is_n() -> None:
    text = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\nCONFIG_D=12\n# a comment\n'
    assert config.parse(text) == {"A": "y", "B": "n", "C": "x y", "D": "12"}


def test_without_a_choice_the_container_is_meant(chosen: Path) -> None:
    assert config.chosen_board() == "container"
    chosen.write_text("CONFIG_BOARD_QEMU_ARM64=y\n")
    assert config.chosen_board() == "qemu-arm64"
    assert config.source_of("qemu-arm64") == chosen
    assert config.source_of("container") == PROJECT / "bsp/container/defconfig"


def test_an_unknown_board_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BuildError, match=r"no board 'cm6'.*container, qemu-amd64, qemu-arm64"):
        config.defconfig("cm6")


@pytest.mark.parametrize("board", config.boards())
def test_every_boards_values_are_valid_and_choose_that_board(board: str, tmp_path: Path) -> None:
    code, values = evaluate(tmp_path, (PROJECT / f"bsp/{board}/defconfig").read_text())
    assert code == 0
    assert values["BOARD"] == board
    assert config.board_of(values) == board


@pytest.mark.parametrize("line", ["CONFIG_NO_SUCH_SYMBOL=y", "CONFIG_BOARD_QEMU_ARM64=y\nCONFIG_ROOT_SLOT_MB=1"])
def test_a_wrong_value_is_an_error(line: str, tmp_path: Path) -> None:
    assert evaluate(tmp_path, line + "\n")[0] == 1


def test_only_what_differs_from_the_defaults_is_kept(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("CONFIG_BOARD_QEMU_AMD64=y\nCONFIG_DEVELOPMENT=y\nCONFIG_EXTRA_FIREWALL=n\n")
    assert kconfig.main(["minimal", str(tmp_path / "full"), str(tmp_path / "min")]) == 0
    assert config.parse((tmp_path / "min").read_text()) == {"BOARD_QEMU_AMD64": "y", "DEVELOPMENT": "y"}


def test_every_symbol_is_used() -> None:
    text = (PROJECT / "Kconfig").read_text()
    sources = (
        "".join(path.read_text() for path in (PROJECT / "image").glob("*.py"))
        + (PROJECT / "image/packages").read_text()
        + "".join(path.read_text() for path in (PROJECT / "bsp").glob("*/devicetree.toml"))
    )
    for symbol in re.findall(r"^config (\w+)", text, re.MULTILINE):
        used = re.search(rf'["\s]{symbol}(["\]]| = )', sources) or re.search(rf"if {symbol}$", text, re.MULTILINE)
        assert used, f"nothing uses {symbol}"


def test_a_board_gives_flags_and_numbers() -> None:
    board = Board("x", "arm64", {"A": "y", "B": "n", "C": "42"})
    assert board.flag("A")
    assert not board.flag("B")
    assert board.number("C") == 42
