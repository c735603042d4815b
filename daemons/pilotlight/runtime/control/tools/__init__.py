# SPDX-License-Identifier: Apache-2.0
"""Tools around the control loop: its status file, reports, recordings, dumps and checks. None runs in real time."""
