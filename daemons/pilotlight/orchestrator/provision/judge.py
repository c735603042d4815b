# SPDX-License-Identifier: Apache-2.0
"""Which values of the provisioning file are taken, which are refused and why. No I/O.

A table of the file is taken as a whole or not at all: half a network is worse than none. Tables do not depend on each
other. The names are those of Raspberry Pi's ``rpi-preseed.toml``, so that its Imager can write the file; ``network``,
``time`` and ``cloud`` are our own.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from . import checks
from .checks import Wrong
from .preseed import TOP, Preseed

Check = Callable[[Any], Any]

KEYS: dict[str, dict[str, Check]] = {
    TOP: {"config_version": checks.version},
    "system": {"hostname": checks.hostname},
    "user": {"name": checks.username, "password": checks.password, "password_encrypted": checks.flag},
    "ssh": {
        "enabled": checks.flag, "authorized_keys": checks.authorized_keys, "password_authentication": checks.flag,
    },
    "locale": {"timezone": checks.zone},
    "network": {
        "method": checks.method, "interface": checks.interface, "address": checks.network_address,
        "gateway": checks.address, "dns": checks.addresses,
    },
    "time": {"ntp": checks.servers},
    "cloud": {
        "url": checks.url, "tenant": checks.fleet_name, "device": checks.fleet_name, "token": checks.text,
        "auth": checks.auth, "ca": checks.certificates,
    },
}  # fmt: skip
# What Raspberry Pi's file has and this appliance does not, with the reason people are told. A whole table: key "".
ELSEWHERE: dict[tuple[str, str], str] = {
    ("user", "groups"): "the first user of the web has no groups of the system",
    ("user", "passwordless_sudo"): "the first user of the web is no user of the system",
    ("ssh", "ssh_import_id"): "keys are not fetched from the network; write them into authorized_keys",
    ("wlan", ""): "this appliance has wired networks only",
    ("connect", ""): "this appliance does not use Raspberry Pi Connect",
    ("interfaces", ""): "buses are set by the image",
    ("boot", ""): "boot files belong to the image",
    ("runcmd", ""): "this appliance runs no commands of a file",
    (TOP, "debug"): "the journal has all there is",
    **{
        ("locale", key): "the appliance has no keyboard and speaks English"
        for key in (
            "keymap", "keymap_model", "keymap_variant", "keymap_options", "locales", "lang", "lc_time",
            "lc_measurement",
        )
    },
}  # fmt: skip


class Admin(msgspec.Struct, frozen=True):
    """The first user of the web. ``password`` is a hash when ``hashed``."""

    name: str
    password: str
    hashed: bool


class Network(msgspec.Struct, frozen=True):
    """The wired network; ``address`` is empty with DHCP, ``interface`` when every wired port is meant."""

    interface: str = ""
    address: str = ""
    gateway: str = ""
    dns: list[str] = []


class Cloud(msgspec.Struct, frozen=True):
    """How the device enrols with a fleet server; ``auth`` is the token's kind."""

    url: str
    tenant: str = ""
    device: str = ""
    token: str = ""
    auth: str = "target"
    ca: str = ""


