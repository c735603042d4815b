# SPDX-License-Identifier: Apache-2.0
"""The bundle of a release that changes one daemon, made as the build makes bundles: for what an update moves."""

import os
from pathlib import Path

import pytest

from image import bundle, config, keys, slot
from image.root import PYTHON, os_release
from image.steps import CACHE, Artefact, Log, step
from image.system import compile_modules
from image.tools import tools
from tests.updates.bundles import BOARD, HOME

DAEMON = "netmon"
VERSION = "1.0.0"
LATER_S = 7 * 86400  # between the commits of the two releases
CHANGE = "\nCHANGED = 'in the next release'\n"


def make() -> Path:
    """The bundle. Every module of the daemon differs from the built one, and the version and time of the release."""
    board, use = config.load(BOARD), tools("disk")
    root, kernel = built(HOME / "root"), built(CACHE / "kernel-arm64")
    folder = HOME / "next"

    def change(target: Path, log: Log) -> None:
        log.run(["cp", "--archive", "--reflink=auto", root.path, target])
        package = target / PYTHON / "pilotlight"
        for path in [*sorted((package / DAEMON).glob("*.py")), package / "__init__.py"]:
            path.write_text(path.read_text() + CHANGE)
        compile_modules(log, tools("base"), target, [f"/{PYTHON}/pilotlight"])
        (target / "usr/lib/os-release").write_text(os_release(VERSION, BOARD))

    changed = step("root of the next release", inputs=[root, Path(__file__)], output=folder / "root", make=change)
    with pytest.MonkeyPatch.context() as environment:
        environment.setitem(os.environ, "SOURCE_DATE_EPOCH", str(slot.source_time() + LATER_S))
        held = slot.make_slot(board, changed, kernel, folder, use)
    return bundle.bundle_for(BOARD, VERSION, held, keys.signing_for({}), folder / "bundle.raucb", use).path


def built(path: Path) -> Artefact:
    """What the build has made, as it is."""
    return Artefact(path, path.with_name(f"{path.name}.key").read_text())
