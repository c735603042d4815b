# SPDX-License-Identifier: Apache-2.0
"""Evaluates `Kconfig`; run inside a tools root, where kconfiglib is.

kconfig.py resolve OUTPUT FILE…    write every symbol's value after loading the files one over the other
kconfig.py minimal CONFIG OUTPUT   write only what differs from the defaults
"""

import os
import sys
from pathlib import Path

import kconfiglib


def main(arguments: list[str]) -> int:
    """Do one of the above; any warning of kconfiglib (an unknown symbol, a value out of range) is an error."""
    os.environ["KCONFIG_WARN_UNDEF"] = os.environ["KCONFIG_WARN_UNDEF_ASSIGN"] = "y"
    kconfig = kconfiglib.Kconfig("Kconfig", warn_to_stderr=False)
    verb, first, *rest = arguments
    output = first
    if verb == "resolve":
        for number, path in enumerate(rest):
            kconfig.load_config(path, replace=number == 0)
    else:
        kconfig.load_config(first)
        output = rest[0]
    # A value out of its range is complained about when it is asked for.
    values = sorted((str(symbol.name), symbol.str_value) for symbol in kconfig.unique_defined_syms)
    warnings = [warning for warning in kconfig.warnings if "set more than once" not in warning]
    if warnings:
        print("\n".join(warnings), file=sys.stderr)
        return 1
    if verb == "resolve":
        Path(output).write_text("".join(f"CONFIG_{name}={value}\n" for name, value in values))
    else:
        kconfig.write_min_config(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
