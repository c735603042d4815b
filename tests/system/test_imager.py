# SPDX-License-Identifier: Apache-2.0
"""The file that Raspberry Pi Imager opens, held against what Imager documents and against the files it is about.

Imager's own words are `doc/json-schema/os-list-schema.json` and `doc/schema-notes.md` of its repository
(github.com/raspberrypi/rpi-imager), here as of August 2026.
"""

import base64
import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from image import config, version
from tests.support.handed_out import HandedOut, disk, out, sha256, work

__all__ = ["disk", "out", "work"]

# Imager reads over a name that it does not know.
REQUIRED: dict[str, type] = {
    "name": str, "description": str, "icon": str, "url": str, "extract_size": int, "extract_sha256": str,
    "image_download_size": int, "release_date": str, "devices": list,
}  # fmt: skip
OPTIONAL: dict[str, type] = {
    "image_download_sha256": str, "bmap_url": str, "init_format": str, "architecture": str, "capabilities": list,
    "website": str, "tooltip": str, "random": bool, "enable_rpi_connect": bool,
}  # fmt: skip
# The 64-bit images of "Raspberry Pi 5, 500 / 500+, and Compute Module 5", as Imager's own list calls them.
FAMILY = "pi5-64bit"


@pytest.fixture(scope="module")
def board() -> str:
    return "cm5"


@pytest.fixture
def told(out: HandedOut) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.path(".rpi-imager-manifest").read_text())
    return found


@pytest.fixture
def entry(told: dict[str, Any]) -> dict[str, Any]:
    assert told.keys() == {"imager", "os_list"}
    (found,) = told["os_list"]
    return dict(found)


def test_people_can_choose_the_device_first(told: dict[str, Any]) -> None:
    """Without a device in the file the first page of Imager 2 is empty, and there is no next one."""
    (device,) = told["imager"]["devices"]
    assert device["name"] and device["description"]
    assert (device["tags"], device["matching_type"], device["default"]) == ([FAMILY], "exclusive", True)


def test_every_name_is_one_that_imager_knows_and_holds_what_it_says(entry: dict[str, Any]) -> None:
    assert REQUIRED.keys() <= entry.keys() <= REQUIRED.keys() | OPTIONAL.keys()
    kinds = REQUIRED | OPTIONAL
    assert {name: type(value) for name, value in entry.items()} == {name: kinds[name] for name in entry}
    assert all(value.strip() for value in entry.values() if isinstance(value, str))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["release_date"]) and date.fromisoformat(entry["release_date"])
    # What people answer is left as rpi-preseed.toml on the first FAT partition, where the device looks for it.
    assert entry["init_format"] == "rpi-preseed"
    assert entry["architecture"] == "armv8"


def test_people_find_it_by_their_module_and_by_its_version(entry: dict[str, Any]) -> None:
    assert entry["devices"] == [FAMILY]
    assert version.of_image(config.load("cm5").config) in entry["name"]
    assert "Compute Module 5" in entry["description"]


def test_sizes_and_digests_are_those_of_the_files(entry: dict[str, Any], out: HandedOut, disk: Path) -> None:
    """With a wrong digest of the unpacked image Imager leaves a disk without its first megabyte."""
    download = out.path(".img.zst")
    assert (entry["image_download_size"], entry["image_download_sha256"]) == (download.stat().st_size, sha256(download))
    assert (entry["extract_size"], entry["extract_sha256"]) == (disk.stat().st_size, sha256(disk))


@pytest.mark.parametrize(("name", "ending"), [("url", ".img.zst"), ("bmap_url", ".bmap")])
def test_the_addresses_lead_to_the_files(entry: dict[str, Any], out: HandedOut, name: str, ending: str) -> None:
    address = urlsplit(entry[name])
    place = config.load("cm5").config["DOWNLOAD_URL"]
    assert address.scheme == (urlsplit(place).scheme or "file")
    assert Path(address.path).name == out.path(ending).name
    assert place or Path(unquote(address.path)).samefile(out.path(ending))


def test_the_icon_is_a_drawing_of_40_by_40(entry: dict[str, Any]) -> None:
    head, _, data = entry["icon"].partition(",")
    assert head == "data:image/svg+xml;base64"
    drawing = ElementTree.fromstring(base64.b64decode(data, validate=True))
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.get("viewBox") == "0 0 40 40"
