# SPDX-License-Identifier: Apache-2.0
"""``hawkbit.yaml``. Without a ``url`` there is no server, and nothing is asked."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pilotlight.daemon.settings import Settings

Path = Annotated[str, Meta(max_length=256)]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
Text = Annotated[str, Meta(max_length=128)]


class HawkbitSettings(Settings, frozen=True):
    """The whole file. Secrets are in files of their own, which are named here."""

    url: Annotated[str, Meta(max_length=512)] = ""
    """Address of the server, such as https://hawkbit.example.com."""
    tenant: Name = "DEFAULT"
    controller: Annotated[str, Meta(max_length=128, pattern=r"^[A-Za-z0-9_.:-]*$")] = ""
    """Name of this device on the server; empty: the host name."""
    auth: Literal["none", "target", "gateway"] = "none"
    """Which kind of token ``auth_file`` holds."""
    auth_file: Path = "/etc/pilotlight/hawkbit.token"
    tls_ca: Path = ""
    """File with the certificates that the server is checked with; empty: the system's."""
    tls_certificate: Path = ""
    """File with the certificate of this device, and its key in ``tls_key``, where the server wants one."""
    tls_key: Path = ""
    insecure: bool = False
    """Also talk http, where everybody on the way can read the token. For a bench only."""
    poll_s: Annotated[int, Meta(ge=10, le=86400)] = 300
    """Seconds between two questions, until the server says how long."""
    stream: bool = False
    """Install while downloading, with no copy on the data partition: without a check of size and sum before."""
    attributes: dict[Text, Text] = msgspec.field(default_factory=dict)
    """More about this device for the server, beside version, board and slot."""
