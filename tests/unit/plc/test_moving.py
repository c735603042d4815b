# SPDX-License-Identifier: Apache-2.0
"""Instructions on ranges and text: blockcopy, converters, pack, unpack, search."""

from __future__ import annotations

import struct

import pytest
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
    as_text,
    as_value,
    blockcopy,
    copy,
    pack_bits,
    pack_text,
    pack_words,
    search,
    to_ascii,
    to_binary,
    to_text,
    to_value,
    unpack_to_bits,
    unpack_to_words,
)

from tests.unit.plc.scanning import Machine

N, J, D, R, W, B, C = Int("N"), Int("J"), Dint("D"), Real("R"), Word("W"), Bool("B"), Char("C")
DS = Block("DS", TagType.INT, 1, 10)
DD = Block("DD", TagType.DINT, 1, 10)
DH = Block("DH", TagType.WORD, 1, 4)
BITS = Block("M", TagType.BOOL, 0, 31)
TXT = Block("TXT", TagType.CHAR, 1, 14)


def texts(machine: Machine, last: int = 14) -> str:
    names = [f"TXT{n}" for n in range(1, last + 1)]
    return "".join((machine[name] or ".") if name in machine.slots else "." for name in names)


def put(machine: Machine, text: str) -> None:
    for number, letter in enumerate(text, 1):
        machine[f"TXT{number}"] = letter


def test_blockcopy_reads_all_before_it_writes() -> None:
    with Program() as logic, Rung():
        blockcopy(DS.select(1, 3), DS.select(2, 4))
        blockcopy(DD.select(1, 2), DS.select(9, 10))
    machine = Machine(logic).scan(DS1=1, DS2=2, DS3=3, DD1=70000, DD2=-5)
    assert [machine[f"DS{n}"] for n in range(1, 5)] == [1, 1, 2, 3]
    assert (machine["DS9"], machine["DS10"], machine.faults) == (32767, -5, set())


def test_blockcopy_of_windows() -> None:
    with Program() as logic, Rung():
        blockcopy(DS.select(N, J).reverse(), DD.select(1, 3))
    machine = Machine(logic).scan(DS4=4, DS5=5, DS6=6, N=4, J=6)
    assert [machine[f"DD{n}"] for n in range(1, 4)] == [6, 5, 4]
    assert machine.scan(N=1).faults == {"out_of_range"}
    assert machine.scan(N=5).faults == {"out_of_range"}
    assert machine.scan(N=0).faults == {"address_error"}
    assert machine.scan(N=6, J=4).faults == {"address_error"}
    assert machine["DD1"] == 6


def test_text_fans_out() -> None:
    with Program() as logic, Rung():
        copy("Hi!", TXT[3])
        copy("ab", Char("Name1"))
        copy("5", C)
        copy("207", DS[1], convert=to_value)
        copy("AB", DS[4], convert=to_ascii)
    machine = Machine(logic).scan()
    assert texts(machine, 6) == "..Hi!."
    assert (machine["Name1"], machine["Name2"], machine["C"]) == ("a", "b", "5")
    assert [machine[f"DS{n}"] for n in range(1, 6)] == [2, 0, 7, 65, 66]


def test_converters_of_single_characters() -> None:
    with Program() as logic, Rung():
        copy(C, DS[1], convert=to_value)
        copy(C, DS[2], convert=to_ascii)
        copy(N, TXT[1], convert=to_binary)
    machine = Machine(logic).scan(C="7", N=0x4142)
    assert (machine["DS1"], machine["DS2"], machine["TXT1"], machine.faults) == (7, 55, "B", set())
    machine.scan(C="x", N=0x80)
    assert (machine["DS1"], machine["DS2"], machine["TXT1"], machine.faults) == (7, 120, "B", {"out_of_range"})


