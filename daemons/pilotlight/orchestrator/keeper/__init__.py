# SPDX-License-Identifier: Apache-2.0
"""What takes root's rights: backup, restore, factory reset; one short-lived process for each request."""
