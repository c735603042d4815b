# SPDX-License-Identifier: Apache-2.0
"""The layers of the disk, made once more in another folder from a copy of the root: the same bytes.

The whole build, packages and compilers included, is compared by the bench `same`.
"""

import subprocess
import tempfile
from pathlib import Path

from image import config, disk
from image.outputs import digest
from image.root import root_for
from image.steps import BUILD, Artefact
from tests.system.conftest import BOARD


def test_the_disk_is_the_same_wherever_it_is_made() -> None:
    board = config.load(BOARD)
    root = root_for(board)
    first = disk.build(board, root)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="again-") as name:
        place = Path(name)
        # A copy has other inodes, and its folders another order.
        subprocess.run(["cp", "--archive", root.path, place / "root"], check=True)
        second = disk.build(board, Artefact(place / "root", root.key), place / "made")
        for one, two in (
            (first.slot.root_image, second.slot.root_image),
            (first.slot.boot_image, second.slot.boot_image),
            (first.image.path, second.image.path),
            (first.download.path, second.download.path),
        ):
            assert digest(one) == digest(two), one.name
