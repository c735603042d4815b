# SPDX-License-Identifier: Apache-2.0
"""Sample programs, built once a test run by the real builder with the real compiler."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pilotlight.runtime.build import Builder, BuildStatus
from pilotlight.runtime.store import ProgramInfo, ProgramStore

from tests.programs.packing import zip_of

Build = Callable[[bytes], tuple[ProgramInfo, BuildStatus]]


def build_upload(builder: Builder, data: bytes, scratch: Path, name: str = "sample") -> ProgramInfo:
    """Build an upload as the service does: from an open descriptor."""
    path = scratch / "upload.zip"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return asyncio.run(builder.build(descriptor, name, "tester"))
    finally:
        os.close(descriptor)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The shared object of a sample program."""
    root = tmp_path_factory.mktemp("built")
    store = ProgramStore(root / "store")
    builder = Builder(store)
    objects: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in objects:
            objects[name] = store.object_path(build_upload(builder, zip_of(name), root, name).id)
        return objects[name]

    return build
