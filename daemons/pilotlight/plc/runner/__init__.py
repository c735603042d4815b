# SPDX-License-Identifier: Apache-2.0
"""Running programs: scans, patches, forces, breakpoints, history."""

from pilotlight.plc.runner.changing import Change
from pilotlight.plc.runner.debugging import Debugger, RungTrace, ScanStep
from pilotlight.plc.runner.history import History, LabeledSnapshot
from pilotlight.plc.runner.plc import PLC, PLCRunner, TimeMode
from pilotlight.plc.runner.state import SystemState
from pilotlight.plc.runner.watching import Breakpoint, Monitor

__all__ = [
    "PLC",
    "Breakpoint",
    "Change",
    "Debugger",
    "History",
    "LabeledSnapshot",
    "Monitor",
    "PLCRunner",
    "RungTrace",
    "ScanStep",
    "SystemState",
    "TimeMode",
]
