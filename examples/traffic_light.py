# SPDX-License-Identifier: Apache-2.0
"""A crossing: the main road has green until somebody waits in the side road; at night the side road blinks yellow.

The phases are numbered. One timer counts the seconds of a phase, with the preset that the block `Duration` has for it.
The lamps follow from the phase alone, so two greens at once would have to be written down to happen.
"""

from pilotlight.plc import (
    Block,
    Bool,
    Int,
    Program,
    Rung,
    TagType,
    Timer,
    all_of,
    any_of,
    calc,
    comment,
    copy,
    latch,
    on_delay,
    out,
    reset,
    system,
)

MAIN_GREEN, MAIN_YELLOW, ALL_RED, SIDE_READY, SIDE_GREEN, SIDE_YELLOW, ALL_RED_AGAIN, MAIN_READY = range(1, 9)
SECONDS = {
    MAIN_GREEN: 10, MAIN_YELLOW: 3, ALL_RED: 2, SIDE_READY: 1,
    SIDE_GREEN: 6, SIDE_YELLOW: 3, ALL_RED_AGAIN: 2, MAIN_READY: 1,
}  # fmt: skip

Waiting = Bool("Waiting", comment="detector of the side road")
Night = Bool("Night", comment="the switch clock says night")

MainRed, MainYellow, MainGreen = Bool("MainRed"), Bool("MainYellow"), Bool("MainGreen")
SideRed, SideYellow, SideGreen = Bool("SideRed"), Bool("SideYellow"), Bool("SideGreen")

Phase = Int("Phase", retentive=False, comment="1 to 8; 0 at night")
Wanted = Bool("Wanted", comment="somebody waits for green in the side road")
Advance = Bool("Advance", comment="on for one scan: the next phase begins")
Spent = Timer.clone("Spent")
Duration = Block("Duration", TagType.INT, 1, 8, retentive=True, default_factory=SECONDS.__getitem__)

with Program() as logic:
    comment("Night falls while the main road has green. Day breaks, and the power comes back, with all red.")
    with Rung(Night, Phase == MAIN_GREEN):
        copy(0, Phase)
    with Rung(~Night, Phase == 0):
        copy(ALL_RED_AGAIN, Phase)

    comment("Who waits is remembered until the side road has green.")
    with Rung(Waiting, Phase != SIDE_GREEN):
        latch(Wanted)
    with Rung(Phase == SIDE_GREEN):
        reset(Wanted)

    comment("A phase ends when its time has passed; that of the main road's green only when somebody waits.")
    with Rung(Spent.Done, any_of(Phase != MAIN_GREEN, Wanted)):
        out(Advance)
    with Rung(Advance):
        calc(Phase % 8 + 1, Phase)
    with Rung(Phase > 0):
        on_delay(Spent, Duration[Phase], "s").reset(Advance)

    comment("Lamps of the main road")
    with Rung(Phase >= ALL_RED):
        out(MainRed)
    with Rung(any_of(Phase == MAIN_YELLOW, Phase == MAIN_READY)):
        out(MainYellow)
    with Rung(Phase == MAIN_GREEN):
        out(MainGreen)

    comment("Lamps of the side road")
    with Rung(any_of(all_of(Phase >= MAIN_GREEN, Phase <= SIDE_READY), Phase >= ALL_RED_AGAIN)):
        out(SideRed)
    with Rung(any_of(Phase == SIDE_READY, Phase == SIDE_YELLOW, all_of(Phase == 0, system.sys.clock_1s))):
        out(SideYellow)
    with Rung(Phase == SIDE_GREEN):
        out(SideGreen)

PERIOD_MS = 50
LINES = {
    Waiting: "%IX0.0", Night: "%IX0.1",
    MainRed: "%QX0.0", MainYellow: "%QX0.1", MainGreen: "%QX0.2",
    SideRed: "%QX0.3", SideYellow: "%QX0.4", SideGreen: "%QX0.5",
}  # fmt: skip
