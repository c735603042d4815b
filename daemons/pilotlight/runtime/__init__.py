# SPDX-License-Identifier: Apache-2.0
"""The PLC runtime: programs, their build and life cycle, and the real-time scan process."""
