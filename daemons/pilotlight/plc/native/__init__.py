# SPDX-License-Identifier: Apache-2.0
"""The native engine: programs of the IR as C, built by gcc."""
