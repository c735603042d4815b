# SPDX-License-Identifier: Apache-2.0
"""A washing machine: one drum goes through the programme with events, another turns the laundry by time.

A drum's outputs hold while it has no power, so they are wishes here: what leaves the controller is the wish while the
door is closed.
"""

from pilotlight.plc import (
    Bool,
    Int,
    Program,
    Rung,
    Timer,
    Ts,
    all_of,
    any_of,
    comment,
    event_drum,
    latch,
    on_delay,
    out,
    reset,
    rise,
    time_drum,
)

Start = Bool("Start", comment="start button")
Cancel = Bool("Cancel", comment="cancel button")
DoorClosed = Bool("DoorClosed", comment="door switch")
Full = Bool("Full", comment="level switch: enough water")
Warm = Bool("Warm", comment="thermostat: warm enough")
Empty = Bool("Empty", comment="level switch: no water")

Valve, Heater, DrainPump = Bool("Valve"), Bool("Heater"), Bool("DrainPump")
Left, Right, Spin = Bool("Left"), Bool("Right"), Bool("Spin")
ReadyLamp = Bool("ReadyLamp", comment="the laundry is done")

Fill, Heat, Wash, Drain, Whirl = Bool("Fill"), Bool("Heat"), Bool("Wash"), Bool("Drain"), Bool("Whirl")
TurnLeft, TurnRight = Bool("TurnLeft"), Bool("TurnRight")
Step = Int("Step", retentive=False, comment="1 waits, 2 fills, 3 heats, 4 washes, 5 drains, 6 spins")
Finished = Bool("Finished", comment="on for one scan at the end of the programme")
Turn, TurnTime, Turned = Int("Turn", retentive=False), Int("TurnTime", retentive=False), Bool("Turned")
WashTime, SpinTime = Timer.clone("WashTime"), Timer.clone("SpinTime")

with Program() as logic:
    comment("Times of washing and spinning, in seconds")
    with Rung(Step == 4, DoorClosed):
        on_delay(WashTime, 60, "s")
    with Rung(Step == 6, DoorClosed):
        on_delay(SpinTime, 30, "s")

    comment(
        "The programme: each step waits for its event. At the end, and when somebody cancels, it waits in step 1.\n"
        "A drum waits for an event to come up within its step. Level and heat may be there before: joined with\n"
        "the number of the step they come up in it all the same."
    )
    with Rung(DoorClosed):
        event_drum(
            outputs=[Fill, Heat, Wash, Drain, Whirl],
            events=[
                Start,
                all_of(Full, Step == 2),
                all_of(Warm, Step == 3),
                WashTime.Done,
                all_of(Empty, Step == 5),
                SpinTime.Done,
            ],
            pattern=[
                [0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0],
                [0, 1, 1, 0, 0],
                [0, 0, 1, 0, 0],
                [0, 0, 0, 1, 0],
                [0, 0, 0, 1, 1],
            ],
            current_step=Step,
            completion_flag=Finished,
        ).reset(any_of(Cancel, Finished))

    comment("While it washes, the laundry turns left, rests, turns right, rests, and so on.")
    with Rung(Wash):
        time_drum(
            outputs=[TurnLeft, TurnRight],
            presets=[8, 2, 8, 2],
            unit=Ts,
            pattern=[[1, 0], [0, 0], [0, 1], [0, 0]],
            current_step=Turn,
            accumulator=TurnTime,
            completion_flag=Turned,
        ).reset(any_of(~Wash, Turned))

    comment("Wishes become outputs behind the closed door. Without water the heater stays off.")
    with Rung(DoorClosed, Fill, ~Full):
        out(Valve)
    with Rung(DoorClosed, Heat, Full):
        out(Heater)
    with Rung(DoorClosed, Wash, TurnLeft):
        out(Left)
    with Rung(DoorClosed, Wash, TurnRight):
        out(Right)
    with Rung(DoorClosed, Drain):
        out(DrainPump)
    with Rung(DoorClosed, Whirl):
        out(Spin)

    comment("The lamp burns until the door opens or a new programme begins.")
    with Rung(Finished):
        latch(ReadyLamp)
    with Rung(any_of(~DoorClosed, all_of(rise(Start), Step == 2))):
        reset(ReadyLamp)

PERIOD_MS = 100
LINES = {
    Start: "%IX0.0", Cancel: "%IX0.1", DoorClosed: "%IX0.2", Full: "%IX0.3", Warm: "%IX0.4", Empty: "%IX0.5",
    Valve: "%QX0.0", Heater: "%QX0.1", DrainPump: "%QX0.2", Left: "%QX0.3", Right: "%QX0.4", Spin: "%QX0.5",
    ReadyLamp: "%QX0.6",
}  # fmt: skip
