# SPDX-License-Identifier: Apache-2.0
"""What a value of the provisioning file has to look like. A check returns the value as it is kept, or raises Wrong."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

MOST_ITEMS = 64
LONGEST_TEXT = 4096
LONGEST_KEY = 16384
PASSWORD = (8, 256)  # characters; the shortest is the web daemon's default

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_USER = re.compile(r"[^\s\x00-\x1f\x7f]{1,64}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_FLEET_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KEY_TYPES = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip
# How crypt(3) and argon2 begin, as far as this device can check them.
HASHES = ("$argon2id$", "$y$", "$6$", "$5$")


class Wrong(Exception):
    """A value that is refused; the text says what is wanted."""


def text(value: Any) -> str:
    """A text of one line."""
    if not isinstance(value, str):
        raise Wrong("a text in quotes is wanted")
    if not value or len(value) > LONGEST_TEXT or not value.isprintable():
        raise Wrong(f"a text of 1 to {LONGEST_TEXT} printable characters is wanted")
    return value


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong("true or false is wanted, without quotes")
    return value


def items(value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise Wrong(f'a list of at most {MOST_ITEMS} texts is wanted, such as ["one", "two"]')
    return [text(item) if len(str(item)) <= LONGEST_TEXT else str(item) for item in value]


def version(value: Any) -> str:
    """The version of the file's form: 1 or "1.x"."""
    if str(value).partition(".")[0] != "1" or not isinstance(value, (str, int, float)):
        raise Wrong('this device knows version "1.0" of the file')
    return str(value)


def hostname(value: Any) -> str:
    """A host name: one label."""
    name = text(value)
    if not _LABEL.fullmatch(name):
        raise Wrong("a host name is 1 to 63 letters, digits and hyphens, with no hyphen at either end")
    return name.lower()


def username(value: Any) -> str:
    """The name of a user of the web."""
    name = text(value)
    if not _USER.fullmatch(name):
        raise Wrong("a user name is 1 to 64 characters without blanks")
    return name


def password(value: Any) -> str:
    """A password or the hash of one; its length is checked where it is known which it is."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
        raise Wrong("a text in quotes is wanted")
    return value


def zone(value: Any) -> str:
    """The name of a time zone; whether there is such a zone is for the caller to see."""
    name = text(value)
    if not _ZONE.fullmatch(name):
        raise Wrong("the name of a time zone is wanted, such as Europe/Vienna")
    return name


def servers(value: Any) -> list[str]:
    """Host names or addresses of time servers."""
    found = items(value)
    for name in found:
        if not _is_host(name):
            raise Wrong(f"{name!r} is neither a host name nor an address")
    if not found:
        raise Wrong("at least one server is wanted")
    return found


def method(value: Any) -> str:
    """How the network is set up."""
    if value not in ("dhcp", "static"):
        raise Wrong('"dhcp" or "static" is wanted')
    return str(value)


def interface(value: Any) -> str:
    """The name of a network interface."""
    name = text(value)
    if not _INTERFACE.fullmatch(name):
        raise Wrong("the name of an interface is wanted, such as end0")
    return name


def network_address(value: Any) -> str:
    """An address with the length of its network, such as 192.168.1.5/24."""
    try:
        found = ipaddress.ip_interface(text(value))
    except ValueError:
        raise Wrong("an address with the length of its network is wanted, such as 192.168.1.5/24") from None
    if "/" not in str(value):
        raise Wrong(f"the length of the network is missing: write {found.ip}/24 if the mask is 255.255.255.0")
    if found.ip.is_multicast or found.ip.is_unspecified or found.ip.is_loopback:
        raise Wrong(f"{found.ip} is no address that a device can have")
    return str(found)


def address(value: Any) -> str:
    """One address."""
    try:
        return str(ipaddress.ip_address(text(value)))
    except ValueError:
        raise Wrong("an address is wanted, such as 192.168.1.1") from None


def addresses(value: Any) -> list[str]:
    """Addresses of name servers."""
    return [address(item) for item in items(value)]


def authorized_keys(value: Any) -> list[str]:
    """Public keys as OpenSSH writes them, without options."""
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise Wrong(f"a list of at most {MOST_ITEMS} public keys is wanted")
    return [_public_key(number, item) for number, item in enumerate(value, 1)]


def _public_key(number: int, value: Any) -> str:
    words = value.split(None, 2) if isinstance(value, str) and len(value) <= LONGEST_KEY else []
    problem = f"key {number} is no public key: a line of an .pub file is wanted, such as `ssh-ed25519 AAAA… name`"
    if len(words) < 2 or words[0] not in _KEY_TYPES or not " ".join(words).isprintable():
        raise Wrong(problem)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(problem) from None
    kind = words[0].encode()
    if blob[: 4 + len(kind)] != len(kind).to_bytes(4, "big") + kind or len(blob) < 4 + len(kind) + 32:
        raise Wrong(f"key {number} is damaged: its two parts do not belong together")
    return " ".join(words)


def url(value: Any) -> str:
    """An address that starts with https://."""
    try:
        parts = urlsplit(text(value))
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise Wrong("an address is wanted that starts with https:// and holds no password")
    return str(value)


def fleet_name(value: Any) -> str:
    """The name of a tenant or of a device on a fleet server."""
    name = text(value)
    if not _FLEET_NAME.fullmatch(name):
        raise Wrong("a name is 1 to 128 letters, digits and _ . : -")
    return name


def auth(value: Any) -> str:
    """The kind of a token of a fleet server."""
    if value not in ("target", "gateway"):
        raise Wrong('"target" or "gateway" is wanted')
    return str(value)


def certificates(value: Any) -> str:
    """Certificates in PEM."""
    if not isinstance(value, str) or len(value) > LONGEST_KEY or "-----BEGIN CERTIFICATE-----" not in value:
        raise Wrong("certificates in PEM are wanted, from BEGIN CERTIFICATE to END CERTIFICATE")
    return value


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))
    return True
