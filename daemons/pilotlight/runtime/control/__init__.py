# SPDX-License-Identifier: Apache-2.0
"""The control loop: sensors, estimator, controller, actuators at a fixed rate."""
