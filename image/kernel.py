# SPDX-License-Identifier: Apache-2.0
"""Which kernel modules a board gets: names in the board's lists, closed over what each needs, in loading order."""

import lzma
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from image.errors import BuildError

MODULES = Path("usr/lib/modules")
INDEXES = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


@dataclass(frozen=True)
class Kernel:
    """A kernel as its packages unpack it: `tree` holds `usr/lib/modules/<version>` with the kernel itself in it."""

    tree: Path
    version: str

    @classmethod
    def find(cls, tree: Path) -> "Kernel":
        """The one kernel below `tree`; BuildError when there is none, or more than one."""
        versions = sorted(path.name for path in (tree / MODULES).glob("*") if (path / "vmlinuz").is_file())
        if len(versions) != 1:
            raise BuildError(f"{tree / MODULES} holds {len(versions)} kernels, not one: {' '.join(versions) or 'none'}")
        return cls(tree, versions[0])

    @property
    def modules(self) -> Path:
        """The directory of its modules."""
        return self.tree / MODULES / self.version

    @property
    def image(self) -> Path:
        """The kernel itself."""
        return self.modules / "vmlinuz"


def wanted(text: str) -> list[str]:
    """The module names of a list: one a line, `#` begins a comment."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def module_name(file: str) -> str:
    """`kernel/drivers/gpio/gpio-sim.ko.xz` → `gpio_sim`: the kernel makes no difference between `-` and `_`."""
    return file.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def closure(names: Iterable[str], dependencies: str, builtin: str) -> list[str]:
    """The files of the named modules and of all they need, each after what it needs.

    `dependencies` and `builtin` are the texts of `modules.dep` and `modules.builtin`. A module that is built into the
    kernel needs no file. BuildError names every module that the kernel does not have.
    """
    needs: dict[str, tuple[str, list[str]]] = {}
    for line in dependencies.splitlines():
        file, _, rest = line.partition(":")
        needs[module_name(file)] = (file, [module_name(other) for other in rest.split()])
    inside = {module_name(line) for line in builtin.splitlines() if line}
    missing = [name for name in names if module_name(name) not in needs and module_name(name) not in inside]
    if missing:
        raise BuildError(f"the kernel has no module {', '.join(missing)}: mend the board's list of modules")
    files: dict[str, None] = {}
    for name in map(module_name, names):
        if name in needs:
            file, others = needs[name]
            # modules.dep lists what a module needs from the nearest to the farthest.
            for other in reversed(others):
                files[needs[other][0]] = None
            files[file] = None
    return list(files)


def select(kernel: Kernel, names: Iterable[str]) -> list[str]:
    """As `closure`, for an unpacked kernel whose `modules.dep` has been made."""
    return closure(
        names, (kernel.modules / "modules.dep").read_text(), (kernel.modules / "modules.builtin").read_text()
    )


def unpacked(file: Path) -> bytes:
    """The module in `file` without its compression."""
    data = file.read_bytes()
    return lzma.decompress(data) if file.suffix == ".xz" else data


def install(kernel: Kernel, names: Iterable[str], root: Path) -> None:
    """Copy the named modules, all they need and the kernel's own indexes into `root`; `depmod` is the caller's."""
    target = root / MODULES / kernel.version
    for file in [*INDEXES, *select(kernel, names)]:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(kernel.modules / file, target / file)
