# SPDX-License-Identifier: Apache-2.0
"""Ladders: drawings of known programs, and that any program can be drawn without one part over another."""

from __future__ import annotations

import random
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    Bool,
    Dint,
    Int,
    Program,
    Rung,
    Ts,
    all_of,
    any_of,
    branch,
    calc,
    call,
    comment,
    copy,
    count_up,
    fall,
    forloop,
    ir,
    latch,
    on_delay,
    out,
    reset,
    return_early,
    rise,
    subroutine,
    time_drum,
)
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.ladder import Flow, flow_of_image, flow_of_scan, ladder_svg, ladder_text
from pilotlight.plc.ladder.drawing import Bar, Bracket, Frame, Line, Words
from pilotlight.plc.ladder.sections import drawn_sections
from pilotlight.plc.ladder.text import _JOINTS

from tests.unit.plc.generating import Maker
from tests.unit.plc.scanning import Machine

Start, Stop, Motor, Lamp = Bool("Start"), Bool("Stop"), Bool("Motor"), Bool("Lamp")
Level, Count = Int("Level"), Dint("Count")


def motor() -> Program:
    with Program() as logic:
        comment("Start and stop\nwith a seal")
        with Rung(any_of(Start, Motor), ~Stop):
            out(Motor)
            with branch(Level > 50):
                calc(Level * 2, Count)
            latch(Lamp)
    return logic


MOTOR = """\
Rung 0  Start and stop
        with a seal
│ Start   Stop                                       Motor │
├──┤ ├──┬─┤/├──┬───────────────────────────────────────( )─┤
│ Motor │      │                             ┌ calc ─────┐ │
├──┤ ├──┘      ├─┤ Level > 50 ├──────────────┤ Level * 2 ├─┤
│              │                             │ → Count   │ │
│              │                             └───────────┘ │
│              │                                      Lamp │
│              └───────────────────────────────────────(L)─┤
"""
LIVE = """\
Rung 0  Start and stop
        with a seal
┃ Start   Stop                                       Motor │
┣━━┫ ┣━━┳━┫/┣━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━❨ ❩━┥
┃ Motor ┃      ┃    Level=7                ┌ calc ───────┐ │
┣━━┥ ├──┚      ┣━┥ Level > 50 ├────────────┤ Level * 2   ├─┤
┃              ┃                           │ → Count = 0 │ │
┃              ┃                           └─────────────┘ │
┃              ┃                                      Lamp │
┃              ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━❨L❩━┥
"""


def scanned(logic: Program, **values: bool | int) -> Flow:
    machine = Machine(logic)
    for name, value in values.items():
        machine[name] = value
    return flow_of_scan(machine.engine, 100_000_000)


def test_a_rung_is_drawn_with_its_comment_branches_coils_and_boxes() -> None:
    assert ladder_text(motor().ir) == MOTOR


def test_power_of_a_scan_is_heavy_and_operands_show_values() -> None:
    # What the contacts saw when they decided: Motor was still off.
    assert ladder_text(motor().ir, scanned(motor(), Start=True, Level=7)) == LIVE
    machine = Machine(motor()).scan(Start=True, Level=7)
    image = flow_of_image(machine.ir, machine.engine.cells)
    assert ladder_text(machine.ir, image) == LIVE.replace("┣━━┥ ├──┚", "┣━━┫ ┣━━┛")


def section(logic: Program, flow: Flow | None = None) -> list[str]:
    return ladder_text(logic.ir, flow).splitlines()


def test_contacts_say_what_they_ask() -> None:
    both = all_of(Start, Stop)
    with Program() as logic, Rung(rise(Start), fall(Stop), ~Motor, Level, Level != Count, any_of(both, Lamp)):
        out(Motor)
    _heading, labels, wire, _labels, below = section(logic)
    assert labels.split() == ["│", "Start", "Stop", "Motor", "Level", "Start", "Stop", "Motor", "│"]
    assert [mark in wire for mark in ("┤P├", "┤N├", "┤/├", "┤≠0├", "┤ Level != Count ├")] == [True] * 5
    assert wire.count("┤ ├") == 2
    assert "└─┤ ├──" in below


