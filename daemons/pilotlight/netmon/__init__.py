# SPDX-License-Identifier: Apache-2.0
"""The network monitor: interfaces, addresses, routes and their changes, as the kernel announces them."""

import logging

# Before the library is imported: it then warns that it cannot look into traffic control, which nobody here asks for.
logging.getLogger("pyroute2").setLevel(logging.ERROR)
