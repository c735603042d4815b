# SPDX-License-Identifier: Apache-2.0
"""A Python program for the tests of an appliance: the first press of the button turns the lamp on, the second off."""

from pilotlight.plc import Bool, Int, Program, Rung, calc, out, rise

Button = Bool("Button")
Lamp = Bool("Lamp")
Presses = Int("Presses", comment="how often the button was pressed")

with Program() as logic:
    with Rung(rise(Button)):
        calc(Presses + 1, Presses)
    with Rung(Presses % 2 == 1):
        out(Lamp)

LINES = {Button: "%IX0.0", Lamp: "%QX0.0"}
