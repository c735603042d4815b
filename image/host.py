# SPDX-License-Identifier: Apache-2.0
"""Facts about the building host."""

import platform

from image.errors import BuildError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def architecture() -> str:
    """Debian's name of the host's architecture."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise BuildError(f"a {machine} machine cannot build this: amd64 or arm64 is needed")
    return ARCHITECTURES[machine]
