# SPDX-License-Identifier: Apache-2.0
"""The network monitor: interfaces, addresses, routes and their changes, as the kernel announces them."""