def test_negation_reaches_the_contacts() -> None:
    cells = tuple(ir.Cell(name, Start.type) for name in (*ir.TRANSIENT_FAULTS, "A", "B"))
    a, b = ir.Truth(ir.Load(3)), ir.Truth(ir.Load(4))
    both = ir.Rung((ir.Power(ir.Not(ir.All((a, ir.Not(b))))),), ())
    never = ir.Rung((ir.Power(ir.Not(ir.Not(ir.Any(())))),), ())
    text = ladder_text(ir.Program(cells, (both, never))).splitlines()
    assert text[2].startswith("├─┤/├─┬─") and text[4].startswith("├─┤ ├─┘")
    assert "never" in text[7]
    image = flow_of_image(ir.Program(cells, (both, never)), [0, 0, 0, 1, 1])
    assert image.rungs["", 0].powers == (True,) and image.rungs["", 1].powers == (False,)


def test_pins_lead_to_the_names_in_their_box() -> None:
    with Program() as logic:
        with Rung(Start):
            count_up(Lamp, Count, preset=5).down(Motor).reset(any_of(Stop, rise(Start)))
        with Rung(Start):
            on_delay(Lamp, Level, preset=3, unit=Ts).reset(Stop)
    text = ladder_text(logic.ir)
    assert "├──┤ ├────┤ down" in text and "├─┤ ├───┬─┤ reset" in text and "└──┤P├──┘ │" in text
    assert "│ preset 3 s │" in text and "┌ on_delay " in text


def test_a_drum_shows_its_pattern_and_where_it_stands() -> None:
    step, outputs = Int("Step"), [Bool("Red"), Bool("Green")]
    with Program() as logic, Rung(Start):
        time_drum(
            outputs, [3, 2], Ts, pattern=[[1, 0], [1, 1]], current_step=step, accumulator=Int("Passed"),
            completion_flag=Lamp,
        ).reset(Stop).jump(Motor, step=2)  # fmt: skip
    text = ladder_text(logic.ir)
    assert "1: ■ · for 3 s" in text and "2: ■ ■ for 2 s" in text and "jump to 2" in text and "output 2: Green" in text
    assert "▸ 1: ■ ·" in ladder_text(logic.ir, scanned(logic, Start=True))


def test_subroutines_and_loops_are_drawn() -> None:
    with Program() as logic:
        with Rung(Start):
            call("fill up")
        with Rung(Start).continued():
            out(Lamp)
        with subroutine("fill up"):
            with Rung(Stop):
                return_early()
            with Rung(), forloop(3) as turn:
                copy(turn.idx, Count)
                reset(Motor)
    text = ladder_text(logic.ir)
    assert "┤ fill up ├─┤" in text and "Rung 1 (continued)" in text and "\nSubroutine fill up\n" in text
    assert "│   copy _forloop_idx → Count │" in text and "│   reset Motor " in text
    flow = scanned(logic, Start=False)
    assert ("fill up", 0) not in flow.rungs  # It was not called, so nothing in it is live.
    assert flow.rungs["", 1].powers == (False,)
    assert "┳" not in ladder_text(logic.ir, flow).partition("Subroutine")[2]


def test_a_continued_rung_shows_what_the_network_saw() -> None:
    with Program() as logic:
        with Rung(Start):
            out(Motor)
        with Rung(Motor).continued():
            out(Lamp)
        with Rung(Motor):
            out(Lamp)
    flow = scanned(logic, Start=True)
    assert [flow.rungs["", number].powers for number in range(3)] == [(True,), (False,), (True,)]
    assert [flow.rungs["", number].contacts for number in range(3)] == [((True,),), ((False,),), ((True,),)]


