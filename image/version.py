# SPDX-License-Identifier: Apache-2.0
"""The version of an image: in the names of what a build makes, in the system itself, and in its update bundle."""

import ast
import os
import re
from collections.abc import Mapping

from image.errors import BuildError
from image.steps import PROJECT

VARIABLE = "PILOTLIGHT_VERSION"
PACKAGE = PROJECT / "daemons" / "pilotlight" / "__init__.py"
# Semantic versioning: what the appliance compares, and nothing that a file name could not have.
NUMBER, WORDS = r"(0|[1-9]\d*)", r"[0-9A-Za-z][0-9A-Za-z.-]*"
FORM = re.compile(rf"{NUMBER}\.{NUMBER}\.{NUMBER}(-{WORDS})?(\+{WORDS})?")


def of_package() -> str:
    """The version that the daemons say they are."""
    for node in ast.parse(PACKAGE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise BuildError(f"{PACKAGE} has no __version__")


def of_image(config: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> str:
    """The version of the image to build: `PILOTLIGHT_VERSION`, or the symbol VERSION, or that of the daemons.

    Raises BuildError for one that is no semantic version.
    """
    version = environment.get(VARIABLE, "") or config.get("VERSION", "") or of_package()
    if not FORM.fullmatch(version):
        raise BuildError(f"'{version}' is no version: write it like 1.4.0 or 1.5.0-rc.1")
    return version
