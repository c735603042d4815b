# SPDX-License-Identifier: Apache-2.0
"""What is told about an image: parts, licences, bill of materials, Imager's entry, digests."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from image import apt, imager, inventory, outputs, sbom
from image.inventory import Component

WHEN = 1767225600
READABLE = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: MIT or Apache-2.0

Files: debian/*
License: GPL-2+

License: GPL-2+
 Text of it.
"""
PROSE = "On Debian systems, see /usr/share/common-licenses/GPL-2 and /usr/share/common-licenses/LGPL-2.1."
STANZA = """\
Package: libdemo1
Version: 1:2.0~rc1-3+b1
Architecture: arm64
Homepage: https://demo.example
SHA256: {sha}
""".format(sha="ab" * 32)
PARTS = [
    Component("libdemo1", "1:2.0~rc1-3+b1", "arm64", "ab" * 32, homepage="https://demo.example", licences=("MIT",)),
    Component("other", "3", "all", "cd" * 32, licences=("GPL-2+", "MIT"), text="Other's own text."),
    Component("rauc", "1.15.2", "arm64", "ef" * 32, source="rauc", licences=("LGPL-2.1-or-later",), text="LGPL"),
]


def test_licences_are_named_as_the_package_names_them() -> None:
    assert inventory.licence_names(READABLE) == ("Apache-2.0", "GPL-2+", "MIT")
    assert inventory.licence_names(PROSE) == ("GPL-2", "LGPL-2.1")
    assert inventory.licence_names("All of it may be used by everybody.") == ()


def test_documents_may_be_those_of_another_package(tmp_path: Path) -> None:
    documents = tmp_path / "usr/share/doc"
    (documents / "base").mkdir(parents=True)
    (documents / "base/copyright").write_text("text")
    (documents / "near").symlink_to("base")
    (documents / "far").symlink_to("/usr/share/doc/near")
    (documents / "loop").symlink_to("loop")
    assert {inventory.copyright_of(tmp_path, name) for name in ("base", "near", "far")} == {"text"}
    assert inventory.copyright_of(tmp_path, "loop") == ""
    assert inventory.copyright_of(tmp_path, "none") == ""


def test_components_come_from_the_repository(tmp_path: Path) -> None:
    (tmp_path / "usr/share/doc/libdemo1").mkdir(parents=True)
    (tmp_path / "usr/share/doc/libdemo1/copyright").write_text(READABLE)
    (found,) = inventory.from_stanzas(apt.split(STANZA), tmp_path)
    assert (found.name, found.version, found.arch, found.sha256) == ("libdemo1", "1:2.0~rc1-3+b1", "arm64", "ab" * 32)
    assert found.homepage == "https://demo.example"
    assert found.text == READABLE
    assert inventory.from_stanzas(apt.split(STANZA), tmp_path, frozenset({"else"})) == []


def test_the_files_of_a_package_are_read_from_its_listing() -> None:
    listing = (
        "drwxr-xr-x root/root         0 2025-01-01 00:00 ./usr/bin/\n"
        "-rwxr-xr-x root/root     99999 2025-01-01 00:00 ./usr/bin/busy box\n"
        "lrwxrwxrwx root/root         0 2025-01-01 00:00 ./usr/lib/libx.so.1 -> libx.so.1.2\n"
    )
    assert inventory.contents(listing) == ["usr/bin", "usr/bin/busy box", "usr/lib/libx.so.1"]


def test_every_component_is_in_every_list() -> None:
    assert inventory.package_list(PARTS).splitlines() == [
        "libdemo1=1:2.0~rc1-3+b1 arm64", "other=3 all", "rauc=1.15.2 arm64 rauc",
    ]  # fmt: skip
    licences = inventory.licence_list(PARTS)
    assert "libdemo1 1:2.0~rc1-3+b1: MIT\n" in licences
    assert "other 3: GPL-2+, MIT\n" in licences
    assert licences.count("Other's own text.") == 1


