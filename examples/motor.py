# SPDX-License-Identifier: Apache-2.0
"""A conveyor motor: start and stop buttons, a horn before it moves, and an overload that must be acknowledged.

Stop button, emergency stop and overload relay are wired normally closed: their inputs are on while all is well, so a
broken wire stops the motor.
"""

from pilotlight.plc import (
    Bool,
    Counter,
    Dint,
    Program,
    Rung,
    Timer,
    any_of,
    calc,
    comment,
    count_up,
    latch,
    on_delay,
    out,
    reset,
    rise,
    system,
)

Start = Bool("Start", comment="start button, normally open")
StopOk = Bool("StopOk", comment="stop button, normally closed")
EmergencyOk = Bool("EmergencyOk", comment="emergency stop chain, normally closed")
OverloadOk = Bool("OverloadOk", comment="overload relay, normally closed")
Acknowledge = Bool("Acknowledge", comment="acknowledge button")

Horn = Bool("Horn", comment="horn before the motor moves")
Motor = Bool("Motor", comment="motor contactor")
FaultLamp = Bool("FaultLamp", comment="blinks until the overload is acknowledged")

Ready = Bool("Ready", comment="nothing forbids the motor to run")
Request = Bool("Request", comment="somebody wants the motor to run")
Tripped = Bool("Tripped", retentive=True, comment="the overload relay has opened")
Seconds = Dint("Seconds", comment="seconds the motor has run")
Warning = Timer.clone("Warning")
Starts = Counter.clone("Starts")

with Program() as logic:
    comment("A trip stays until the relay is closed again and somebody acknowledges it.")
    with Rung(~OverloadOk):
        latch(Tripped)
    with Rung(OverloadOk, rise(Acknowledge)):
        reset(Tripped)
    with Rung(Tripped, system.sys.clock_1s):
        out(FaultLamp)

    comment("The request seals itself in. Whatever is not as it should be breaks the seal: Stop wins over Start.")
    with Rung(StopOk, EmergencyOk, OverloadOk, ~Tripped):
        out(Ready)
    with Rung(any_of(rise(Start), Request), Ready):
        out(Request)

    comment("The horn sounds for three seconds, then the motor runs.")
    with Rung(Request):
        on_delay(Warning, 3, "s")
    with Rung(Request, ~Warning.Done):
        out(Horn)
    with Rung(Request, Warning.Done):
        out(Motor)

    comment("For the maintenance: starts, and seconds of running.")
    with Rung(rise(Motor)):
        count_up(Starts, 100_000).reset(~system.sys.always_on)
    with Rung(Motor, rise(system.sys.clock_1s)):
        calc(Seconds + 1, Seconds)

PERIOD_MS = 10
LINES = {
    Start: "%IX0.0", StopOk: "%IX0.1", EmergencyOk: "%IX0.2", OverloadOk: "%IX0.3", Acknowledge: "%IX0.4",
    Motor: "%QX0.0", Horn: "%QX0.1", FaultLamp: "%QX0.2",
}  # fmt: skip
