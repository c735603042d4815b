# SPDX-License-Identifier: Apache-2.0
"""A rocket in six degrees of freedom, with its sensors and fins, for a control loop without hardware."""
