# SPDX-License-Identifier: Apache-2.0
"""What the runtime keeps over a restart, and programs of the store as the supervisor takes them."""

from __future__ import annotations

import msgspec

from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import Variable
from pilotlight.runtime.store import ProgramStore


class Kept(msgspec.Struct, frozen=True):
    """The mode that was wanted last, and the last fault."""

    run: bool = True
    fault: str = ""


def loaded(store: ProgramStore, program: str) -> LoadedProgram:
    """A stored program, ready for a scan process. NotFound when the store has none of this id."""
    manifest = store.manifest(program)
    variables = tuple(Variable(v.name, v.type, v.size, v.flags) for v in manifest.variables)
    path = store.object_path(program)
    return LoadedProgram(program, manifest.name, manifest.identity, path, variables, manifest.cells)
