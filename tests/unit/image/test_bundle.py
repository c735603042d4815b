# SPDX-License-Identifier: Apache-2.0
"""Update bundles and what accepts them: the manifest, RAUC's settings on the appliance, how RAUC is compiled."""

import configparser
from pathlib import Path

import pytest

from image import boot_files, bundle, disk_layout, rauc, update_settings
from image.errors import BuildError
from image.keys import Signing
from image.steps import Log
from image.tools import Tools

CONTENT = bundle.Content("cm5", "1.4.0", {"boot": Path("x/boot.img"), "rootfs": Path("y/root.img")})


def settings(board: str = "cm5") -> configparser.ConfigParser:
    made = configparser.ConfigParser(interpolation=None)
    made.read_string(update_settings.system_conf(board))
    return made


def manifest() -> configparser.ConfigParser:
    made = configparser.ConfigParser(interpolation=None)
    made.read_string(bundle.manifest(CONTENT))
    return made


def test_a_bundle_fits_its_board_and_no_other() -> None:
    assert manifest()["update"]["compatible"] == settings("cm5")["system"]["compatible"] == "pilotlight-cm5"
    assert settings("qemu-arm64")["system"]["compatible"] != "pilotlight-cm5"
    assert manifest()["update"]["version"] == "1.4.0"


def test_a_bundle_is_verified_while_it_is_read_and_its_images_are_indexed() -> None:
    assert manifest()["bundle"]["format"] == "verity"
    images = {name: dict(manifest()[name]) for name in manifest().sections() if name.startswith("image.")}
    assert images == {
        "image.boot": {"filename": "boot.img", "adaptive": "block-hash-index"},
        "image.rootfs": {"filename": "root.img", "adaptive": "block-hash-index"},
    }


def test_every_image_of_a_bundle_has_two_slots() -> None:
    for name in CONTENT.images:
        assert {f"slot.{name}.0", f"slot.{name}.1"} <= set(settings().sections())


def test_only_signed_and_verified_bundles_are_accepted() -> None:
    assert settings()["system"]["bundle-formats"] == "-plain"
    assert dict(settings()["keyring"]) == {
        "path": f"/{update_settings.KEYRING}",
        "use-bundle-signing-time": "true",
        "check-purpose": "codesign",
    }


def test_slots_are_partitions_of_the_disk_and_named_as_on_the_command_line() -> None:
    labels = {part.label for part in disk_layout.layout(disk_layout.Sizes(96, 512, 128), "arm64")}
    for number, name in enumerate(update_settings.SLOTS):
        boot, root = settings()[f"slot.boot.{number}"], settings()[f"slot.rootfs.{number}"]
        assert boot["bootname"] == name
        assert name in boot_files.CMDLINES
        assert root["parent"] == f"boot.{number}"
        for slot in (boot, root):
            assert slot["type"] == "raw"
            assert slot["device"].removeprefix("/dev/disk/by-partlabel/") in labels
            assert slot["device"].endswith(f"-{name.lower()}")


def test_state_is_kept_where_updates_do_not_reach() -> None:
    assert settings()["system"]["data-directory"].startswith("/data/")
    assert settings()["system"]["bootloader"] == "custom"
    assert settings()["handlers"]["bootloader-custom-backend"] == update_settings.HANDLER


def test_an_image_that_cannot_be_indexed_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "root.img"
    image.write_bytes(bytes(4097))
    content = bundle.Content("cm5", "1.4.0", {"rootfs": image})
    signing = Signing("key", tmp_path, tmp_path, development=True)
    with (tmp_path / "log").open("wb") as stream, pytest.raises(BuildError, match=r"root\.img is no whole number"):
        log = Log("test", tmp_path / "log", stream)
        bundle.pack(log, Tools("disk", None), content, signing, tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arch", "processor"), [("arm64", "aarch64"), ("amd64", "x86_64")])
def test_rauc_is_compiled_against_the_appliances_libraries_alone(arch: str, processor: str) -> None:
    cross = configparser.ConfigParser(interpolation=None)
    cross.read_string(rauc.cross_file(arch, Path("/w/root"), Path("/w")))
    assert cross["host_machine"]["cpu_family"] == f"'{processor}'"
    assert cross["binaries"]["c"] == f"'{processor}-linux-gnu-gcc-14'"
    for name in ("c_args", "c_link_args"):
        assert "--sysroot=/w/root" in cross["built-in options"][name]
    assert "/w/root/usr/lib/" in cross["properties"]["pkg_config_libdir"]
    # No path of the building machine stays in the program.
    assert "-ffile-prefix-map=/w=." in cross["built-in options"]["c_args"]


def test_the_source_is_fetched_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(rauc.apt, "POOL", tmp_path)
    monkeypatch.setenv("PILOTLIGHT_MIRROR", "http://mirror.example/debian")

    def run(self: Log, argv: list[str | Path], **_: object) -> None:
        asked.append([str(word) for word in argv])
        Path(argv[-2]).touch()

    monkeypatch.setattr(Log, "run", run)
    made = rauc.source()
    (words,) = asked
    assert words[-3] == f"http://mirror.example/debian/pool/main/r/rauc/rauc_{rauc.VERSION}.orig.tar.xz"
    assert words[-1] == f"SHA256:{rauc.SHA256}"
    assert made.parent == tmp_path
    assert rauc.source() == made
    assert len(asked) == 1
