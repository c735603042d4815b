# SPDX-License-Identifier: Apache-2.0
"""What is built: a board and the values of its Kconfig symbols.

A board's values are its `bsp/<board>/defconfig`, or what `menuconfig` saved in `build/config` when that is for the same
board. Kconfiglib evaluates them in the tools root.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image import host
from image.errors import BuildError
from image.steps import BUILD, PROJECT, Log, step
from image.tools import tools

KCONFIG = PROJECT / "Kconfig"
CHOSEN = BUILD / "config"
DEFAULT_BOARD = "container"


@dataclass(frozen=True)
class Board:
    """A board with its configuration."""

    name: str
    arch: str  # Debian's name
    config: Mapping[str, str]  # every symbol, without CONFIG_

    def flag(self, symbol: str) -> bool:
        """Whether a `bool` symbol is y."""
        return self.config[symbol] == "y"

    def number(self, symbol: str) -> int:
        """The value of an `int` symbol."""
        return int(self.config[symbol])


def boards() -> list[str]:
    """Names of the boards this project knows."""
    return sorted(path.parent.name for path in (PROJECT / "bsp").glob("*/defconfig"))


def parse(text: str) -> dict[str, str]:
    """Symbols and values of a configuration file; strings lose their quotes."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"CONFIG_(\w+)=(.*)", line):
            found[match[1]] = match[2].removeprefix('"').removesuffix('"')
        elif match := re.fullmatch(r"# CONFIG_(\w+) is not set", line):
            found[match[1]] = "n"
    return found


def board_of(config: Mapping[str, str]) -> str:
    """The board that a (possibly minimal) configuration chooses."""
    for symbol, value in config.items():
        if symbol.startswith("BOARD_") and value == "y":
            return symbol.removeprefix("BOARD_").lower().replace("_", "-")
    return DEFAULT_BOARD


def chosen_board() -> str:
    """The board that verbs take when none is named: the one chosen in `menuconfig`, or the container."""
    return board_of(parse(CHOSEN.read_text())) if CHOSEN.exists() else DEFAULT_BOARD


def defconfig(name: str) -> Path:
    """A board's own values. Raises BuildError for an unknown board."""
    path = PROJECT / "bsp" / name / "defconfig"
    if not path.exists():
        raise BuildError(f"there is no board '{name}'; the boards are: {', '.join(boards())}")
    return path


def source_of(name: str) -> Path:
    """The file that holds the values for a board."""
    own = defconfig(name)
    return CHOSEN if CHOSEN.exists() and board_of(parse(CHOSEN.read_text())) == name else own


def load(name: str) -> Board:
    """A board with every symbol evaluated. Raises BuildError for an unknown board or a wrong value."""
    source = source_of(name)
    use = tools("base")
    evaluate = PROJECT / "image" / "kconfig.py"

    def make(target: Path, log: Log) -> None:
        use.run(log, ["python3", evaluate, "resolve", target, source])

    resolved = step(
        f"configure {name}", inputs=[KCONFIG, source, evaluate, use.root], output=BUILD / name / "config", make=make
    )
    config = parse(resolved.path.read_text())
    arch = config["ARCH"]
    return Board(name, host.architecture() if arch == "native" else arch, config)