class Values(msgspec.Struct, frozen=True):
    """What was asked for and can be had; None where nothing was said. ``keys`` is empty to switch SSH off."""

    hostname: str | None = None
    admin: Admin | None = None
    keys: list[str] | None = None
    timezone: str | None = None
    ntp: list[str] | None = None
    network: Network | None = None
    cloud: Cloud | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A key that was not taken, and why."""

    line: int
    key: str
    reason: str


@dataclass(frozen=True)
class Facts:
    """What the device can do, and whether it has a first user already."""

    has_zone: Callable[[str], bool]
    ssh_server: bool
    claimed: bool = False


@dataclass
class Judgement:
    """The outcome: values, the keys they come from, what was refused, and what this appliance has no use for."""

    values: Values = field(default_factory=Values)
    applied: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    passed_over: list[Refusal] = field(default_factory=list)


def judge(file: Preseed, facts: Facts) -> Judgement:
    """Take the file apart. A version that is not known refuses all of it."""
    outcome = Judgement()
    top = _checked(file, TOP, outcome)
    if top is None or "config_version" not in top:
        if top is not None:
            outcome.refused.append(Refusal(1, "config_version", 'is missing; write config_version = "1.0" first'))
        return outcome
    found: dict[str, Any] = {}
    for table in file.tables:
        if table == TOP:
            continue
        if (table, "") in ELSEWHERE:
            outcome.passed_over.append(Refusal(file.line(table), f"[{table}]", ELSEWHERE[table, ""]))
            continue
        if table not in KEYS:
            reason = f"unknown table; {_hint(table, [name for name in KEYS if name])}"
            outcome.refused.append(Refusal(file.line(table), f"[{table}]", reason))
            continue
        values = _checked(file, table, outcome)
        if values is None:
            continue
        try:
            found |= _TABLES[table](values, facts)
        except _WrongKey as error:
            outcome.refused.append(Refusal(file.line(table, error.key), _name(table, error.key), str(error)))
        else:
            outcome.applied += [_name(table, key) for key in values]
    outcome.values = Values(**found)
    return outcome


def _checked(file: Preseed, table: str, outcome: Judgement) -> dict[str, Any] | None:
    """The values of a table, each checked alone; None when one of them is refused."""
    values: dict[str, Any] = {}
    sound = True
    for key, value in file.tables[table].items():
        line, name = file.line(table, key), _name(table, key)
        check = KEYS[table].get(key)
        if (table, key) in ELSEWHERE:
            outcome.passed_over.append(Refusal(line, name, ELSEWHERE[table, key]))
            continue
        try:
            if check is None:
                raise Wrong(f"unknown key; {_hint(key, list(KEYS[table]))}")
            values[key] = check(value)
        except Wrong as error:
            outcome.refused.append(Refusal(line, name, str(error)))
            sound = False
    return values if sound else None


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"


def _name(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


class _WrongKey(Exception):
    """Values that do not go together; ``key`` is the one to look at."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def _system(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    return {"hostname": values["hostname"]} if values else {}


def _user(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    if not values:
        return {}
    for key in ("name", "password"):
        if key not in values:
            raise _WrongKey(key, f"{key} is missing: the first user needs a name and a password")
    hashed, password = values.get("password_encrypted", False), values["password"]
    if facts.claimed:
        raise _WrongKey("name", "the device has its first user already; docs/recover.md has the way to a new one")
    if hashed and not password.startswith(checks.HASHES):
        raise _WrongKey("password", f"no hash that this device knows; those begin with {' '.join(checks.HASHES)}")
    least, most = checks.PASSWORD
    if not hashed and not least <= len(password) <= most:
        raise _WrongKey("password", f"a password has {least} to {most} characters")
    return {"admin": Admin(values["name"], password, hashed)}


def _ssh(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    if not values:
        return {}
    if values.get("password_authentication", False):
        raise _WrongKey("password_authentication", "there are no passwords over SSH; use authorized_keys")
    if "enabled" not in values:
        raise _WrongKey("enabled", "say enabled = true or enabled = false")
    keys = values.get("authorized_keys", [])
    if not values["enabled"]:
        return {"keys": []}
    if not keys:
        raise _WrongKey("authorized_keys", "SSH needs at least one public key; there are no passwords")
    if not facts.ssh_server:
        raise _WrongKey("enabled", "this image has no SSH server; build one with EXTRA_SSH")
    return {"keys": keys}


def _locale(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    if "timezone" not in values:
        return {}
    if not facts.has_zone(values["timezone"]):
        raise _WrongKey("timezone", f"there is no time zone {values['timezone']}")
    return {"timezone": values["timezone"]}


def _network(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    if not values:
        return {}
    if "method" not in values:
        raise _WrongKey("method", 'say method = "dhcp" or method = "static"')
    if values["method"] == "dhcp":
        for key in ("address", "gateway"):
            if key in values:
                raise _WrongKey(key, f'{key} is for method = "static"; DHCP brings its own')
    elif "address" not in values:
        raise _WrongKey("address", "a static network needs an address, such as 192.168.1.5/24")
    if "gateway" in values:
        network = ipaddress.ip_interface(values["address"]).network
        gateway = ipaddress.ip_address(values["gateway"])
        if gateway not in network and not gateway.is_link_local:
            raise _WrongKey("gateway", f"{gateway} is not in the network {network} of the address")
    return {"network": Network(**{key: value for key, value in values.items() if key != "method"})}


def _time(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    return dict(values)


def _cloud(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    if not values:
        return {}
    if "url" not in values:
        raise _WrongKey("url", "the server's address is missing")
    return {"cloud": Cloud(**values)}


_TABLES: dict[str, Callable[[Mapping[str, Any], Facts], dict[str, Any]]] = {
    "system": _system, "user": _user, "ssh": _ssh, "locale": _locale, "network": _network, "time": _time,
    "cloud": _cloud,
}  # fmt: skip
