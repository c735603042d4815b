# SPDX-License-Identifier: Apache-2.0
"""The build program behind `build-image.sh`: from package lists and this project's files to something that runs.

It needs nothing but Python's standard library on the building host; everything else comes from a tools root.
"""
