# SPDX-License-Identifier: Apache-2.0
"""The files of the boot configuration partition as text. No I/O."""

from __future__ import annotations

import zlib

from .core import PARTITIONS, Pending, Refused, other

SECTOR = 512


def autoboot(slot: str) -> bytes:
    """``autoboot.txt`` that starts `slot`, and the other one with the one-shot flag: always one sector."""
    text = (
        f"[all]\ntryboot_a_b=1\nboot_partition={PARTITIONS[slot]}\n"
        f"[tryboot]\nboot_partition={PARTITIONS[other(slot)]}\n"
    )
    return text.encode().ljust(SECTOR, b"\n")


def committed(data: bytes) -> str:
    """The slot that ``autoboot.txt`` starts. Refused when it names none, or is not one sector."""
    section, found = "all", ""
    for line in data.decode("ascii", "replace").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "all" and line.startswith("boot_partition="):
            found = line.partition("=")[2].strip()
    slot = next((slot for slot, partition in PARTITIONS.items() if str(partition) == found), "")
    if not slot or len(data) != SECTOR:
        raise Refused("autoboot.txt is not one that this system wrote: nothing is changed, the firmware decides")
    return slot


def encode(pending: Pending) -> bytes:
    """``pending.json``: the wish and a checksum over it."""
    import json  # slow to load, and mostly there is no wish

    body = pending._asdict() | {"reasons": list(pending.reasons)}
    return json.dumps(body | {"check": _check(body)}, indent=1).encode() + b"\n"


def decode(data: bytes) -> Pending | None:
    """The wish in a ``pending.json``; None when it is not whole: then the committed slot is started, as ever."""
    import json

    try:
        body = json.loads(data)
        check = body.pop("check")
        pending = Pending(**body)._replace(reasons=tuple(body["reasons"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return pending if check == _check(body) and pending.slot in PARTITIONS else None


def _check(body: dict[str, object]) -> int:
    import json

    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def bundle_version(statuses: str, slot: str) -> str:
    """The bundle version that RAUC's status file gives for `slot`; empty where it does not."""
    section = ""
    for line in statuses.splitlines():
        if line.startswith("["):
            section = line
        elif section == f"[slot.boot.{'AB'.index(slot)}]" and line.startswith("bundle.version="):
            return line.partition("=")[2].strip()
    return ""
