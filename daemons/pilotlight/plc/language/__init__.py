# SPDX-License-Identifier: Apache-2.0
"""The ladder language in Python: tags, conditions, rungs and instructions, lowered to the IR as they are written."""
