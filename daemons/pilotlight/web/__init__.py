# SPDX-License-Identifier: Apache-2.0
"""HTTPS 8443: the interface for people, for the OpenPLC Editor and for other systems.

Authenticates, authorises and audits; never touches hardware. Commands go to `runtime` over D-Bus, live
values are read from the segments.
"""