def test_the_bill_of_materials_says_what_it_must() -> None:
    told = json.loads(sbom.document("pilotlight-cm5", "1.4.0", PARTS, WHEN))
    assert told["spdxVersion"] == "SPDX-2.3"
    assert told["dataLicense"] == "CC0-1.0"
    assert told["creationInfo"]["created"] == "2026-01-01T00:00:00Z"
    image, demo, other, rauc = told["packages"]
    assert demo["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]
    assert demo["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libdemo1@1%3A2.0~rc1-3%2Bb1?arch=arm64&distro=trixie"
    )
    assert demo["licenseDeclared"] == "MIT"
    # Debian's short name is no SPDX expression: it is told in words.
    assert other["licenseDeclared"] == "NOASSERTION"
    assert "GPL-2+" in other["licenseComments"]
    assert rauc["externalRefs"][0]["referenceLocator"] == "pkg:generic/rauc@1.15.2"
    ids = [part["SPDXID"] for part in told["packages"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    related = {(r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"]) for r in told["relationships"]}
    assert related == {
        ("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"]),
        *((image["SPDXID"], "CONTAINS", one) for one in ids[1:]),
    }


def test_the_same_parts_give_the_same_document_and_others_another_namespace() -> None:
    first = sbom.document("pilotlight-cm5", "1.4.0", PARTS, WHEN)
    assert sbom.document("pilotlight-cm5", "1.4.0", list(reversed(PARTS)), WHEN) == first
    other = json.loads(sbom.document("pilotlight-cm5", "1.4.0", PARTS[:2], WHEN))
    assert other["documentNamespace"] != json.loads(first)["documentNamespace"]


def test_imagers_entry_has_what_imager_requires(tmp_path: Path) -> None:
    made = outputs.Outputs(tmp_path, "pilotlight-cm5-1.4.0")
    made.path(".img.zst").write_bytes(b"packed")
    image = tmp_path / "image"
    image.write_bytes(b"unpacked image")
    download = outputs.describe(made, image, "https://downloads.example")
    about = json.loads((Path(__file__).parents[3] / "bsp/cm5/imager").read_text())
    told = json.loads(imager.manifest(about, "1.4.0", download, WHEN))
    (entry,), (device,) = told["os_list"], told["imager"]["devices"]
    assert set(imager.REQUIRED) <= set(entry)
    assert entry["url"] == "https://downloads.example/pilotlight-cm5-1.4.0.img.zst"
    assert entry["extract_size"] == 14
    assert entry["extract_sha256"] == hashlib.sha256(b"unpacked image").hexdigest()
    assert entry["image_download_size"] == 6
    assert entry["image_download_sha256"] == hashlib.sha256(b"packed").hexdigest()
    assert entry["release_date"] == "2026-01-01"
    assert entry["devices"] and entry["devices"] == device["tags"]
    # What Imager asks the person then is written as the device reads it at its first start.
    assert entry["init_format"] == "rpi-preseed"


def test_digests_are_as_sha256sum_reads_them(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    first, second = outputs.sums(tmp_path).splitlines()
    assert first == f"{hashlib.sha256(b'1').hexdigest()}  a"
    assert second.endswith("  b")


@pytest.mark.parametrize("ending", [".img.zst", ".bmap", ".raucb"])
def test_names_have_board_and_version(ending: str, tmp_path: Path) -> None:
    assert outputs.Outputs(tmp_path, "pilotlight-cm5-1.4.0").path(ending).name == f"pilotlight-cm5-1.4.0{ending}"


def test_modules_have_the_version_of_whoever_wrote_them() -> None:
    made = inventory.modules(["rpi-tryboot", "spi-dw-mmio"], ["spi-dw", "i2c-stub"], "1.4.0", "7.3.4-rt", "arm64")
    assert [(one.name, one.version, one.source) for one in made] == [
        ("rpi-tryboot", "1.4.0", "pilotlight"), ("spi-dw-mmio", "7.3.4-rt", "linux"),
    ]  # fmt: skip
