# SPDX-License-Identifier: Apache-2.0
"""The igniter: four firing channels, held off. Arming is refused, with the reason."""
