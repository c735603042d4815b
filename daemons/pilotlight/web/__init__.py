# SPDX-License-Identifier: Apache-2.0
"""HTTPS 8443: the interface for people, for the OpenPLC Editor and for other systems.

Authenticates, authorises and audits; never touches hardware. Commands go to `runtime` over D-Bus, live values are
read from the segments.
"""

from pydantic import BaseModel, ConfigDict

# FastAPI defines some fifty models for its description of the interface. Each is built when it is first used, not
# at import: that is a fifth of the time until this daemon answers.
BaseModel.model_config = ConfigDict(defer_build=True)
