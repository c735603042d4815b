# SPDX-License-Identifier: Apache-2.0
"""Uploads as the Editor packs them: stored, not compressed, no root folder."""

from __future__ import annotations

import io
import zipfile

from tests.programs.generate import Sample, files_of
from tests.programs.samples import SAMPLES


def zip_of(program: str | Sample) -> bytes:
    """The upload of a sample, by its name or itself."""
    sample = SAMPLES[program] if isinstance(program, str) else program
    return zip_files({path: text.encode() for path, text in files_of(sample).items()})


def zip_files(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP of these files with constant time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, data in files.items():
            info = zipfile.ZipInfo(path)
            info.compress_type = compression
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()
