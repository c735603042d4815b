# SPDX-License-Identifier: Apache-2.0
"""What a built program does behind its C interface. Each test loads a copy, so each has fresh variables."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from pilotlight.runtime.native import NativeProgram
from pilotlight.tags import Flags, Tag, Type
from pilotlight.tags.values import Value, decode, encode

from tests.programs.samples import SAMPLES

STATE, VARIABLE, SIZE, VALUE, FULL, POINT, FORCED = -1, -2, -3, -4, -5, -6, -7
PERIOD = 20_000_000


class Loaded:
    """A program with an image, as the scan holds it."""

    def __init__(self, path: Path, prepared: bool = True) -> None:
        self.program = NativeProgram.load(path)
        self.tags = [
            Tag(v.name, Type(v.type), v.size - 2 if v.type == Type.STRING else 0, flags=Flags(v.flags))
            for v in self.program.variables
        ]
        self.index = {tag.name.removeprefix("INSTANCE0."): n for n, tag in enumerate(self.tags)}
        self.offsets = [256 * n + 16 for n in range(len(self.tags))]
        self.image = bytearray(256 * (len(self.tags) + 1))
        self.scans = 0
        if prepared:
            self.program.prepare(memoryview(self.image), self.offsets)
            self.program.bind(0, [(0, 0), (0, 1)])
            self.program.bind(1, [(0, 0)])

    def scan(self, bits: int = 0, skip: int = 0) -> int:
        self.scans += 1 + skip
        self.program.inputs(bits)
        self.program.run(0, self.scans, self.scans * PERIOD)
        self.program.capture()
        return self.program.outputs()

    def __getitem__(self, name: str) -> Value:
        self.program.capture()
        n = self.index[name]
        return decode(self.tags[n].type, self.image[self.offsets[n] :][: self.tags[n].size])

    def encoded(self, name: str, value: Value) -> tuple[int, bytes]:
        n = self.index[name]
        return n, encode(self.tags[n].type, value, self.tags[n].length)

    def write(self, name: str, value: Value) -> int:
        return self.program.write(*self.encoded(name, value))

    def force(self, name: str, value: Value) -> int:
        return self.program.force(*self.encoded(name, value))

    def unforce(self, name: str) -> int:
        return self.program.unforce(self.index[name])


@pytest.fixture
def load(built: Callable[[str], Path], tmp_path: Path) -> Callable[..., Loaded]:
    def loaded(name: str, prepared: bool = True) -> Loaded:
        copy = tmp_path / f"{name}.so"
        shutil.copy(built(name), copy)
        return Loaded(copy, prepared)

    return loaded


def test_the_description_is_that_of_the_sources(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    assert follow.program.identity == SAMPLES["follow"].identity
    assert [task.period_ns for task in follow.program.tasks] == [PERIOD]
    assert [tag.name for tag in follow.tags] == [f"INSTANCE0.{v.name}" for v in SAMPLES["follow"].variables]
    flags = {name: follow.tags[n].flags for name, n in follow.index.items()}
    assert flags["BUTTON"] == Flags.INPUT
    assert flags["LAMP"] == Flags.OUTPUT | Flags.WRITABLE
    assert flags["LEVEL"] == Flags.WRITABLE
    assert flags["NOTE"] == Flags.WRITABLE | Flags.RETENTIVE


def test_variables_have_their_initial_values(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    assert (follow["LEVEL"], follow["RATIO"], follow["NOTE"], follow["ELAPSED"]) == (42, 1.5, "ready", 0)


def test_the_output_follows_the_input(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    assert [follow.scan(bits) for bits in (0, 1, 1, 0, 2)] == [0, 1, 1, 0, 0]
    assert follow["COUNT"] == 5


def test_a_program_of_an_older_editor_runs(load: Callable[..., Loaded]) -> None:
    older = load("older")
    assert [older.scan(bits) for bits in (1, 0)] == [1, 0]
    assert older["COUNT"] == 2


def test_every_type_has_its_tag_and_survives_the_round_trip(load: Callable[..., Loaded]) -> None:
    types = load("types")
    assert [tag.type.name for tag in types.tags] == [name[2:] for name in types.index]
    assert types["A_TIME"] == -1_500_000_000
    assert types["A_STRING"] == "hello"
    values: dict[str, Value] = {
        "BOOL": False, "SINT": -128, "INT": -32768, "DINT": -(2**31), "LINT": -(2**63), "USINT": 255, "UINT": 65535,
        "UDINT": 2**32 - 1, "ULINT": 2**64 - 1, "BYTE": 1, "WORD": 2, "DWORD": 3, "LWORD": 4, "REAL": -0.5,
        "LREAL": 1e300, "TIME": -1, "DATE": 86_400 * 10**9, "TOD": 10**9 + 1, "DT": 1_795_000_000_000_000_001,
        "STRING": "ü" * 63,
    }  # fmt: skip
    assert {f"A_{name}" for name in values} == set(types.index)
    for name, value in values.items():
        assert types.write(f"A_{name}", value) == 0
        assert types[f"A_{name}"] == value


def test_a_force_holds_before_and_after_the_logic_and_reads_back(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    assert follow.force("LEVEL", 7) == 0
    assert follow["LEVEL"] == 7
    follow.scan()
    assert follow["TWICE"] == 14
    assert follow.force("TWICE", -1) == 0
    follow.scan()
    assert follow["TWICE"] == -1
    assert follow.force("TWICE", -2) == 0
    assert follow["TWICE"] == -2


def test_a_force_holds_against_logic_that_ignores_it(load: Callable[..., Loaded]) -> None:
    invert = load("invert")
    invert.force("SCANS", 7)
    invert.scan()
    assert invert["SCANS"] == 7


def test_a_forced_input_reaches_the_logic_and_a_forced_output_the_line(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.force("BUTTON", True)
    assert follow.scan(bits=0) == 1
    assert follow["BUTTON"] is True
    follow.force("LAMP", False)
    assert follow.scan(bits=0) == 0
    assert follow.unforce("LAMP") == 0
    assert follow.scan(bits=0) == 1
    assert follow.unforce("BUTTON") == 0
    assert follow["BUTTON"] is False
    assert follow.scan(bits=0) == 0


def test_an_unforced_variable_keeps_the_value_until_the_logic_writes_it(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.force("LEVEL", 9)
    follow.scan()
    follow.unforce("LEVEL")
    follow.scan()
    assert (follow["LEVEL"], follow["TWICE"]) == (9, 18)
    assert follow.unforce("LEVEL") == 0


def test_forcing_a_string_and_a_time(load: Callable[..., Loaded]) -> None:
    types = load("types")
    types.force("A_STRING", "forced")
    types.force("A_TIME", 2_500_000_000)
    types.scan()
    assert (types["A_STRING"], types["A_TIME"]) == ("forced", 2_500_000_000)


def test_a_write_under_a_force_is_refused(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.force("LEVEL", 1)
    assert follow.write("LEVEL", 2) == FORCED
    follow.unforce("LEVEL")
    assert follow.write("LEVEL", 2) == 0


def test_values_that_do_not_fit_are_refused(load: Callable[..., Loaded]) -> None:
    types = load("types")
    program, index = types.program, types.index
    assert program.write(index["A_INT"], b"\1") == SIZE
    assert program.force(index["A_INT"], bytes(8)) == SIZE
    assert program.write(index["A_BOOL"], b"\2") == VALUE
    assert program.write(index["A_TIME"], struct.pack("<q", 2**62)) == VALUE
    assert program.write(index["A_STRING"], struct.pack("<H", 127) + bytes(126)) == VALUE
    assert program.write(len(index), b"\0") == VARIABLE
    assert program.force(10**9, b"\0") == VARIABLE
    assert program.unforce(len(index)) == VARIABLE
    assert types["A_BOOL"] is True


def test_the_force_table_is_bounded(built: Callable[[str], Path], load: Callable[..., Loaded]) -> None:
    wide = load("wide1100")
    codes = [wide.force(f"V{n}", n) for n in range(1100)]
    assert codes == [0] * 1024 + [FULL] * 76
    assert wide.unforce("V3") == 0
    assert wide.force("V1099", 1) == 0
    assert wide["V1023"] == 1023


def test_nothing_works_before_it_is_initialised(load: Callable[..., Loaded]) -> None:
    follow = load("follow", prepared=False)
    assert follow.write("LEVEL", 1) == STATE
    assert follow.force("LEVEL", 1) == STATE
    follow.program.run(0, 0, 0)
    follow.program.outputs()


def test_points_outside_the_process_image_are_refused(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    for points in ([(1024, 0)], [(0, 8)]):
        with pytest.raises(Exception, match="outside the process image"):
            follow.program.bind(0, points)
    assert follow.scan(1) == 1


def test_points_without_a_variable_can_be_bound(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.program.bind(0, [(1023, 7), (0, 0)])
    follow.program.bind(1, [(1000, 3), (0, 0)])
    assert follow.scan(0b10) == 0b10
    assert follow.scan(0b01) == 0


def test_more_than_64_lines(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.program.bind(0, [(n // 8 + 1, n % 8) for n in range(100)] + [(0, 0)])
    follow.program.bind(1, [(n // 8 + 1, n % 8) for n in range(70)] + [(0, 0)])
    assert follow.scan(1 << 100) == 1 << 70
    assert follow.scan(0) == 0


def test_the_programs_clock_keeps_to_real_time_when_periods_are_skipped(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    for _ in range(3):
        follow.scan()
    assert follow["ELAPSED"] == 2 * PERIOD
    follow.scan(skip=4)
    assert follow["ELAPSED"] == 7 * PERIOD


def test_the_programs_clock_stands_still_while_it_is_stopped(load: Callable[..., Loaded]) -> None:
    follow = load("follow")
    follow.scan()
    follow.scan(skip=1_000_000)
    assert follow["ELAPSED"] == PERIOD


def test_a_block_in_cpp_runs(load: Callable[..., Loaded]) -> None:
    blocks = load("blocks")
    blocks.scan()
    blocks.scan()
    assert blocks["VALUE"] == 6
