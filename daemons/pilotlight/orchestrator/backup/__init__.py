# SPDX-License-Identifier: Apache-2.0
"""Backup and restore of configuration and data: one file, secrets sealed or left out."""
