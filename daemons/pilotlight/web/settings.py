# SPDX-License-Identifier: Apache-2.0
"""Settings of the web daemon (`/etc/pilotlight/web.yaml`); an empty file is a working file."""

from typing import Annotated, Literal

from msgspec import Meta

from pilotlight.daemon import Settings

Compat = Literal["auto", "4.0", "4.2"]


class WebSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; docs/web.md explains each key."""

    bind: str = ""
    """Address to listen on; empty means every IPv4 and IPv6 address."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8443
    """TCP port; 0 takes a free one (for tests)."""
    compat: Compat = "auto"
    """Which OpenPLC version is answered: `auto` suits Editors before and after 4.2, the others one of
    them."""
    token_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    """Life of an access token in minutes."""
    password_minimum: Annotated[int, Meta(ge=1, le=64)] = 8
    """Shortest password accepted, in characters."""
    upload_mib: Annotated[int, Meta(ge=1, le=256)] = 32
    """Largest program upload, in MiB; it is held in memory until runtime has it."""
    upload_seconds: Annotated[int, Meta(ge=5, le=3600)] = 300
    """Longest time one upload may take."""
    bundle_seconds: Annotated[int, Meta(ge=5, le=36000)] = 3600
    """Longest time the upload of an update may take; the orchestrator's settings have its largest size."""
    connections: Annotated[int, Meta(ge=8, le=1024)] = 128
    """Most connections open at once."""
    connections_per_address: Annotated[int, Meta(ge=4, le=1024)] = 48
    """Most connections open at once from one address (one /64 for IPv6)."""
    names: tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...] = ()
    """More names or addresses for the certificate, beside those the device finds itself."""
