# SPDX-License-Identifier: Apache-2.0
"""Makes uploads of the sample programs: `zip_of("follow")`, or `python -m tests.programs.make follow > follow.zip`."""

from __future__ import annotations

import io
import sys
import zipfile

from tests.programs.generate import Sample, files_of
from tests.programs.samples import SAMPLES


def zip_of(program: str | Sample) -> bytes:
    """The upload of a sample: stored, not compressed, no root folder, as the Editor makes it."""
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


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SAMPLES:
        print(f"usage: python -m tests.programs.make {'|'.join(SAMPLES)} > program.zip", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(zip_of(arguments[0]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
