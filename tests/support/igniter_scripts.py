# SPDX-License-Identifier: Apache-2.0
"""Runs on the appliance: a client of the igniter. Arguments: a function of `SCRIPTS`, and what it takes.

A session belongs to one connection, which no shell keeps. Prints what the function returns as JSON.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from pilotlight.daemon import Client, DaemonError
from pilotlight.tags import now_ns

FORCED = ["CLOCK", "REAL_TIME", "SENSORS"]
"""Checks that fail on some machines for reasons of their own."""
SOON_S, PATIENCE_S = 10.0, 120.0
client = Client("io.pilotlight.Igniter1", timeout=30)


class Session:
    """A session. Its commands are numbered and stamped."""

    def __init__(self) -> None:
        self._session, _ = client.call("OpenSession")
        self._number = 0

    def call(self, method: str, *arguments: Any) -> Any:
        self._number += 1
        return client.call(method, self._session, self._number, now_ns(), *arguments)

    def arm(self, *channels: int) -> str:
        """Both steps; the token."""
        code, countdown_ms, _ = self.call("Prepare", list(channels), FORCED)
        time.sleep(countdown_ms / 1000)
        token: str = self.call("Arm", code)
        return token

    def close(self) -> None:
        """One that has ended by itself is closed already."""
        with contextlib.suppress(DaemonError):
            self.call("CloseSession")


def until(found: Callable[[], Any]) -> Any:
    """What `found` returns, once it is something. A firing loop that is away for a moment is asked again."""
    end, trouble = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < end:
        try:
            if result := found():
                return result
        except DaemonError as error:
            trouble = str(error)
        time.sleep(0.02)
    raise SystemExit(f"it did not come about in {PATIENCE_S:g} s. {trouble} {client.call('Status')}")


def texts(*channels: int) -> dict[str, str]:
    """The checks that fail for the channels, and what is said of them."""
    return {check["Check"]: check["Text"] for check in client.call("Checks", list(channels)) if not check["Passed"]}


def shots(since_ns: int) -> list[dict[str, Any]]:
    """The records of what was fired since then."""
    return [shot for shot in client.call("Shots") if shot["Commanded"] > since_ns]


def sound() -> None:
    """Wait until nothing stands against arming channels 1 and 3, but for what is forced."""
    until(lambda: texts(1, 3).keys() <= set(FORCED))


def fire() -> dict[str, Any]:
    """Arm channels 1 and 3, look at them, fire them, wait for the records."""
    start = now_ns()
    session = Session()
    token = session.arm(1, 3)
    channels = client.call("Channels")
    found = {"armed": client.call("Status")["Armed"], "continuity": [channels[n]["Continuity"] for n in (0, 2)]}
    session.call("Fire", token, [1, 3], [300, 400])
    done = until(lambda: len(shots(start)) == 2 and shots(start))
    session.close()
    return {**found, "shots": [[shot[key] for key in ("Channel", "Window", "OnTime", "End")] for shot in done]}


def refused(check: str, channel: str, command: str) -> list[str]:
    """What is said of a check that a shell command makes fail, and the refusal to arm for it.

    The word GUARD in the command stands for the guard's process. A command that has no effect soon, or none for long
    enough to be refused for it, is given again.
    """
    return list(until(lambda: refusal(check, int(channel), command)))


def refusal(check: str, channel: int, command: str) -> list[str]:
    """One try of it; empty when arming was not refused for this check."""
    session, text = Session(), ""
    try:
        guard = client.call("Status")["Processes"][1]
        if not guard or os.system(command.replace("GUARD", str(guard))):
            return []
        end = time.monotonic() + SOON_S
        while not text and time.monotonic() < end:
            text = texts(channel).get(check, "")
        if text:
            session.call("Prepare", [channel], [])
    except DaemonError as error:
        return [text, str(error)] if f"{check}: " in str(error) else []
    finally:
        session.close()
    return []


def fault(low: str, high: str) -> dict[str, Any]:
    """Fire channel 1 for long, with a command that pulls its STATUS low meanwhile, and one that lets it go."""
    start = now_ns()
    session = Session()
    session.call("Fire", session.arm(1), [1], [20_000])
    assert os.system(low) == 0
    (shot,) = until(lambda: shots(start))
    assert os.system(high) == 0
    status = client.call("Status")
    session.close()
    return {"mode": status["Mode"], "cause": status["Cause"], "latched": status["FaultLatched"], "end": shot["End"]}


def clear() -> None:
    """Forget the faults."""
    session = Session()
    session.call("ClearFaults")
    session.close()


SCRIPTS: dict[str, Callable[..., object]] = {made.__name__: made for made in (sound, fire, refused, fault, clear)}

if __name__ == "__main__":
    print(json.dumps(SCRIPTS[sys.argv[1]](*sys.argv[2:])))
