# SPDX-License-Identifier: Apache-2.0
"""The update bundle of a board: both images of a slot, signed, in a form that is verified while it is read.

Its images carry an index of their blocks: a device that has most blocks already, in either slot, reads only the others.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image import keys, update_settings
from image.errors import BuildError
from image.keys import Signing
from image.slot import EPOCH, Slot
from image.steps import Artefact, Input, Log, remove, step
from image.tools import Tools

BLOCK = 4096  # bytes; an indexed image is a whole number of them
# Small blocks: a changed byte makes a device read one of them, and the images are compressed already.
SQUASHFS = f"-comp zstd -Xcompression-level 15 -b 64K -mkfs-time {EPOCH} -all-time {EPOCH} -processors 2"

# A signature is checked when it is made, as devices will check it.
SETTINGS = """\
[system]
compatible={compatible}
bootloader=noop

[keyring]
path={keyring}
check-purpose=codesign
"""

HEAD = """\
[update]
compatible={compatible}
version={version}
description=Pilotlight {version} for {board}

[bundle]
format=verity
"""
IMAGE = """\

[image.{slot}]
filename={file}
adaptive=block-hash-index
"""


@dataclass(frozen=True)
class Content:
    """What a bundle brings: images by the class of the slot they are for, for a board, at a version."""

    board: str
    version: str
    images: Mapping[str, Path]


def manifest(content: Content) -> str:
    """The text of the bundle's manifest; RAUC adds sizes, digests and the tree that the whole is verified by."""
    head = HEAD.format(
        compatible=update_settings.compatible(content.board), version=content.version, board=content.board
    )
    images = (IMAGE.format(slot=slot, file=path.name) for slot, path in content.images.items())
    return head + "".join(images)


def bundle_for(board: str, version: str, slot: Slot, signing: Signing, output: Path, use: Tools) -> Artefact:
    """The signed bundle of a board's slot. Raises BuildError."""
    content = Content(board, version, {"boot": slot.boot_image, "rootfs": slot.root_image})
    inputs: list[Input] = [
        slot.root, slot.boot_filesystem, manifest(content), signing.certificate, signing.keyring, use.root, SQUASHFS,
    ]  # fmt: skip
    return step(
        f"bundle {board}",
        inputs=inputs,
        output=output,
        make=lambda target, log: pack(log, use, content, signing, target),
    )


def pack(log: Log, use: Tools, content: Content, signing: Signing, target: Path) -> None:
    """Write the signed bundle `target`. Raises BuildError for an image that is no whole number of blocks."""
    for path in content.images.values():
        if path.stat().st_size % BLOCK:
            raise BuildError(f"{path.name} is no whole number of blocks of {BLOCK} bytes: it cannot be indexed")
    work, made, settings = (target.with_suffix(f".{name}") for name in ("content", "made", "conf"))
    remove(work)
    remove(made)
    work.mkdir()
    try:
        for path in content.images.values():
            os.link(path, work / path.name)
        (work / "manifest.raucm").write_text(manifest(content))
        with keys.lent(signing) as (seen, variables):
            settings.write_text(
                SETTINGS.format(compatible=update_settings.compatible(content.board), keyring=seen.keyring)
            )
            use.run(log, [
                "rauc", f"--conf={settings}", "bundle", f"--cert={seen.certificate}", f"--key={seen.key}",
                f"--mksquashfs-args={SQUASHFS}", work, made,
            ], env=variables)  # fmt: skip
        made.rename(target)
    finally:
        remove(work)
        remove(made)
        remove(settings)
