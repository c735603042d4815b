# SPDX-License-Identifier: Apache-2.0
"""The entry by which Raspberry Pi Imager offers an image; its file opens with `rpi-imager --repo`."""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="8" fill="#17324d"/>\
<path d="M8 12v16M32 12v16M8 20h7M25 20h7M15 15v10M25 15v10" stroke="#ffb000" stroke-width="3" fill="none"/></svg>
"""
REQUIRED = (
    "name", "description", "icon", "url", "extract_size", "extract_sha256", "image_download_size", "release_date",
    "devices",
)  # fmt: skip


@dataclass(frozen=True)
class Download:
    """The image as it is downloaded and as it is on the disk: addresses, sizes in bytes, digests."""

    url: str
    bmap_url: str
    size: int
    sha256: str
    extract_size: int
    extract_sha256: str


def entry(board: Mapping[str, Any], version: str, download: Download, when: int) -> dict[str, object]:
    """One image of the list. `board` has the board's `description`, and its `device` as Imager tells devices apart."""
    return {
        "name": f"Pilotlight {version}",
        "description": board["description"],
        "icon": "data:image/svg+xml;base64," + base64.b64encode(ICON.encode()).decode(),
        "url": download.url,
        "bmap_url": download.bmap_url,
        "extract_size": download.extract_size,
        "extract_sha256": download.extract_sha256,
        "image_download_size": download.size,
        "image_download_sha256": download.sha256,
        "release_date": time.strftime("%Y-%m-%d", time.gmtime(when)),
        "devices": board["device"]["tags"],
        "architecture": "armv8",
        "init_format": "rpi-preseed",
    }


def manifest(board: Mapping[str, Any], version: str, download: Download, when: int) -> str:
    """The whole file: its one image, and the one device that Imager lets people choose first; without it none."""
    told = {"imager": {"devices": [board["device"]]}, "os_list": [entry(board, version, download, when)]}
    return json.dumps(told, indent=2) + "\n"
