# SPDX-License-Identifier: Apache-2.0
"""Which files on the data partition hold the provisioned values, and what is told about them. No I/O.

The root file system has links to the files below ``system/site``; the daemons read the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from .judge import Cloud, Judgement, Network, Refusal, Values

HOSTNAME = "system/site/hostname"
LOCALTIME = "system/site/localtime"
NETWORK = "system/site/network"
TIME = "system/site/timesyncd.conf"
KEYS = "system/ssh/authorized_keys"
ADMIN = "pilotlight/web/first-admin.json"
# The fleet server: settings of `pilotlight-hawkbit`, and what only it may read.
FLEET = "pilotlight/etc/hawkbit.yaml"
FLEET_TOKEN = "pilotlight/etc/hawkbit.token"  # noqa: S105 - a path
FLEET_CA = "pilotlight/etc/hawkbit-ca.pem"

ZONES = "/usr/share/zoneinfo"
WIRED = "en* eth*"

_NETWORK = """\
# From the provisioning file.
[Match]
Type=ether
Kind=!*
Name={name}

[Link]
RequiredForOnline=no

[Network]
{lines}
LinkLocalAddressing=yes
IPv6AcceptRA=yes

[DHCPv4]
UseDomains=yes
ClientIdentifier=mac
"""


@dataclass(frozen=True)
class Write:
    """A file below /data with its content; None removes it, ``link`` makes it a symbolic link to the content."""

    path: str
    content: str | None
    mode: int = 0o644
    owner: str = "root"
    link: bool = False


def writes(values: Values) -> list[Write]:
    """The files for the values, in the order in which they are written. Nothing said, nothing touched."""
    found = []
    if values.hostname is not None:
        found.append(Write(HOSTNAME, values.hostname + "\n"))
    if values.timezone is not None:
        found.append(Write(LOCALTIME, f"{ZONES}/{values.timezone}", link=True))
    if values.network is not None:
        found.append(Write(NETWORK, network_file(values.network)))
    if values.ntp is not None:
        found.append(Write(TIME, f"# From the provisioning file.\n[Time]\nNTP={' '.join(values.ntp)}\n"))
    if values.keys is not None:
        found.append(Write(KEYS, "".join(f"{key}\n" for key in values.keys) or None, 0o600))
    if values.admin is not None:
        found.append(Write(ADMIN, _json(values.admin), 0o600, "pilotlight-web"))
    if values.cloud is not None:
        found += fleet_files(values.cloud)
    return found


def fleet_files(cloud: Cloud) -> list[Write]:
    """The settings of the fleet door, in JSON, which is YAML; what they name comes first."""
    settings = {"url": cloud.url, "tenant": cloud.tenant, "controller": cloud.device}
    found = []
    if cloud.token:
        settings |= {"auth": cloud.auth, "auth_file": "/etc/pilotlight/hawkbit.token"}
        found.append(Write(FLEET_TOKEN, cloud.token + "\n", 0o600, "pilotlight-hawkbit"))
    if cloud.ca:
        settings["tls_ca"] = "/etc/pilotlight/hawkbit-ca.pem"
        found.append(Write(FLEET_CA, cloud.ca))
    text = msgspec.json.format(msgspec.json.encode({key: value for key, value in settings.items() if value}), indent=2)
    return [*found, Write(FLEET, "# From the provisioning file.\n" + text.decode() + "\n")]


def network_file(network: Network) -> str:
    """The settings of systemd-networkd."""
    lines = ["DHCP=no", f"Address={network.address}"] if network.address else ["DHCP=yes"]
    lines += [f"Gateway={network.gateway}"] if network.gateway else []
    lines += [f"DNS={server}" for server in network.dns]
    return _NETWORK.format(name=network.interface or WIRED, lines="\n".join(lines))


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode() + "\n"


def report(name: str, when: str, judgement: Judgement) -> str:
    """What is written beside the file for the person who wrote it. Names keys, never values."""
    lines = [f"Pilotlight read {name} on {when}.", ""]
    lines += _section("Applied", judgement.applied)
    lines += _section("Refused; correct these and put the file here again", _lines(judgement.refused))
    lines += _section("Passed over, this appliance has no use for them", _lines(judgement.passed_over))
    if not judgement.applied:
        lines += ["Nothing was applied; the device is as it was.", ""]
    return "\n".join(lines)


def _section(title: str, entries: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {entry}" for entry in entries), ""] if entries else []


def _lines(refusals: Sequence[Refusal]) -> list[str]:
    return [f"line {refusal.line}: {refusal.key}: {refusal.reason}" for refusal in refusals]
