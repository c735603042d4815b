# SPDX-License-Identifier: Apache-2.0
"""Programs of the IR as C.

    emit(program) gives {file name: text}: one header and one or more sources that gcc compiles with the
    support headers of this folder, and whose symbol `<symbol>_entry` is a `plc_entry`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilotlight.plc import ir
from pilotlight.plc.native.expressions import joined
from pilotlight.plc.native.layout import ARRAYS
from pilotlight.plc.native.logic import instruction
from pilotlight.plc.native.scope import Scope, Source
from pilotlight.plc.native.storing import constant
from pilotlight.tags import Type

GROUP = 30
"""Instructions at which a function ends: small functions compile fast, large ones save calls."""
PART = 400
"""Instructions at which a source ends: sources are compiled side by side."""
HEAD = "/* Written by pilotlight.plc.native. */\n"


def emit(program: ir.Program, symbol: str = "program", *, part: int = PART) -> dict[str, str]:
    """The C of a program that `ir.check` found sound: texts by file name, all beginning with `symbol`.

    `part` is about how many instructions go into one source. Raises EmitError when the program calls Python.
    """
    source = Source(program, symbol)
    functions: list[tuple[str, int]] = []
    heads: list[str] = []
    for number, subroutine in enumerate(program.subroutines):
        heads += _section(source, f"{symbol}_sub{number}", subroutine.rungs, functions)
    heads += _section(source, f"{symbol}_main", program.rungs, functions)
    for number, task in enumerate(program.tasks):
        heads += _section(source, f"{symbol}_task{number}", task.rungs, functions)
    header = f"{symbol}.h"
    files = {header: _header(source, heads)}
    for number, texts in enumerate(_parts(functions, part)):
        files[f"{symbol}_{number}.c"] = f'{HEAD}#include "{header}"\n\n' + "\n".join(texts)
    files[f"{symbol}.c"] = f'{HEAD}#include "{header}"\n#include "plc_entry.h"\n\n' + _entry(source)
    return files


def _section(
    source: Source, name: str, rungs: tuple[ir.Rung, ...], functions: list[tuple[str, int]]
) -> Iterator[str]:
    """Write the functions of the main program, a task or a subroutine; gives their declarations."""
    calls: list[str] = []
    for group in _groups(rungs):
        head = f"bool {name}_{len(calls)}({source.symbol}_image *restrict m, int64_t dt)"
        scope = Scope(source)
        size = 0
        for first, network in group:
            size += _network(scope, first, network)
        functions.append(("\n".join([f"{head} {{", *scope.lines, "    return false;", "}", ""]), size))
        yield f"{head};"
        calls.append(f"    if ({name}_{len(calls)}(m, dt)) return;")
    head = f"void {name}({source.symbol}_image *restrict m, int64_t dt)"
    functions.append(("\n".join([f"{head} {{", *calls, "}", ""]), 0))
    yield f"{head};"


def _groups(rungs: tuple[ir.Rung, ...]) -> Iterator[list[tuple[int, tuple[ir.Rung, ...]]]]:
    """Networks that share a function, each with the number of its first rung."""
    group: list[tuple[int, tuple[ir.Rung, ...]]] = []
    size = first = 0
    for network in ir.networks(rungs):
        group.append((first, network))
        first += len(network)
        size += sum(1 + len(rung.steps) for rung in network)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _network(scope: Scope, first: int, rungs: Sequence[ir.Rung]) -> int:
    """Write rungs that decide together; gives the number of their instructions."""
    scope.line(f"/* rung {first} */")
    with scope.block():
        start = len(scope.lines)
        for number, rung in enumerate(rungs):
            for place, power in enumerate(rung.powers):
                parent = "" if power.parent < 0 else f"p{number}_{power.parent}"
                text = joined(scope, parent, power.condition)
                scope.line(f"const bool p{number}_{place} = {text};")
        scope.declare_faults(start)
        for number, rung in enumerate(rungs):
            for step in rung.steps:
                instruction(scope, step, f"p{number}_{step.enable}", f"p{number}_{{}}".format)
    return sum(len(rung.powers) + len(rung.steps) for rung in rungs)


def _parts(functions: list[tuple[str, int]], part: int) -> Iterator[list[str]]:
    texts: list[str] = []
    size = 0
    for text, instructions in functions:
        texts.append(text)
        size += instructions
        if size >= part:
            yield texts
            texts, size = [], 0
    if texts:
        yield texts


def _header(source: Source, heads: list[str]) -> str:
    counts = source.layout.counts
    members = [f"    {each.ctype} {each.member}[{counts[each.type]}];" for each in ARRAYS if counts[each.type]]
    return "\n".join(
        [
            f'{HEAD}#pragma once\n\n#include "plc_text.h"',
            "",
            "typedef struct {",
            *members,
            f"}} __attribute__((aligned(8))) {source.symbol}_image;",
            "",
            f"extern const {source.symbol}_image {source.symbol}_initial;",
            *heads,
            "",
            *source.data,
            "",
        ]
    )


def _entry(source: Source) -> str:
    layout, symbol = source.layout, source.symbol
    defaults = []
    for each in ARRAYS:
        values = [constant(cell.type, cell.default) for cell in layout.cells if cell.type is each.type]
        if values:
            defaults.append(f"    .{each.member} = {{{', '.join(values)}}},")
    return "\n".join(
        [
            f'_Static_assert(sizeof({symbol}_image) == {layout.size}, "the image is laid out otherwise");',
            "",
            f"const {symbol}_image {symbol}_initial = {{",
            *defaults,
            "};",
            "",
            f"static void {symbol}_logic(void *image, int64_t dt) {{",
            f"    {symbol}_image *m = image;",
            *_turns(source),
            "}",
            "",
            f"static void {symbol}_edges(void *image) {{",
            f"    {symbol}_image *m = image;",
            *_edges(source),
            "    (void)m;",
            "}",
            "",
            f'__attribute__((visibility("default"))) const plc_entry {symbol}_entry = {{',
            f"    {layout.size}, {layout.starts[Type.BOOL]}, &{symbol}_initial, {symbol}_logic, {symbol}_edges,",
            "};",
            "",
        ]
    )


def _turns(source: Source) -> Iterator[str]:
    """Whether each task is due, then those that are, and the main program, in the order of their priorities."""
    symbol, name, order = source.symbol, source.layout.name, ir.running_order(source.program)
    numbers = {task.name: number for number, task in enumerate(source.program.tasks)}
    for task in order:
        if task is not None:
            times = f"&{name(task.wait_memory)}, &{name(task.since_memory)}, INT64_C({task.period_ns})"
            yield f"    {name(task.due_memory)} = plc_due({times}, dt);"
    for task in order:
        if task is None:
            yield f"    {symbol}_main(m, dt);"
        else:
            run = f"{symbol}_task{numbers[task.name]}(m, plc_since(&{name(task.since_memory)}))"
            yield f"    if ({name(task.due_memory)}) {run};"


def _edges(source: Source) -> Iterator[str]:
    """What edges compare with: those of the main program and of the subroutines, and of the tasks that ran."""
    name = source.layout.name
    for task in ir.running_order(source.program):
        indent = "    "
        if task is not None:
            yield f"    if ({name(task.due_memory)}) {{"
            indent *= 2
        for edge in source.program.edges if task is None else task.edges:
            yield f"{indent}{name(edge.previous)} = {name(edge.slot)} != 0;"
        if task is not None:
            yield f"{indent}{name(task.due_memory)} = 0;"
            yield "    }"
