# SPDX-License-Identifier: Apache-2.0
"""Updates: what may be installed, where it stands, when the machine may restart, and what became of it."""
