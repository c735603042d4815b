# SPDX-License-Identifier: Apache-2.0
"""Tools roots: Debian systems of the host's architecture that hold every program the build needs.

The host's own versions of compilers, file system tools and emulators do not matter. The kind `base` is enough for the
container; `disk` holds all of `base` and what makes and runs disk images.
"""

import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from image import apt, debian, host, lists
from image.steps import BUILD, PROJECT, Artefact, Input, Log, step

REQUIREMENTS = PROJECT / "image" / "tools.requirements"
KINDS = {"base": ["tools base"], "disk": ["tools base", "tools disk"]}
ENTER = debian.HOOKS / "enter"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What pip may need to know of the host to reach its package index.
PIP_FILES = ["etc/pip.conf", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"]


@dataclass(frozen=True)
class Tools:
    """A tools root. Commands in it see this project's directory at its own path, and nothing else of the host."""

    kind: str
    root: Artefact

    def argv(self, words: Sequence[str | Path]) -> list[str]:
        """The command line that runs `words` in the tools root, in the project's directory or one below it."""
        enter = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", str(ENTER)]
        return [*enter, str(self.root.path), str(PROJECT), *(str(word) for word in words)]

    def run(self, log: Log, words: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        """Run a command in the tools root, in the project's directory. Raises BuildError when it fails."""
        log.run(self.argv(words), cwd=PROJECT, env={**environment(), **(env or {})})

    def output(self, log: Log, words: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
        """Run a command in the tools root and return what it printed."""
        return log.output(self.argv(words), cwd=PROJECT, env={**environment(), **(env or {})})


def environment() -> dict[str, str]:
    """The environment of a command in a tools root: the same on every host."""
    return {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}


@functools.cache
def tools(kind: str) -> Tools:
    """The tools root of a kind (`base` or `disk`), made when it is not there."""
    arch = host.architecture()
    titles = KINDS[kind]
    repository = apt.fetch(f"tools-{kind}", titles, arch)

    def make(target: Path, log: Log) -> None:
        debian.install(log, repository.path, lists.names(apt.sections(), titles, arch), arch, target, None)
        install_compiler(target, log)

    inputs: list[Input] = [Path(debian.__file__), debian.HOOKS / "helpers", repository, REQUIREMENTS]
    return Tools(kind, step(f"tools {kind}", inputs=inputs, output=BUILD / "tools" / kind, make=make))


def install_compiler(root: Path, log: Log) -> None:
    """Install the compiler of Python modules into a tools root, from the package index that the host's pip uses."""
    for name in PIP_FILES:
        if (Path("/") / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).unlink(missing_ok=True)
            shutil.copy(Path("/") / name, root / name)
    (root / "tools.requirements").write_bytes(REQUIREMENTS.read_bytes())
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    pip = ["python3", "-m", "pip", "install", "--no-cache-dir", "--break-system-packages", "--ignore-installed"]
    log.run(
        ["chroot", root, *pip, "--only-binary=:all:", "--require-hashes", "--requirement", "/tools.requirements"],
        env={**environment(), **own},
    )
