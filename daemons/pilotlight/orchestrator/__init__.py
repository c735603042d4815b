# SPDX-License-Identifier: Apache-2.0
"""The orchestrator: health of the system, published once a second."""
