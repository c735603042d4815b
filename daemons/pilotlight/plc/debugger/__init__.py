# SPDX-License-Identifier: Apache-2.0
"""A server of the Debug Adapter Protocol: editors step programs scan by scan and rung by rung, both ways."""

from pilotlight.plc.debugger.server import main

__all__ = ["main"]
