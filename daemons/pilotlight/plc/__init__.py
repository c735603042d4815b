# SPDX-License-Identifier: Apache-2.0
"""The PLC language: ladder in Python, one typed core, an exact interpreter."""
