# SPDX-License-Identifier: Apache-2.0
"""The interpreter of the IR."""

from pilotlight.plc.engine.interpreter import Interpreter, initial_cells
from pilotlight.plc.engine.protocol import Engine
from pilotlight.plc.engine.walking import Event

__all__ = ["Engine", "Event", "Interpreter", "initial_cells"]
