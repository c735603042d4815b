# SPDX-License-Identifier: Apache-2.0
"""What lines do when nobody drives them: from power-on until they are held, and after the death of who held them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RP1: Final = "pinctrl-rp1"
"""Label of the chip with the lines of the header."""
SIMULATED: Final = "simulated"
"""Stands for the driver of a simulated chip."""
MODULES: Final = Path("/sys/module")
_UP, _DOWN = range(9), range(9, 28)
_PARAMETERS: Final = {RP1: "pinctrl_rp1", "pinctrl-bcm2835": "pinctrl_bcm2835", "pinctrl-bcm2711": "pinctrl_bcm2835"}
"""By label: the module whose parameter says whether outputs persist."""
_LETS_GO: Final = {SIMULATED, "gpio-sim"}
"""Drivers under which a line that nobody holds is no output."""


def rests_high(label: str, line: int) -> bool | None:
    """The level of a line that nobody drives, by the chip's own resistors; None when it is not known."""
    if label != RP1 or line not in (*_UP, *_DOWN):
        return None
    return line in _UP


def persist_parameter(module: str, modules: Path = MODULES) -> bool | None:
    """What a driver's parameter says of its outputs when their process dies; None when it does not say."""
    try:
        text = (modules / module / "parameters/persist_gpio_outputs").read_text().strip()
    except OSError:
        return None
    return {"Y": True, "1": True, "N": False, "0": False}.get(text)


def persists(label: str, driver: str, modules: Path = MODULES) -> bool:
    """Whether outputs of a chip may stay as they are when their process dies: unless it is known that they do not."""
    if persist_parameter(_PARAMETERS[RP1], modules):
        return True
    if driver in _LETS_GO:
        return False
    return label not in _PARAMETERS or persist_parameter(_PARAMETERS[label], modules) is not False
