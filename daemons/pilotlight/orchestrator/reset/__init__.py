# SPDX-License-Identifier: Apache-2.0
"""Factory reset: asked for by a held button, a file or root; carried out at the next start, before data is mounted."""
