# SPDX-License-Identifier: Apache-2.0
"""`python3 -m pilotlight.plc.debugger`: the same as `pilotlight plc debug`."""

import sys

from pilotlight.plc.debugger.server import main

sys.exit(main())
