# SPDX-License-Identifier: Apache-2.0
"""Which of the two slots starts: RAUC's boot handler, and what happens around a restart into a slot on trial.

The firmware starts the slot that ``autoboot.txt`` names, whatever happens. With a one-shot flag it starts the other one
instead, once. So a slot on trial needs no counter: unless it is committed, every reset goes back to the old one.
"""
