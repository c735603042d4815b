# SPDX-License-Identifier: Apache-2.0
"""The health gate: after a start it looks whether the appliance does what it is for.

A slot on trial that passes is committed; one that does not is left by a restart, with the reasons kept. On a committed
slot it only reports.
"""
