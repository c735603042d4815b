# SPDX-License-Identifier: Apache-2.0
"""`python3 -m tests.bench [--quick] [NAME…]`: measure and print the figures, each beside its bar and its peer."""

import argparse
import importlib
from pathlib import Path

from tests.bench.common import table

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(NAMES)} (all by default)")
    parser.add_argument("--quick", action="store_true", help="shorter runs, rougher figures")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; one of: {', '.join(NAMES)}")
    for name in options.names or NAMES:
        print(table(name, importlib.import_module(f"tests.bench.bench_{name}").run(options.quick)))


if __name__ == "__main__":
    main()