def test_a_flow_is_of_one_scan_and_the_next_follows_it() -> None:
    with Program() as logic, Rung(rise(Start)):
        out(Motor)
    machine = Machine(logic)
    machine["Start"] = True
    powers = [flow_of_scan(machine.engine, 100_000_000).rungs["", 0].powers for _ in range(2)]
    assert powers == [(True,), (False,)]


def test_svg_is_sound_names_itself_and_loads_nothing() -> None:
    text = ladder_svg(motor().ir, scanned(motor(), Start=True), title="Motor <1>")
    root = ET.fromstring(text)
    assert root.findtext("{*}title") == "Motor <1>"
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Rung 0", "with a seal", "Start", "Level > 50", "calc", "Level * 2"} <= set(words)
    assert 'class="live"' in text and 'class="live"' not in ladder_svg(motor().ir)
    assert "prefers-color-scheme: dark" in text
    assert not [word for word in ("href", "url(", "<script", "@import", "@font-face") if word in text]


def test_joints_are_the_characters_that_unicode_names() -> None:
    for number, letter in enumerate(_JOINTS):
        arms = {"UP": number // 27, "DOWN": number // 9 % 3, "LEFT": number // 3 % 3, "RIGHT": number % 3}
        assert _arms(letter) == arms


def _arms(letter: str) -> dict[str, int]:
    found = dict.fromkeys(("UP", "DOWN", "LEFT", "RIGHT"), 0)
    if letter == " ":
        return found
    weight, waiting = 0, []
    words = unicodedata.name(letter).removeprefix("BOX DRAWINGS ").replace(" AND", "").split()
    # A weight stands before both directions ("LIGHT UP AND LEFT") or behind each ("UP HEAVY AND LEFT LIGHT").
    leading = words[0] in ("LIGHT", "HEAVY")
    for word in words:
        if word in ("LIGHT", "HEAVY"):
            weight = 1 if word == "LIGHT" else 2
            if not leading:
                found |= dict.fromkeys(waiting, weight)
                waiting = []
            continue
        arms = {"VERTICAL": ["UP", "DOWN"], "HORIZONTAL": ["LEFT", "RIGHT"]}.get(word, [word])
        if leading:
            found |= dict.fromkeys(arms, weight)
        else:
            waiting += arms
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 64), live=st.booleans())
def test_any_program_is_drawn_and_nothing_covers_anything(seed: int, live: bool) -> None:
    maker = Maker(random.Random(seed))
    program = maker.program()
    flow = None
    if live:
        interpreter = Interpreter(program)
        for slot, value in maker.inputs()[0].items():
            interpreter.cells[slot] = value
        flow = flow_of_scan(interpreter, 100_000_000)
    text = ladder_text(program, flow)
    ET.fromstring(ladder_svg(program, flow))
    assert text.count("Rung ") == sum(map(len, ir.sections(program).values()))
    for _title, rungs in drawn_sections(program, flow):
        for rung in rungs:
            taken: Counter[tuple[int, int]] = Counter()
            wires: set[tuple[int, int]] = set()
            for mark in rung.drawing.marks:
                match mark:
                    case Words(x, y, words):
                        taken.update((x + at, y) for at in range(len(words)))
                    case Frame(x, y, title=title):
                        taken.update((x + 1 + at, y) for at in range(len(title) + 2))
                    case Bracket(x, y):
                        taken[x, y] += 1
                    case Bar(x, y):
                        wires.add((x, y))
                    case Line(x1, y1, x2, y2):
                        wires |= {(x, y) for x in range(x1 + 1, x2) for y in (y1,)}
                        wires |= {(x1, y) for y in range(y1 + 1, y2)}
            assert [place for place, count in taken.items() if count > 1] == []
            assert taken.keys() & wires == set()
            assert all(0 < x < rung.drawing.width - 1 and 0 <= y < rung.drawing.height for x, y in taken)
