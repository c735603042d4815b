# SPDX-License-Identifier: Apache-2.0
"""Pilotlight: an industrial controller in one flashable image."""

__version__ = "0.1.0"
