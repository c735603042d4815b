# SPDX-License-Identifier: Apache-2.0
"""What the build program says when it cannot go on."""


class BuildError(Exception):
    """A build that cannot go on. The message says what happened and what to do; nothing half-made is kept."""
