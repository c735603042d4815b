# SPDX-License-Identifier: Apache-2.0
"""`python3 -m pilotlight` is the command `pilotlight`."""

import sys

from pilotlight.cli import main

sys.exit(main())