def test_a_block_converts_all_or_nothing() -> None:
    with Program() as logic, Rung():
        blockcopy(as_value(TXT.select(1, 3)), DS.select(1, 3))
    machine = Machine(logic)
    put(machine, "12x")
    assert machine.scan().faults == {"out_of_range"}
    assert machine["DS1"] == 0
    put(machine, "123")
    assert [machine.scan()[f"DS{n}"] for n in range(1, 4)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "value", "options", "text"),
    [
        (N, 42, {}, "42"), (N, -42, {}, "-42"), (N, 42, {"suppress_zero": False}, "00042"),
        (N, -42, {"suppress_zero": False}, "-00042"), (D, 7, {"suppress_zero": False}, "0000000007"),
        (W, 0x2F, {}, "2F"), (W, 0x2F, {"suppress_zero": False}, "002F"), (R, 1.5, {}, "1.5000000"),
        (R, 150.0, {"exponential": True}, "1.5000000E+02"), (N, 5, {"termination_code": "$0D"}, "5\r"),
        (N, 5, {"termination_code": 10}, "5\n"), (N, 0, {}, "0"),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_as_text(source: object, value: object, options: dict[str, object], text: str) -> None:
    with Program(strict=False) as logic, Rung():
        copy(source, TXT[1], convert=to_text(**options) if options else to_text)
    machine = Machine(logic).scan(**{str(source): value})
    assert texts(machine) == text.ljust(14, ".")
    assert machine.faults == set()


def test_text_that_does_not_fit_is_not_written() -> None:
    short = Block("SHORT", TagType.CHAR, 1, 3)
    with Program() as logic, Rung():
        copy(as_text(N), short[1])
        copy(N, short[J], convert=to_text)
    machine = Machine(logic).scan(N=1234, J=1)
    assert (machine["SHORT1"], machine.faults) == ("", {"out_of_range"})
    machine.scan(N=12, J=2)
    assert "".join(machine[f"SHORT{n}"] for n in (1, 2, 3)) == "112"


@pytest.mark.parametrize(
    ("target", "text", "blank", "number"),
    [
        (N, "-123", False, -123), (N, "+7", False, 7), (N, "32768", False, None), (N, "-32768", False, -32768),
        (N, " 12 ", False, None), (N, " 12 ", True, 12), (N, "1x", False, None), (N, "", False, None),
        (N, "00000000000012", False, 12), (D, "2147483647", False, 2147483647), (D, "99999999999", False, None),
        (W, "fF", False, 255), (W, "12345", False, None), (W, "-1", False, None), (R, "1.5e2", False, 150.0),
        (R, ".5", False, 0.5), (R, "-2.", False, -2.0), (R, "1e99", False, None), (R, "e5", False, None),
        (R, "nan", False, None), (R, "1e", False, None), (R, "1_0", False, None), (R, "-0.0", False, 0.0),
    ],
    ids=str,
)  # fmt: skip
def test_text_as_numbers(target: object, text: str, blank: bool, number: object) -> None:
    with Program(strict=False) as logic, Rung():
        pack_text(TXT.select(1, 14), target, allow_whitespace=blank)
    machine = Machine(logic)
    machine[str(target)] = 9
    put(machine, text)
    machine.scan()
    assert machine[str(target)] == (9 if number is None else number)
    assert machine.faults == ({"out_of_range"} if number is None else set())


def test_bits_pack_low_first() -> None:
    with Program() as logic, Rung():
        pack_bits(BITS.select(0, 15), N)
        pack_bits(BITS.select(0, 15), W)
        pack_bits(BITS.select(0, 31), D)
        pack_bits(BITS.select(0, 31), R)
    machine = Machine(logic).scan(M0=True, M15=True)
    assert (machine["N"], machine["W"], machine["D"]) == (-32767, 0x8001, 0x8001)
    machine.scan(M0=False, M15=False, **{f"M{n}": True for n in range(23, 30)}, M31=True)
    assert (machine["R"], machine["D"]) == (-1.0, 0xBF800000 - 2**32)


def test_unpack_is_the_reverse() -> None:
    with Program() as logic, Rung():
        unpack_to_bits(W, BITS.select(0, 15))
        unpack_to_words(D, DH.select(1, 2))
        unpack_to_words(R, DH.select(3, 4))
        unpack_to_words(D, DS.select(1, 2))
        pack_words(DH.select(1, 2), DD[1])
    machine = Machine(logic).scan(W=0x8001, D=-2, R=1.0)
    assert [n for n in range(16) if machine[f"M{n}"]] == [0, 15]
    assert [machine[f"DH{n}"] for n in range(1, 5)] == [0xFFFE, 0xFFFF, 0, 0x3F80]
    assert (machine["DS1"], machine["DS2"], machine["DD1"]) == (-2, -1, -2)


def test_a_not_a_number_has_one_pattern() -> None:
    with Program() as logic, Rung():
        pack_words(DH.select(1, 2), R)
        unpack_to_words(R, DH.select(3, 4))
    machine = Machine(logic).scan(DH1=1, DH2=0xFFA0)
    assert (machine["DH3"], machine["DH4"]) == (0, 0x7FC0)
    machine.scan(DH1=0, DH2=0x8000)
    assert struct.pack("<f", machine["R"]) == bytes(4)


def test_packing_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="more than the 16"), Program(), Rung():
        pack_bits(BITS.select(0, 16), N)
    with Program() as logic, Rung():
        pack_bits(BITS.select(0, N), W)
        pack_bits(BITS.select(0, 3), J)
    assert Machine(logic).scan(N=20).faults == {"out_of_range"}


