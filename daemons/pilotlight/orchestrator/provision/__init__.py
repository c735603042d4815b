# SPDX-License-Identifier: Apache-2.0
"""One file on the boot configuration partition gives a new device its name, network, keys and first user."""
