# SPDX-License-Identifier: Apache-2.0
"""The ladder that the bench of the PLC runs, written once for `pilotlight.plc` and for the peer's module.

Of each 20 rungs ten are contacts with a coil that seals itself in, two latch and reset, two are timers, one is a
counter, two calculate, two copy, and one compares and branches. Five inputs change in every scan.
"""

from __future__ import annotations

from typing import Any

INPUTS = 5
MIX = "sclsktsasc" + "slspktsbac"
"""s seal-in, l latch and reset, k copy, t timer, c counter or (the second of them) contact, a calculation, b branch."""


def ladder(api: Any, rungs: int) -> Any:
    """A program of so many rungs in the language of the module `api`."""
    inputs = [api.Bool(f"In{n}") for n in range(INPUTS)]
    with api.Program(strict=False) as program:
        for number in range(rungs):
            _rung(api, number, MIX[number % len(MIX)], inputs)
    return program


def _rung(api: Any, n: int, kind: str, inputs: list[Any]) -> None:
    a, b = inputs[n % INPUTS], inputs[(n + 1) % INPUTS]
    coil, value, other = api.Bool(f"Coil{n}"), api.Int(f"Value{n}"), api.Int(f"Other{n}")
    if kind == "l":
        with api.Rung(a):
            api.latch(coil)
        with api.Rung(b):
            api.reset(coil)
    elif kind == "t":
        with api.Rung(a):
            api.on_delay(api.Timer.clone(f"Timer{n}"), 3000, "ms")
    elif kind == "c" and n % len(MIX) < 2:
        with api.Rung(a):
            api.count_up(api.Counter.clone(f"Counter{n}"), 1000).reset(b)
    elif kind == "a":
        with api.Rung(a):
            api.calc(value * 3 + 7, other)
    elif kind == "k":
        with api.Rung(a):
            api.copy(n, value)
    elif kind == "b":
        with api.Rung(value > 10):
            api.out(coil)
            with api.branch(b):
                api.latch(api.Bool(f"Side{n}"))
    else:
        with api.Rung(api.Or(a, coil), ~b):
            api.out(coil)


def pattern(scan: int) -> dict[str, bool]:
    """What the inputs become before a scan."""
    return {f"In{n}": bool((scan + n) % (n + 2) == 0) for n in range(INPUTS)}
