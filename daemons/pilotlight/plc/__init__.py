# SPDX-License-Identifier: Apache-2.0
"""The PLC language: ladder in Python, one typed core, an exact interpreter.

    from pilotlight.plc import Bool, Program, Rung, out

    Button, Lamp = Bool("Button"), Bool("Lamp")
    with Program() as logic:
        with Rung(Button):
            out(Lamp)

Names of both eras of the language are here: `Rung` and `rung`, `any_of` and `Or`, `on_delay` in both forms.
"""

from pilotlight.plc.language.arrays import named_array
from pilotlight.plc.language.block import Block, InputBlock, OutputBlock
from pilotlight.plc.language.coils import latch, out, reset
from pilotlight.plc.language.conditions import And, Condition, Or, all_of, any_of, fall, rise
from pilotlight.plc.language.drums import event_drum, time_drum
from pilotlight.plc.language.functions import (
    PI,
    acos,
    asin,
    atan,
    cos,
    degrees,
    log,
    log10,
    lro,
    lsh,
    radians,
    rro,
    rsh,
    sin,
    sqrt,
    tan,
)
from pilotlight.plc.language.moving import (
    as_ascii,
    as_binary,
    as_text,
    as_value,
    blockcopy,
    calc,
    copy,
    fill,
    to_ascii,
    to_binary,
    to_text,
    to_value,
)
from pilotlight.plc.language.operands import immediate
from pilotlight.plc.language.packing import pack_bits, pack_text, pack_words, unpack_to_bits, unpack_to_words
from pilotlight.plc.language.points import system
from pilotlight.plc.language.program import (
    Program,
    Rung,
    branch,
    comment,
    forloop,
    program,
    rung,
)
from pilotlight.plc.language.python import run_enabled_function, run_function
from pilotlight.plc.language.ranges import BlockRange
from pilotlight.plc.language.searching import search
from pilotlight.plc.language.sections import call, return_early, subroutine, task
from pilotlight.plc.language.strict import ForbiddenControlFlowError
from pilotlight.plc.language.structures import Counter, Field, Timer, auto, udt
from pilotlight.plc.language.tag import (
    Bool,
    Char,
    Dint,
    InputTag,
    Int,
    LiveTag,
    MappingEntry,
    OutputTag,
    Real,
    Tag,
    TagType,
    Word,
)
from pilotlight.plc.language.timing import count_down, count_up, off_delay, on_delay, shift
from pilotlight.plc.language.units import Td, Th, TimeUnit, Tm, Tms, Ts, normalize_unit
from pilotlight.plc.runner.plc import PLC, PLCRunner, TimeMode
from pilotlight.plc.runner.state import SystemState

__all__ = [
    "PI", "PLC", "And", "Block", "BlockRange", "Bool", "Char", "Condition", "Counter", "Dint", "Field",
    "ForbiddenControlFlowError", "InputBlock", "InputTag", "Int", "LiveTag", "MappingEntry", "Or", "OutputBlock",
    "OutputTag", "PLCRunner", "Program", "Real", "Rung", "SystemState", "Tag", "TagType", "Td", "Th", "TimeMode",
    "TimeUnit", "Timer", "Tm", "Tms", "Ts", "Word", "acos", "all_of", "any_of", "as_ascii", "as_binary", "as_text",
    "as_value", "asin", "atan", "auto", "blockcopy", "branch", "calc", "call", "comment", "copy", "cos", "count_down",
    "count_up", "degrees", "event_drum", "fall", "fill", "forloop", "immediate", "latch", "log", "log10", "lro",
    "lsh", "named_array", "normalize_unit", "off_delay", "on_delay", "out", "pack_bits", "pack_text", "pack_words",
    "program", "radians", "reset", "return_early", "rise", "rro", "rsh", "run_enabled_function", "run_function",
    "rung", "search", "shift", "sin", "sqrt", "subroutine", "system", "tan", "task", "time_drum", "to_ascii",
    "to_binary", "to_text", "to_value", "udt", "unpack_to_bits", "unpack_to_words",
]  # fmt: skip
