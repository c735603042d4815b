# SPDX-License-Identifier: Apache-2.0
"""The device trees of a board: one that Debian's kernel has, with the board's overlays merged onto it.

`bsp/<board>/devicetree.toml` says which; the overlays are in `bsp/<board>/overlays`. Any warning of the compiler fails
the build.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from image import modules
from image.config import Board
from image.errors import BuildError
from image.kernel import Kernel
from image.steps import BUILD, PROJECT, Artefact, Input, Log, step
from image.tools import Tools

# An overlay cannot know what its nodes will be in: this one warning says nothing there. The merged tree is checked.
OVERLAY_WARNINGS = "-Wno-interrupts_property"

# Arguments: directory of the kernel's headers, overlay, result. Symbols are kept for the overlays that come after it.
COMPILE = f"""\
set -e
gcc -E -nostdinc -undef -P -x assembler-with-cpp -I "$1" "$2" -o "$3.text"
dtc -@ {OVERLAY_WARNINGS} -I dts -O dtb -o "$3" "$3.text" 2>"$3.warnings" || :
cat "$3.warnings" >&2
rm "$3.text"
test ! -s "$3.warnings"
rm "$3.warnings"
"""
WARNINGS = 'dtc -I dtb -O dts -o /tmp/text "$1" 2>&1'


@dataclass(frozen=True)
class Plan:
    """What trees a board has: `base` is relative to the kernel's own, `trees` the overlays of each, in order."""

    base: str
    trees: dict[str, list[str]]
    removed: list[tuple[str, str]]  # nodes, or properties of nodes, that are taken out of every tree


def parse(text: str, flag: Callable[[str], bool]) -> Plan:
    """The plan in the text of a `devicetree.toml`; `flag` tells the value of a symbol."""
    data = tomllib.loads(text)
    options = [overlay for symbol, overlay in sorted(data["options"].items()) if flag(symbol)]
    trees = {name: [*overlays, *options] for name, overlays in sorted(data["trees"].items())}
    parts = [item.partition(":") for item in data["removed"]]
    return Plan(data["base"], trees, [(node, name) for node, _, name in parts])


def removal(tree: Path, node: str, name: str) -> list[str | Path]:
    """The command that takes a node, or its property `name`, out of a device tree."""
    return ["fdtput", "-d", tree, node, name] if name else ["fdtput", "-r", tree, node]


def new_warnings(before: str, after: str) -> list[str]:
    """The warnings about a merged tree that its base does not have."""
    known = before.splitlines()
    return [line for line in after.splitlines() if line not in known]


def trees_for(board: Board, source: Artefact, use: Tools) -> Artefact | None:
    """A directory with the device trees of a board, and all overlays, compiled, in `overlays`; None where it has none.

    `source` is the unpacked kernel. Raises BuildError, also for any warning that the base does not have.
    """
    own = PROJECT / "bsp" / board.name
    if not (own / "devicetree.toml").exists():
        return None
    plan = parse((own / "devicetree.toml").read_text(), board.flag)
    kernel = Kernel.find(source.path)
    headers = modules.build_tree(board.arch, kernel.version)
    include = headers.path / f"usr/src/linux-headers-{modules.common(kernel.version)}-common/include"

    def make(target: Path, log: Log) -> None:
        compiled = target / "overlays"
        compiled.mkdir(parents=True)
        base = kernel.modules / "dtb" / plan.base
        for text in sorted((own / "overlays").glob("*.dtso")):
            use.run(log, ["sh", "-c", COMPILE, "compile", include, text, compiled / f"{text.stem}.dtbo"])
        before = use.output(log, ["sh", "-c", WARNINGS, "warnings", base])
        for name, overlays in plan.trees.items():
            merge(log, use, base, [compiled / f"{overlay}.dtbo" for overlay in overlays], target / name)
            for node, what in plan.removed:
                use.run(log, removal(target / name, node, what))
            after = use.output(log, ["sh", "-c", WARNINGS, "warnings", target / name])
            if found := new_warnings(before, after):
                raise BuildError("\n".join([f"the device tree {name} is not clean:", *found]))

    inputs: list[Input] = [source, headers, f"{plan}", own / "overlays", use.root, COMPILE, WARNINGS, Path(__file__)]
    return step(f"device trees {board.name}", inputs=inputs, output=BUILD / board.name / "devicetree", make=make)


def merge(log: Log, use: Tools, base: Path, overlays: Sequence[Path], target: Path) -> None:
    """Merge compiled overlays onto a device tree."""
    use.run(log, ["fdtoverlay", "-i", base, "-o", target, *overlays])