def test_unpacking_to_too_many_is_refused() -> None:
    with Program() as logic, Rung():
        unpack_to_bits(W, BITS.select(0, N))
    machine = Machine(logic).scan(W=0xFFFF, N=16)
    assert (machine["M0"], machine.faults) == (False, {"out_of_range"})
    machine.scan(N=15)
    assert (machine["M0"], machine["M15"], machine.faults) == (True, True, set())


@pytest.mark.parametrize(("old", "reverse"), [(True, False), (False, False), (False, True)])
def test_search(old: bool, reverse: bool) -> None:
    with Program(strict=False) as logic, Rung():
        among = DS.select(2, 6).reverse() if reverse else DS.select(2, 6)
        if old:
            search(">=", 100, among, result=N, found=B)
        else:
            search(among >= 100, result=N, found=B)
    machine = Machine(logic).scan(DS3=100, DS5=200)
    assert (machine["N"], machine["B"]) == (5 if reverse else 3, True)
    machine.scan(DS3=0, DS5=0)
    assert (machine["N"], machine["B"]) == (-1, False)


def test_search_goes_on() -> None:
    with Program() as logic, Rung():
        search(DS.select(1, 6) == J, result=N, found=B, continuous=True)
    machine = Machine(logic)
    machine.scan(0, DS2=9, DS5=9, J=9)
    assert [machine.scan()["N"] for _ in range(4)] == [2, 5, -1, -1]
    assert machine.scan(N=0)["N"] == 2


def test_search_for_text() -> None:
    with Program() as logic, Rung():
        search(TXT.select(1, 10) == "AB", result=N, found=B)
        search(TXT.select(1, 10) != "A", result=J, found=Bool("B2"))
    machine = Machine(logic)
    put(machine, "AAAB")
    machine.scan()
    assert (machine["N"], machine["B"], machine["J"]) == (3, True, 4)
    put(machine, "AAAA....AB")
    assert machine.scan()["N"] == 9
    put(machine, "AAAAAAAAAA")
    assert (machine.scan()["N"], machine["J"]) == (-1, -1)


@pytest.mark.parametrize(
    "write",
    [
        lambda: search(TXT.select(1, 3) > "A", result=N, found=B),
        lambda: search(DS.select(1, 3) == "A", result=N, found=B),
        lambda: blockcopy(DS.select(1, 3), DS.select(1, 4)),
        lambda: blockcopy(DS.select(1, 3), TXT.select(1, 3), convert=to_text),
        lambda: copy("ab", DS[1]),
        lambda: copy("€", C),
        lambda: copy("ab", Char("Lonely")),
        lambda: copy(DS.select(1, 2), N),
        lambda: copy(N, TXT[1], convert=to_value),
        lambda: copy(5, TXT[1], convert=to_text(termination_code=999)),
        lambda: pack_words(BITS.select(0, 1), D),
        lambda: pack_text(DS.select(1, 2), N),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_written(write: object) -> None:
    with pytest.raises((TypeError, ValueError)), Program(strict=False), Rung():
        write()
