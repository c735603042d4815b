# SPDX-License-Identifier: Apache-2.0
"""Reading a program's generated sources."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime import matiec
from pilotlight.runtime.matiec import MatiecError, parse
from pilotlight.tags import Flags, Type

from tests.programs.generate import files_of
from tests.programs.samples import SAMPLES, wide

IDENTITY = "0123456789abcdef0123456789abcdef"


def debug_c(*rows: str, identity: str = IDENTITY) -> str:
    table = ",\n".join(rows)
    return (
        f'char plc_program_md5[] = "{identity}";\n'
        f"static const struct {{ void *p; int t; }} debug_vars[] = {{\n{table}\n}};\n"
    )


def names(*rows: str, **more: str) -> list[str]:
    return [v.name for v in parse(debug_c(*rows), **more).variables]


def test_the_sample_is_read_whole() -> None:
    files = files_of(SAMPLES["follow"])
    program = parse(files["debug.c"], files["Config0.c"], files["VARIABLES.csv"], files["LOCATED_VARIABLES.h"])
    assert program.identity == SAMPLES["follow"].identity
    assert program.period_ns == 20_000_000
    found = {v.name: (v.type, v.pointer, v.flags) for v in program.variables}
    assert found["INSTANCE0.BUTTON"] == (Type.BOOL, True, Flags.INPUT)
    assert found["INSTANCE0.LAMP"] == (Type.BOOL, True, Flags.OUTPUT | Flags.WRITABLE)
    assert found["INSTANCE0.COUNT"] == (Type.UINT, True, Flags.WRITABLE)
    assert found["INSTANCE0.NOTE"] == (Type.STRING, False, Flags.WRITABLE | Flags.RETENTIVE)


def test_prefixes_are_dropped_and_arrays_read_as_people_write_them() -> None:
    assert names(
        "{&(RES0__INSTANCE0.LAMP), BOOL_O_ENUM}",
        "{&(CONFIG0__SPEED), INT_ENUM}",
        "{&(RES0__INSTANCE0.TON0.ET), TIME_ENUM}",
        "{&(RES0__INSTANCE0.A.value.table[3]), INT_ENUM}",
        "{&(RES0__INSTANCE0.S.value.X), REAL_ENUM}",
    ) == ["INSTANCE0.LAMP", "SPEED", "INSTANCE0.TON0.ET", "INSTANCE0.A[3]", "INSTANCE0.S.X"]


def test_a_clash_keeps_the_full_path() -> None:
    rows = ("{&(RES0__MAIN.X), INT_ENUM}", "{&(RES1__MAIN.X), INT_ENUM}", "{&(RES1__MAIN.Y), INT_ENUM}")
    assert names(*rows) == ["RES0__MAIN.X", "RES1__MAIN.X", "MAIN.Y"]


def test_an_unknown_type_is_left_to_its_size() -> None:
    (variable,) = parse(debug_c("{&(RES0__M.COLOUR), COLOUR_ENUM}")).variables
    assert variable.type is None


def test_flags_come_from_the_list_of_variables_by_path() -> None:
    listed = (
        "// Variables\n0;FB;CONFIG0.RES0.M;CONFIG0.RES0.M;MAIN;;0;\n"
        "1;IN;CONFIG0.RES0.M.A;CONFIG0.RES0.M.A;BOOL;BOOL;0;\n2;VAR;CONFIG0.G;CONFIG0.G;INT;INT;1;\n"
        "3;FB;CONFIG0.B;CONFIG0.B;TON;;0;\n4;OUT;CONFIG0.B.Q;CONFIG0.B.Q;BOOL;BOOL;0;\nnonsense\n;;;;;;;\n"
    )
    program = parse(
        debug_c("{&(RES0__M.A), BOOL_P_ENUM}", "{&(CONFIG0__G), INT_ENUM}", "{&(CONFIG0__B.Q), BOOL_O_ENUM}"),
        variables_csv=listed,
    )
    assert [v.flags for v in program.variables] == [
        Flags.INPUT,
        Flags.WRITABLE | Flags.RETENTIVE,
        Flags.WRITABLE | Flags.OUTPUT,
    ]


@pytest.mark.parametrize(
    ("source", "period"),
    [
        ("unsigned long long common_ticktime__ = 20000000ULL * 1ULL; /*ns*/", 20_000_000),
        ("unsigned long long common_ticktime__ = 500000000ULL;", 500_000_000),
        ("unsigned long long common_ticktime__ = 1000 * 2000;", 2_000_000),
        ("/* common_ticktime__ = 5; */", None),
        ("", None),
    ],
)
def test_the_period(source: str, period: int | None) -> None:
    assert matiec.parse_period(source) == period


def test_an_empty_table_is_a_program_without_variables() -> None:
    assert parse(debug_c()).variables == ()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "no program identity"),
        (debug_c(identity="short"), "no program identity"),
        (f'char plc_program_md5[] = "{IDENTITY}";', "no table of variables"),
        (debug_c("{&(A), INT_ENUM}").replace("};", ""), "does not end"),
        (debug_c("{&(A), INT_ENUM}", "{&(system(1)), INT_ENUM}"), "entry 1 of debug_vars"),
        (debug_c('{&(A"), INT_ENUM}'), "not understood"),
        (debug_c("{&(A), INT}"), "not understood"),
        (debug_c("{&(%s), INT_ENUM}" % ("A" * 300)), "not understood"),
        (debug_c("{&(A.B), INT_ENUM}", "{&(A.B), INT_ENUM}"), "two variables"),
        (debug_c(*["{&(A), INT_ENUM}"] * 65536), "65536 variables"),
    ],
)
def test_sources_that_are_not_understood_are_refused(source: str, reason: str) -> None:
    with pytest.raises(MatiecError, match=reason):
        parse(source)


def test_a_program_that_never_runs_is_refused() -> None:
    with pytest.raises(MatiecError, match="no cyclic task"):
        parse(debug_c(), "unsigned long long common_ticktime__ = 0ULL * 1ULL;")


@pytest.mark.parametrize("address", ["Q,X,1024,0", "I,X,0,8", "M,W,1024", "I,L,99999"])
def test_addresses_outside_the_process_image_are_refused(address: str) -> None:
    with pytest.raises(MatiecError, match="outside the process image"):
        parse(debug_c(), located_h=f"__LOCATED_VAR(BOOL,__X,{address})\n")


@pytest.mark.parametrize("address", ["Q,X,1023,7", "I,X,0", "M,W,1023", "M,D,8,9"])
def test_addresses_inside_the_process_image_are_taken(address: str) -> None:
    parse(debug_c(), located_h=f"__LOCATED_VAR(BOOL,__X,{address})\n")


def test_ten_thousand_variables_are_read() -> None:
    assert len(parse(files_of(wide(10_000))["debug.c"]).variables) == 10_000


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_is_understood_or_refused(debug: str, config: str, listed: str, located: str) -> None:
    try:
        parse(debug_c("{&(A), INT_ENUM}") + debug, config, listed, located)
    except MatiecError:
        return


@settings(deadline=None)
@given(st.text(alphabet="{}&(),;=[]A_ENUM.\n \"'/*0", max_size=200))
def test_any_table_is_understood_or_refused(rows: str) -> None:
    try:
        program = parse(debug_c(rows))
    except MatiecError:
        return
    assert matiec.table_source(program).count("{") >= len(program.variables)
