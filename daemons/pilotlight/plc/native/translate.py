# SPDX-License-Identifier: Apache-2.0
"""Makes the C of a package, in a process of its own: `python3 -m pilotlight.plc.native.translate <package> <folder>`.

The package comes from outside. Whoever runs this bounds its memory and time and what it can write; the exit code is 0,
or 1 with the reason as the only line of its output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pilotlight.plc.native.interface import program_files
from pilotlight.plc.native.scope import EmitError
from pilotlight.plc.package import PackageError, read_package
from pilotlight.plc.zipfiles import LIMITS


def translate(data: bytes) -> dict[str, str]:
    """The C sources of a package by file name; raises PackageError or EmitError."""
    package = read_package(data)
    return program_files(package.program, period_ns=package.period_ns, located=package.lines)


def main(arguments: list[str]) -> int:
    """Read the package and write its sources below a folder, which is made."""
    upload, folder = Path(arguments[0]), Path(arguments[1])
    try:
        with upload.open("rb") as file:
            data = file.read(LIMITS.archive + 1)
        files = translate(data)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    except (PackageError, EmitError) as error:
        print(str(error).replace("\n", " "))
    except (MemoryError, RecursionError):
        print("the program is too large for the bounds of a build")
    except OSError as error:
        print(f"the sources cannot be written: {error.strerror}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
