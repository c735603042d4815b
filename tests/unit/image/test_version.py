# SPDX-License-Identifier: Apache-2.0
"""The version of an image."""

import pilotlight
import pytest

from image import version
from image.errors import BuildError


def test_without_a_choice_it_is_that_of_the_daemons() -> None:
    assert version.of_image({"VERSION": ""}, {}) == pilotlight.__version__


def test_the_environment_wins_over_the_configuration() -> None:
    assert version.of_image({"VERSION": "2.0.0"}, {}) == "2.0.0"
    assert version.of_image({"VERSION": "2.0.0"}, {"PILOTLIGHT_VERSION": "3.1.0-rc.1"}) == "3.1.0-rc.1"


@pytest.mark.parametrize("text", ["1", "1.2", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.3/../x", "1.2.3-", "1.2.3-a b"])
def test_what_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(BuildError, match=r"is no version: write it like"):
        version.of_image({}, {"PILOTLIGHT_VERSION": text})
