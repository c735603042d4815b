# SPDX-License-Identifier: Apache-2.0
"""What provisioning writes is where the root file system, its units and the daemons look."""

import re
from pathlib import Path

import pytest
from pilotlight.orchestrator.provision import plan, steps
from pilotlight.web import first_admin

PROJECT = Path(__file__).parents[3]
ROOTFS = PROJECT / "rootfs"
LINKS = {
    "etc/localtime": plan.LOCALTIME,
    "etc/systemd/network/70-site.network": plan.NETWORK,
    "etc/systemd/timesyncd.conf.d/site.conf": plan.TIME,
}


@pytest.mark.parametrize("link", LINKS)
def test_the_root_has_a_link_to_each_file(link: str) -> None:
    target = (ROOTFS / link).readlink()
    place = target if target.is_absolute() else Path("/") / Path(link).parent / target
    assert str(place).replace("/etc/..", "") == f"/data/{LINKS[link]}"


def test_the_site_network_comes_before_the_images_own() -> None:
    own = [path.name for path in (ROOTFS / "usr/lib/systemd/network").iterdir()]
    assert all(name > "70-site.network" for name in own)


def test_the_initramfs_takes_the_host_name() -> None:
    assert f"/data/{plan.HOSTNAME} " in (PROJECT / "image/init.sh").read_text()


def test_ssh_listens_for_the_provisioned_keys_only() -> None:
    condition = f"ConditionPathExists=/data/{plan.KEYS}\n"
    assert condition in (ROOTFS / "usr/lib/systemd/system/ssh.socket.d/keys.conf").read_text()
    settings = (ROOTFS / "etc/ssh/sshd_config.d/appliance.conf").read_text()
    assert f"AuthorizedKeysFile /data/{plan.KEYS}\n" in settings
    assert re.findall(r"^\w*Authentication (\w+)$", settings, re.MULTILINE) == ["no", "no"]


def test_the_unit_waits_for_the_file_and_for_an_unfinished_run() -> None:
    unit = (PROJECT / "units/systemd/pilotlight-provision.service").read_text()
    assert f"ConditionPathExists=|/boot/config/{steps.FILE}\n" in unit
    assert f"ConditionPathExists=|/data/{steps.PENDING}\n" in unit


def test_the_web_daemon_finds_its_first_user() -> None:
    assert f"pilotlight/web/{first_admin.FILE}" == plan.ADMIN
