# SPDX-License-Identifier: Apache-2.0
"""A conveyor that sorts parcels: what is tall at the entry is pushed off eight places further on.

A pulse of the belt's encoder is one place. A shift register carries with it what the entry saw, so that any number of
parcels can be under way. A parcel that stands in front of the exit's light barrier for long is a jam.
"""

from pilotlight.plc import (
    Block,
    Bool,
    Counter,
    Int,
    Program,
    Rung,
    TagType,
    Timer,
    calc,
    comment,
    copy,
    count_up,
    forloop,
    latch,
    off_delay,
    on_delay,
    out,
    reset,
    rise,
    shift,
)

PLACES = 8

Run = Bool("Run", comment="the belt shall run")
Pulse = Bool("Pulse", comment="encoder: one pulse for each place")
Parcel = Bool("Parcel", comment="light barrier of the entry")
Tall = Bool("Tall", comment="upper light barrier of the entry")
Exit = Bool("Exit", comment="light barrier of the exit")
Acknowledge = Bool("Acknowledge", comment="acknowledge button")

Belt = Bool("Belt", comment="belt motor")
Pusher = Bool("Pusher", comment="pushes the parcel in front of it off the belt")
JamLamp = Bool("JamLamp", comment="a parcel is stuck")

Place = Block("Place", TagType.BOOL, 1, PLACES)
Jam = Bool("Jam", comment="a parcel is stuck; until acknowledged")
Lot = Int("Lot", default=10, comment="parcels of a lot")
UnderWay = Int("UnderWay", retentive=False, comment="tall parcels between entry and pusher")
Stuck, Push = Timer.clone("Stuck"), Timer.clone("Push")
Pushed, Passed = Counter.clone("Pushed"), Counter.clone("Passed")

with Program() as logic:
    comment("A parcel needs less than two seconds to pass the exit.")
    with Rung(Exit, Belt):
        on_delay(Stuck, 2, "s")
    with Rung(Stuck.Done):
        latch(Jam)
    with Rung(~Exit, rise(Acknowledge)):
        reset(Jam)
    with Rung(Jam):
        out(JamLamp)
    with Rung(Run, ~Jam):
        out(Belt)

    comment("With each pulse all places move on by one, and the first one takes over what the entry sees.")
    with Rung(Parcel, Tall):
        shift(Place.select(1, PLACES)).clock(Pulse).reset(~Run)

    comment("The pusher acts when a tall parcel reaches the last place, and stays out for 300 ms.")
    with Rung(rise(Place[PLACES])):
        count_up(Pushed, Lot).reset(Acknowledge)
    with Rung(Place[PLACES]):
        off_delay(Push, 300, "ms")
    with Rung(Push.Done, Belt):
        out(Pusher)

    comment("What passes the exit is counted too.")
    with Rung(rise(Exit)):
        count_up(Passed, Lot).reset(Acknowledge)

    comment("Tall parcels between entry and pusher")
    with Rung():
        copy(0, UnderWay)
        with forloop(PLACES) as turn:
            calc(UnderWay + Place[turn.idx + 1], UnderWay)

PERIOD_MS = 10
LINES = {
    Run: "%IX0.0", Pulse: "%IX0.1", Parcel: "%IX0.2", Tall: "%IX0.3", Exit: "%IX0.4", Acknowledge: "%IX0.5",
    Belt: "%QX0.0", Pusher: "%QX0.1", JamLamp: "%QX0.2",
}  # fmt: skip
