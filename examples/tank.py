# SPDX-License-Identifier: Apache-2.0
"""A tank: kept between two levels by its inlet valve, emptied by two pumps that share the work.

The level comes as a raw number of an analog input, 0 to 27648 for empty to full. A number below 0 is a broken wire:
then nothing moves. The float switch at the brim is independent of it. Once a second a task looks how the level goes:
when it falls while nothing draws, the tank leaks.
"""

from pilotlight.plc import (
    Bool,
    Int,
    Program,
    Real,
    Rung,
    Timer,
    any_of,
    branch,
    calc,
    comment,
    copy,
    latch,
    off_delay,
    on_delay,
    out,
    reset,
    rise,
    system,
    task,
)

Raw = Int("Raw", retentive=False, comment="level, raw: 0 empty to 27648 full, below 0 a broken wire")
Brim = Bool("Brim", comment="float switch: the tank is about to spill")
Draw = Bool("Draw", comment="the plant wants water")
Acknowledge = Bool("Acknowledge", comment="acknowledge button")

Inlet = Bool("Inlet", comment="inlet valve")
Pump1, Pump2 = Bool("Pump1", comment="pump"), Bool("Pump2", comment="pump")
Alarm = Bool("Alarm", comment="alarm lamp")

Level = Real("Level", retentive=False, comment="percent")
Low = Real("Low", default=30.0, comment="percent; the inlet opens below")
High = Real("High", default=80.0, comment="percent; the inlet closes above")
Dry = Real("Dry", default=10.0, comment="percent; no pump runs below")
Broken = Bool("Broken", comment="the level is not known")
Filling = Bool("Filling", comment="between Low and High on the way up")
Spilling = Bool("Spilling", retentive=True, comment="the float switch was up; until acknowledged")
Second = Bool("Second", retentive=True, comment="pump 2 is the one to start")
Earlier = Real("Earlier", retentive=False, comment="percent, a second ago")
Trend = Real("Trend", retentive=False, comment="percent a second")
Leaking = Timer.clone("Leaking")
Settled, Drying, Drawing = Timer.clone("Settled"), Timer.clone("Drying"), Timer.clone("Drawing")

with Program() as logic:
    comment("The level in percent. A raw number below 0 is no level.")
    with Rung(Raw < 0):
        out(Broken)
    with Rung(~Broken):
        calc(Raw * 100.0 / 27648, Level)

    comment("Waves lift the float for a moment: half a second says that it is water.")
    with Rung(Brim):
        on_delay(Settled, 500, "ms")
    with Rung(Settled.Done):
        latch(Spilling)
    with Rung(~Brim, rise(Acknowledge)):
        reset(Spilling)

    comment("Fill from Low to High. When the level is not known, or the tank spilled, the inlet stays shut.")
    with Rung(Level < Low):
        latch(Filling)
    with Rung(any_of(Level >= High, Broken, Spilling)):
        reset(Filling)
    with Rung(Filling):
        out(Inlet)

    comment("A pump may run while there is water, and five seconds longer, so that waves do not stop it.")
    with Rung(Level >= Dry, ~Broken):
        off_delay(Drying, 5, "s")
    with Rung(Draw, Drying.Done, ~Broken):
        on_delay(Drawing, 1, "s")
        with branch(Drawing.Done, ~Second):
            out(Pump1)
        with branch(Drawing.Done, Second):
            out(Pump2)

    comment("The pumps take turns: each draw begins with the other one.")
    with Rung(rise(Draw)):
        calc(1 - Second, Second)

    with Rung(any_of(Broken, Spilling, Leaking.Done), system.sys.clock_500ms):
        out(Alarm)

    with task("trend", period=1, unit="s", priority=200):
        comment("The clock of the task is the clock of the difference.")
        with Rung(~Broken):
            calc(Level - Earlier, Trend)
            copy(Level, Earlier)
        comment("Five seconds of it: a wave goes up as often as down.")
        with Rung(~Broken, ~Pump1, ~Pump2, Trend < -0.2):
            on_delay(Leaking, 5, "s")

PERIOD_MS = 20
LINES = {
    Brim: "%IX0.0", Draw: "%IX0.1", Acknowledge: "%IX0.2",
    Inlet: "%QX0.0", Pump1: "%QX0.1", Pump2: "%QX0.2", Alarm: "%QX0.3",
}  # fmt: skip
