# SPDX-License-Identifier: Apache-2.0
"""How long `build-image.sh run` takes until the web page answers: from a fresh clone, and again."""

from __future__ import annotations

from tests.bench.checkout import commit, fresh_clone, this_checkout
from tests.bench.common import Row, main

FIRST, SECOND = "run, fresh clone to web answering", "run, second time"


def run(quick: bool) -> list[Row]:
    """Measure once; `quick` leaves the fresh clone out and builds in this checkout what is out of date first."""
    if quick:
        with this_checkout() as checkout:
            checkout.build("container")
            return [Row(SECOND, checkout.until_web(), "s", 10, "in this checkout")]
    with fresh_clone() as checkout:
        first = checkout.until_web() / 60
        second = checkout.until_web()
    return [Row(FIRST, first, "min", 4, f"commit {commit()}"), Row(SECOND, second, "s", 10)]


if __name__ == "__main__":
    main("container", run)
