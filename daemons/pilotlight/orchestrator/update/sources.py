# SPDX-License-Identifier: Apache-2.0
"""Where a bundle may come from, and what of that may be shown. No I/O."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from pilotlight.daemon import InvalidArgument

URL_MAX = 2048
NAME_MAX = 120
HEADERS_MAX = 8
HEADER_MAX = 1024
KEY = re.compile(r"[0-9a-z]{1,64}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}: ?[\x20-\x7e]+")


def checked_url(url: str, *, insecure: bool) -> str:
    """The URL of a bundle; ``insecure`` also takes http. Raises InvalidArgument."""
    if len(url) > URL_MAX or any(not 0x21 <= ord(character) <= 0x7E for character in url):
        raise InvalidArgument(f"a URL has at most {URL_MAX} printable characters and no spaces; nothing was installed")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise InvalidArgument(f"this is no URL ({error}); nothing was installed") from None
    wanted = ("https", "http") if insecure else ("https",)
    if parts.scheme not in wanted or not host:
        raise InvalidArgument(
            f"bundles are taken from https:// addresses only, not from “{shown(url)}”; nothing was installed. "
            "Use https, or download the file and install that."
        )
    return url


def shown(url: str) -> str:
    """A URL without user, password, query and fragment: fit for a log, a page and the history."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no URL)"
    place = f"[{host}]{port}" if ":" in host else host + port
    return name_of(urlunsplit((parts.scheme, place, parts.path, "", "")))


def name_of(text: str) -> str:
    """A name to show: printable, and not too long."""
    kept = "".join(character for character in text if character.isprintable())
    return kept if len(kept) <= NAME_MAX else kept[: NAME_MAX - 1] + "…"


def checked_headers(headers: list[str]) -> list[str]:
    """Headers for a download, ``Name: value`` each. Raises InvalidArgument, without the values: they are secrets."""
    if len(headers) > HEADERS_MAX or any(len(h) > HEADER_MAX or not _HEADER.fullmatch(h) for h in headers):
        raise InvalidArgument(f"Headers are at most {HEADERS_MAX} texts “Name: value”; nothing was installed")
    return headers


def checked_key(key: str) -> str:
    """The name under which an upload can be taken up again. Raises InvalidArgument."""
    if not KEY.fullmatch(key):
        raise InvalidArgument("Key has 1 to 64 lower-case letters and digits; nothing was done")
    return key
