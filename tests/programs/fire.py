# SPDX-License-Identifier: Apache-2.0
"""A PLC program that arms and fires channel 1 of the igniter, once for each time its input comes on."""

from pilotlight.plc import Bool, Dint, Program, Rung, Timer, all_of, any_of, calc, copy, on_delay, out, rise

Start = Bool("Start")
Advance = Bool("Advance", comment="on for one scan: the next request")
Step = Dint("Step", retentive=False, comment="0 at rest; 1 open, 2 prepare, 3 arm, 4 fire, 5 close")
Pause = Timer.clone("Pause")

Number = Dint("IgniterNumber", retentive=False)
Request = Dint("IgniterRequest", retentive=False)
Select = Dint("IgniterSelect", retentive=False)
Window = Dint("IgniterWindow", retentive=False)
Life = Dint("IgniterLife", retentive=False)

with Program() as logic:
    with Rung():
        calc((Life + 1) % 1000, Life)
        copy(1, Select)
        copy(300, Window)
    with Rung(Step > 0):
        on_delay(Pause, 2, "s").reset(Advance)
    with Rung(any_of(all_of(rise(Start), Step == 0), all_of(Pause.Done, Step > 0))):
        out(Advance)
    with Rung(Advance):
        calc(Step + 1, Step)
    with Rung(Advance, Step <= 5):
        calc(Number + 1, Number)
        copy(Step, Request)
    with Rung(Advance, Step == 5):
        copy(6, Request)
    with Rung(Step > 5):
        copy(0, Step)

PERIOD_MS = 10
LINES = {Start: "%IX0.0"}
