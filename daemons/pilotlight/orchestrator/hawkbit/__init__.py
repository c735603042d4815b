# SPDX-License-Identifier: Apache-2.0
"""The fleet door: takes updates from an Eclipse hawkBit server by its device interface (DDI), and tells how they went.

A process of its own: it is the part of updates that talks to the network, and all it may do is what an operator may.
"""
