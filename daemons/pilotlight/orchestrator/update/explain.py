# SPDX-License-Identifier: Apache-2.0
"""RAUC's words for a failure, turned into a sentence for people. No I/O."""

from __future__ import annotations

import re

LENGTH_MAX = 600

_UNTOUCHED = "The running system is untouched."
# The first that fits is taken: what is special comes before what is general.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"certificate has expired|not yet valid|certificate is not yet valid",
        "The certificate that signed this bundle is not valid at this time.",
        "Have it signed again, or set the device's clock if that is wrong.",
    ),
    (
        r"self[- ]signed certificate|unable to get (local )?issuer|(unsuitable|unsupported) certificate purpose",
        "This bundle is not signed by a key that this device trusts.",
        "Use a bundle of the device's own maker, or one that is signed with the right key.",
    ),
    (
        r"[Cc]ompatible mismatch",
        "This bundle is for another board.",
        "Use the bundle whose name has this device's board in it.",
    ),
    (
        r"[Vv]ersion mismatch|min-bundle-version|version limit",
        "This bundle is older than this device takes.",
        "Use a newer one, or have an administrator force it.",
    ),
    (
        r"[Nn]o space left|ENOSPC|not enough (free )?space|too large|does not fit|bigger than",
        "There is not enough room for this bundle.",
        "Make room on the data partition, or use a bundle that fits the slot.",
    ),
    (
        r"unexpected hash",
        "The bundle was exchanged between its check and its installation.",
        "Install it again from a place that nobody else writes to.",
    ),
    (
        r"[Ss]ignature (verification failed|size)|not a bundle|[Ii]nvalid bundle|[Bb]undle is (too small|invalid)"
        r"|identifier|[Ff]ailed to (parse|read|load) (signature|manifest)|[Mm]alformed|[Bb]undle format",
        "This is no bundle, or it is damaged or cut off.",
        "Get the file again and compare its checksum.",
    ),
    (
        r"[Ii]nput/output error|verity|EIO|[Cc]hecksum|digest|hash mismatch|short read|unexpected end",
        "The content of the bundle is not what was signed: it is damaged or was tampered with.",
        "Get the file again and compare its checksum.",
    ),
    (
        r"HTTP|[Cc]ould(n't| not) (resolve|connect)|SSL|TLS|[Tt]imed? ?out|[Cc]onnection (refused|reset)"
        r"|curl|[Nn][Bb][Dd]",
        "The bundle could not be fetched from its address.",
        "Check the address, the network and the server, then try again; or download the file and install that.",
    ),
)


def failure(words: str) -> str:
    """What happened, what stays safe, what to do; RAUC's own words at the end."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in words).split())[:LENGTH_MAX]
    for pattern, meaning, advice in _MEANINGS:
        if re.search(pattern, clean):
            return f"{meaning} {_UNTOUCHED} {advice} (RAUC: {clean})"
    if not clean:
        return (
            f"The installation failed and RAUC does not say why. {_UNTOUCHED} See `journalctl -u rauc`, then try again."
        )
    return f"The installation failed: {clean}. {_UNTOUCHED} See `journalctl -u rauc`, then try again."
