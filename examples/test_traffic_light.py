# SPDX-License-Identifier: Apache-2.0
"""Never two greens, every yellow in its place, and nobody waits for ever."""

from collections.abc import Iterator

import pytest
from pilotlight.plc import PLC
from traffic_light import (
    MAIN_GREEN,
    SECONDS,
    SIDE_GREEN,
    MainGreen,
    MainRed,
    MainYellow,
    Night,
    Phase,
    SideGreen,
    SideRed,
    SideYellow,
    Waiting,
    logic,
)

LAMPS = (MainRed, MainYellow, MainGreen, SideRed, SideYellow, SideGreen)


@pytest.fixture
def plc() -> Iterator[PLC]:
    with PLC(logic, dt=0.05) as plc:
        yield plc


def lamps() -> str:
    """What burns: main road, then side road."""
    letters = ["ryg"[place % 3] if lamp.value else "" for place, lamp in enumerate(LAMPS)]
    return f"{''.join(letters[:3])} {''.join(letters[3:])}"


def to_green(plc: PLC) -> None:
    assert plc.run_until(Phase == MAIN_GREEN, max_cycles=200)


def test_the_power_comes_back_with_all_red(plc):
    plc.step()
    assert lamps() == "r r"


def test_the_main_road_keeps_its_green_while_nobody_waits(plc):
    to_green(plc)
    plc.run_for(120)
    assert lamps() == "g r"


def test_who_waits_gets_green_and_every_phase_has_its_lamps_and_time(plc):
    to_green(plc)
    Waiting.value = True
    plc.run(3)
    Waiting.value = False  # Driven away: the wish stays.
    seen: list[tuple[str, int]] = []
    for _ in range(1200):
        plc.step()
        if not seen or seen[-1][0] != lamps():
            seen.append((lamps(), 0))
        seen[-1] = (seen[-1][0], seen[-1][1] + 1)
    assert [each for each, _ in seen] == ["g r", "y r", "r r", "r ry", "r g", "r y", "r r", "ry r", "g r"]
    # A phase takes its seconds and the one scan in which it changes.
    scans = [count for _, count in seen[1:-1]]
    assert scans == [20 * SECONDS[phase] + 1 for phase in (2, 3, 4, 5, 6, 7, 8)]


def test_never_two_greens_whatever_happens(plc):
    to_green(plc)
    for second in range(300):
        Waiting.value = second % 7 == 0
        Night.value = second % 97 > 80
        for _ in range(20):
            plc.step()
            assert not (MainGreen.value and not SideRed.value)
            assert not (SideGreen.value and not MainRed.value)


def test_at_night_the_side_road_blinks_and_at_day_all_is_red_first(plc):
    to_green(plc)
    Night.value = True
    plc.run(2)
    seen = set()
    for _ in range(60):
        plc.step()
        seen.add(lamps())
    assert seen == {" ", " y"}
    Night.value = False
    plc.run(2)
    assert lamps() == "r r"


def test_night_waits_for_the_side_road(plc):
    to_green(plc)
    Waiting.value = True
    assert plc.run_until(Phase == SIDE_GREEN, max_cycles=1000)
    Waiting.value, Night.value = False, True
    plc.run(5)
    assert lamps() == "r g"
    assert plc.run_until(Phase == 0, max_cycles=1000)
