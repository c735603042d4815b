# SPDX-License-Identifier: Apache-2.0
"""copy() and calc(): how numbers are computed and what of them a tag holds."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    Block,
    Bool,
    Char,
    Dint,
    Int,
    Program,
    Real,
    Rung,
    TagType,
    Word,
    acos,
    asin,
    atan,
    calc,
    copy,
    cos,
    degrees,
    fill,
    log,
    log10,
    lro,
    lsh,
    out,
    radians,
    rro,
    rsh,
    sin,
    sqrt,
    tan,
)

from tests.unit.plc.scanning import Machine

N, J, D, E, R, S, W, V, B, C = (
    Int("N"), Int("J"), Dint("D"), Dint("E"), Real("R"), Real("S"), Word("W"), Word("V"), Bool("B"), Char("C"),
)  # fmt: skip
DS = Block("DS", TagType.INT, 1, 5)
DF = Block("DF", TagType.REAL, 1, 3)


def single(number: float) -> float:
    return struct.unpack("<f", struct.pack("<f", number))[0]


def evaluate(expression: object, target: object, **values: object) -> tuple[object, set[str]]:
    with Program(strict=False) as logic, Rung():
        for name in values:
            copy({"N": N, "J": J, "D": D, "E": E, "R": R, "S": S, "W": W, "V": V}[name], DS[5])
        calc(expression, target)
    machine = Machine(logic).scan(**values)
    return machine[str(target)], machine.faults


@pytest.mark.parametrize(
    ("expression", "target", "values", "result", "faults"),
    [
        (N + 1, N, {"N": 32767}, -32768, {"out_of_range"}),
        (N - 1, J, {"N": -32768}, 32767, {"out_of_range"}),
        (D * 2, E, {"D": 2**30}, -(2**31), {"out_of_range"}),
        (D * D, E, {"D": 65536}, 0, {"out_of_range"}),
        (N * 3, W, {"N": -1}, 65533, {"out_of_range"}),
        (W + 1, V, {"W": 65535}, 0, set()),
        (~W, V, {"W": 0x00F0}, 0xFF0F, set()),
        (W - V, W, {"W": 1, "V": 2}, 65535, set()),
        (N / J, N, {"N": -7, "J": 2}, -3, set()),
        (N // J, N, {"N": -7, "J": 2}, -3, set()),
        (N % J, N, {"N": -7, "J": 3}, -1, set()),
        (N % J, N, {"N": 7, "J": -3}, 1, set()),
        (N / J, R, {"N": 1, "J": 4}, 0.25, set()),
        (N / J, N, {"N": 1, "J": 0}, 0, {"division_error"}),
        (N // J + 5, N, {"N": 1, "J": 0}, 0, {"division_error"}),
        (N % J, N, {"N": 1, "J": 0}, 0, {"division_error"}),
        (R % 2, S, {"R": -3.5}, -1.5, set()),
        (R // 2, S, {"R": -3.5}, -1.0, set()),
        (N**2, D, {"N": -300}, 90000, set()),
        (N**J, D, {"N": 2, "J": -1}, 0, set()),
        (N**J, D, {"N": -1, "J": -3}, -1, set()),
        (N**J, D, {"N": 0, "J": -1}, 0, {"division_error"}),
        (N**J, D, {"N": 3, "J": 100}, 3**100 % 2**32 - 2**32, {"out_of_range"}),
        (N**-1, R, {"N": 4}, 0.25, set()),
        (R**0.5, S, {"R": -1.0}, 0.0, {"out_of_range"}),
        (R**1000, S, {"R": 10.0}, 0.0, {"out_of_range"}),
        (-N, N, {"N": -32768}, -32768, {"out_of_range"}),
        (abs(N), J, {"N": -5}, 5, set()),
        (N & 6, J, {"N": 12}, 4, set()),
        (N | 6, J, {"N": 12}, 14, set()),
        (N ^ 6, J, {"N": 12}, 10, set()),
        (~N, J, {"N": 0}, -1, set()),
        (N << 2, J, {"N": 3}, 12, set()),
        (lsh(N, J), J, {"N": 1, "J": 20}, 0, {"out_of_range"}),
        (N << J, D, {"N": 1, "J": 70}, 0, {"out_of_range"}),
        (N << J, D, {"N": 1, "J": -1}, 0, {"out_of_range"}),
        (rsh(N, 1), J, {"N": -3}, -2, set()),
        (N >> J, J, {"N": -3, "J": 99}, -1, set()),
        (N >> J, J, {"N": 3, "J": -1}, 0, {"out_of_range"}),
        (lro(W, 4), V, {"W": 0x8001}, 0x0018, set()),
        (rro(W, 4), V, {"W": 0x8001}, 0x1800, set()),
        (rro(W, 0), V, {"W": 0x8001}, 0x8001, set()),
        (lro(W, J), V, {"W": 1, "J": -1}, 0, {"out_of_range"}),
        (sqrt(R), S, {"R": 9.0}, 3.0, set()),
        (sqrt(R), S, {"R": -1.0}, 0.0, {"out_of_range"}),
        (log(R), S, {"R": 0.0}, 0.0, {"out_of_range"}),
        (log10(R), S, {"R": 1000.0}, 3.0, set()),
        (log(R), S, {"R": 1.0}, 0.0, set()),
        (asin(R), S, {"R": 2.0}, 0.0, {"out_of_range"}),
        (acos(R), S, {"R": -2.0}, 0.0, {"out_of_range"}),
        (asin(R), S, {"R": 1.0}, single(math.pi / 2), set()),
        (acos(R), S, {"R": 1.0}, 0.0, set()),
        (sin(R), S, {"R": 0.0}, 0.0, set()),
        (cos(R), S, {"R": 0.0}, 1.0, set()),
        (tan(R), S, {"R": 0.0}, 0.0, set()),
        (atan(R), S, {"R": 1.0}, single(math.pi / 4), set()),
        (radians(N), S, {"N": 180}, single(math.pi), set()),
        (degrees(R), S, {"R": 1.0}, single(180 / math.pi), set()),
        (R * 1e300 * 1e300, N, {"R": 1.0}, 0, {"division_error"}),
        (R * 1e300, S, {"R": 1.0}, 3.4028234663852886e38, {"out_of_range"}),
        (R + 0.1, S, {"R": 0.0}, single(0.1), set()),
        (R * -1.0, S, {"R": 0.0}, 0.0, set()),
        (R * 1.0, N, {"R": 70000.5}, 4464, {"out_of_range"}),
        (N > 3, B, {"N": 4}, None, None),
        (DS.select(1, 4).sum() + N, J, {"N": 5}, 5, set()),
        (DS.select(N, 4).sum(), J, {"N": 0}, 0, {"address_error"}),
        (DS[N] + 1, J, {"N": 9}, 0, {"address_error"}),
        (DS[N + 1] + 1, J, {"N": 1}, 1, set()),
    ],
    ids=str,
)  # fmt: skip
def test_calc(expression: object, target: object, values: dict[str, object], result: object, faults: object) -> None:
    if faults is None:
        with pytest.raises(TypeError):
            evaluate(expression, target, **values)
        return
    got, seen = evaluate(expression, target, **values)
    assert (got, seen) == (result, faults)
    assert math.copysign(1, got) == math.copysign(1, result)


@pytest.mark.parametrize(
    ("source", "target", "value", "result"),
    [
        (D, N, 70000, 32767), (D, N, -70000, -32768), (D, W, 70000, 65535), (D, W, -1, 0), (R, N, 3.9, 3),
        (R, N, -3.9, -3), (R, N, 1e9, 32767), (R, D, -3e10, -(2**31)), (N, B, -4, True), (R, B, 0.0, False),
        (N, R, 7, 7.0), (D, R, 16777217, 16777216.0), (N, C, 65, "A"), (N, C, 999, "\xff"), (B, N, True, 1),
        (C, N, "A", 65), (C, C, "é", "é"),
    ],
    ids=str,
)  # fmt: skip
def test_copy_saturates_without_a_fault(source: object, target: object, value: object, result: object) -> None:
    if source is target:
        target = Char("C2")
    with Program() as logic, Rung():
        copy(source, target)
    machine = Machine(logic).scan(**{str(source): value})
    assert (machine[str(target)], machine.faults) == (result, set())
    assert type(machine[str(target)]) is type(result)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_copies_as_zero(number: float) -> None:
    with Program() as logic, Rung():
        copy(R, N)
        copy(R, S)
    machine = Machine(logic)
    machine.engine.cells[machine.slots["R"]] = number
    machine["N"], machine["S"] = 5, 5.0
    machine.scan()
    assert (machine["N"], machine["S"], machine.faults) == (0, 0.0, set())


def test_indirect_copy() -> None:
    with Program() as logic, Rung():
        copy(N, DS[J])
    machine = Machine(logic).scan(N=7, J=3)
    assert (machine["DS3"], machine.faults) == (7, set())
    machine.scan(J=6)
    assert machine.faults == {"address_error"}
    assert [machine[f"DS{n}"] for n in range(1, 6)] == [0, 0, 7, 0, 0]


def test_an_indirect_source_that_is_not_there_copies_nothing() -> None:
    with Program() as logic, Rung():
        copy(DS[J], N)
        copy(DF[J], S)
    machine = Machine(logic).scan(N=7, S=7.5, J=99)
    assert (machine["N"], machine["S"], machine.faults) == (7, 7.5, {"address_error"})


@pytest.mark.parametrize(
    ("source", "values", "faults"),
    [
        (DS[J], [7, 7], {"address_error"}), (DF[J], [7, 7], {"address_error"}), (5 / J, [0, 0], {"division_error"}),
        (J + 2.5, [2, 2], set()),
    ],
    ids=str,
)  # fmt: skip
def test_what_fails_fills_as_it_copies(source: object, values: list[int], faults: set[str]) -> None:
    with Program() as logic, Rung():
        fill(source, DS.select(1, 2))
    machine = Machine(logic).scan(J=0, DS1=7, DS2=7)
    assert [machine["DS1"], machine["DS2"]] == values
    assert machine.faults == faults


def test_an_indirect_condition_that_is_not_there_is_false() -> None:
    with Program() as logic, Rung(DS[J] == 0):
        out(B)
    machine = Machine(logic).scan(J=1)
    assert machine["B"] is True
    assert machine.scan(J=0)["B"] is False
    assert machine.faults == {"address_error"}


def test_faults_last_one_scan() -> None:
    with Program() as logic, Rung():
        calc(N / J, D)
    machine = Machine(logic).scan(J=0)
    assert machine.faults == {"division_error"}
    assert machine.scan(J=1).faults == set()


def test_fill_and_sum_of_reals() -> None:
    with Program() as logic, Rung():
        fill(0.1, DF.select(1, 3))
        calc(DF.select(N, 3).sum(), S)
        fill(D, DS.select(2, 3))
    machine = Machine(logic).scan(N=1, D=99999)
    assert machine["DF2"] == single(0.1)
    assert machine["S"] == single(single(0.1) + single(0.1) + single(0.1))
    assert [machine[f"DS{n}"] for n in (2, 3)] == [32767, 32767]


@settings(deadline=None)
@given(a=st.integers(-(2**31), 2**31 - 1), b=st.integers(-(2**31), 2**31 - 1))
def test_quotient_and_remainder_belong_together(a: int, b: int) -> None:
    machine = DIVISION.scan(D=a, E=b)
    if b:
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        assert (machine["Q"], machine["M"]) == (quotient if quotient < 2**31 else -(2**31), a - b * quotient)
        assert machine.faults == ({"out_of_range"} if quotient == 2**31 else set())


with Program() as _division, Rung():
    calc(D // E, Dint("Q"))
    calc(D % E, Dint("M"))
DIVISION = Machine(_division)


@settings(deadline=None)
@given(value=st.integers(-(2**63), 2**63 - 1))
def test_wrapping_keeps_the_low_bits(value: int) -> None:
    with Program() as logic, Rung():
        calc(D * 0 + value, N)
    machine = Machine(logic).scan()
    assert (machine["N"] - value) % 65536 == 0
    assert machine.faults == (set() if -32768 <= value <= 32767 else {"out_of_range"})
