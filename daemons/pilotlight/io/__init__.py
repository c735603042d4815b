# SPDX-License-Identifier: Apache-2.0
"""Drivers of field hardware behind small protocols: digital lines, real or simulated."""
