# SPDX-License-Identifier: Apache-2.0
"""The hash tree of a root file system: kept behind it in the same slot, named by its root on the command line."""

import hashlib
import re
import uuid
from dataclasses import dataclass

from image.errors import BuildError

BLOCK = 4096
# Fixed, so that the same root gives the same tree. A salt is no secret: the root hash is what is trusted.
SALT = hashlib.sha256(b"pilotlight root").hexdigest()
UUID = uuid.uuid5(uuid.NAMESPACE_DNS, "verity.pilotlight.io")


@dataclass(frozen=True)
class Tree:
    """The root of the hash tree, and where the tree begins in the slot (bytes)."""

    root: str
    offset: int

    def command_line(self, slot: str) -> str:
        """The words by which the initramfs and RAUC know the slot (`A` or `B`) and its root is found and verified."""
        return f"pilotlight.slot={slot} rauc.slot={slot} roothash={self.root} pilotlight.hash_offset={self.offset}"


def size(data_bytes: int) -> int:
    """Bytes of superblock and hash tree over `data_bytes` of data, a multiple of the block size."""
    total, blocks = 1, data_bytes // BLOCK
    while blocks > 1:
        blocks = -(-blocks // (BLOCK // hashlib.sha256().digest_size))
        total += blocks
    return total * BLOCK


def format_command(image: str, offset: int) -> list[str]:
    """The command that writes the hash tree of the first `offset` bytes of `image` behind them, and tells its root."""
    return [
        "veritysetup",
        "format",
        f"--salt={SALT}",
        f"--uuid={UUID}",
        f"--hash-offset={offset}",
        f"--data-blocks={offset // BLOCK}",
        image,
        image,
    ]


def parse_root(output: str) -> str:
    """The root hash that the format command printed."""
    found = re.search(r"^Root hash:\s+([0-9a-f]{64})$", output, re.MULTILINE)
    if not found:
        raise BuildError("veritysetup told no root hash: see its output in the log")
    return found.group(1)
