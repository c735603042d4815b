# SPDX-License-Identifier: Apache-2.0
"""Which commands build a program."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.runtime import toolchain


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("// Empty file\n", False),
        ("/* nothing\n here */\n#include <stdint.h>\n  #ifdef X\n#endif\n", False),
        ("", False),
        ("void block_setup(BLOCK_VARS *vars);\n", True),
        ("/* a */ typedef struct { int x; } BLOCK_VARS;", True),
    ],
)
def test_blocks_are_those_the_header_declares(header: str, expected: bool) -> None:
    assert toolchain.declares(header) is expected


def test_cpp_is_compiled_only_for_blocks() -> None:
    without = [step.command[0] for step in toolchain.compile_steps("source", False)]
    with_blocks = [step.command[0] for step in toolchain.compile_steps("source", True)]
    assert without == ["gcc"] * 5
    assert sorted(with_blocks) == ["g++", *["gcc"] * 5]
    assert toolchain.link_step(False, "p.so").command[0] == "gcc"
    assert toolchain.link_step(True, "p.so").command[0] == "g++"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("POUS.c:3:1: error: x", "[ERROR] POUS.c:3:1: error: x"),
        ("POUS.c:3:1: warning: x", "[WARNING] POUS.c:3:1: warning: x"),
        ("POUS.c:3:1: note: x", "[INFO] POUS.c:3:1: note: x"),
        ("collect2: ld returned 1", "[ERROR] collect2: ld returned 1"),
    ],
)
def test_output_gets_a_level(line: str, expected: str) -> None:
    assert toolchain.classify(line) == expected


def test_the_id_depends_on_upload_and_tools() -> None:
    ids = {toolchain.program_id(upload, tools) for upload in ("a", "b") for tools in ("x", "y")}
    assert len(ids) == 4
    assert all(len(program) == 16 and program.isalnum() for program in ids)
    assert toolchain.key("gcc 12") != toolchain.key("gcc 14")


def test_a_source_that_is_not_text_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "debug.c").write_bytes(
        b'char plc_program_md5[] = "0123456789abcdef0123456789abcdef";\xff debug_vars[] = { };'
    )
    (tmp_path / "POUS.c").write_bytes(b"\xff\xfe")
    sources = toolchain.read_sources(tmp_path)
    assert sources.program.variables == ()
    assert not sources.has_blocks and not sources.has_python
