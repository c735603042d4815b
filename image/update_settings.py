# SPDX-License-Identifier: Apache-2.0
"""How the appliance's RAUC is set: what it accepts, where the slots are, and who changes the choice of the slot."""

from pathlib import Path

SYSTEM = Path("etc/rauc/system.conf")
KEYRING = Path("etc/rauc/keyring.pem")
HANDLER = "/usr/lib/rauc/bootchooser"
DATA = "/data/rauc"
SLOTS = ("A", "B")

# Plain bundles are not verified while they are read. A device without a clock cannot judge a certificate by its own
# time, so the time of signing counts. RAUC's prevent-late-fallback stays off: the firmware never falls back by itself
# to the other slot after a commit, and the other slot has to stay good for a rollback by hand.
TEXT = """\
# SPDX-License-Identifier: Apache-2.0
# Written when the image was built.
[system]
compatible={compatible}
bootloader=custom
bundle-formats=-plain
data-directory={data}

[keyring]
path=/{keyring}
use-bundle-signing-time=true
check-purpose=codesign

[handlers]
bootloader-custom-backend={handler}
"""
SLOT = """\

[slot.boot.{number}]
device=/dev/disk/by-partlabel/boot-{letter}
type=raw
bootname={name}

[slot.rootfs.{number}]
device=/dev/disk/by-partlabel/root-{letter}
type=raw
parent=boot.{number}
"""


def compatible(board: str) -> str:
    """The name that a bundle for a board carries, and that the board insists on."""
    return f"pilotlight-{board}"


def system_conf(board: str) -> str:
    """The text of /etc/rauc/system.conf."""
    head = TEXT.format(compatible=compatible(board), data=DATA, keyring=KEYRING, handler=HANDLER)
    slots = (SLOT.format(number=n, letter=name.lower(), name=name) for n, name in enumerate(SLOTS))
    return head + "".join(slots)
