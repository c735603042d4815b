# SPDX-License-Identifier: Apache-2.0
"""The runtime has the rights that the control loop needs, from the kernel module to the sandbox, and no wider ones."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNIT = (ROOT / "units/systemd/pilotlight-runtime.service").read_text().splitlines()
RULES = "rootfs/usr/lib/udev/rules.d/60-pilotlight-control.rules"


def values(key: str) -> list[str]:
    """The words of every line of the unit that sets `key`."""
    return [word for line in UNIT if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]


def rules(path: str) -> dict[str, list[str]]:
    """Lines of a file of rules by the subsystem they are about."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / path).read_text().splitlines():
        if match := re.search(r'SUBSYSTEM=="([^"]+)"', line):
            found.setdefault(match[1], []).append(line)
    return found


def test_the_runtime_may_use_lines_and_buses_and_no_other_device() -> None:
    assert values("DevicePolicy") == ["closed"]
    devices = [line.partition("=")[2] for line in UNIT if line.startswith("DeviceAllow=")]
    assert devices == ["char-gpiochip rw", "char-spi rw", "char-i2c rw"]


def test_it_may_write_its_state_its_segments_and_the_pulse_generators_alone() -> None:
    assert values("ReadWritePaths") == [
        "/data/pilotlight/runtime",
        "/run/pilotlight/runtime",
        "/run/pilotlight/simnet",
        "/run/pilotlight/segments/plc",
        "/run/pilotlight/segments/control",
        "-/sys/devices/platform",
    ]
    assert values("ProtectKernelTunables") == ["yes"]
    tmpfiles = (ROOT / "units/tmpfiles/pilotlight.conf").read_text().split("\n")
    folders = [line.split() for line in tmpfiles if line.startswith("d /run/pilotlight/segments/control ")]
    assert folders == [["d", "/run/pilotlight/segments/control", "2750", "pilotlight-runtime", "pilotlight"]]


def test_it_is_in_the_group_of_the_devices() -> None:
    assert "gpio" in values("SupplementaryGroups")
    found = rules(RULES)
    assert set(found) == {"spidev", "i2c-dev", "pwm"}
    for bus in ("spidev", "i2c-dev"):
        assert all('GROUP="gpio", MODE="0660"' in line for line in found[bus])


def test_the_network_stays_away_from_it() -> None:
    assert values("PrivateNetwork") == ["yes"]
    assert values("RestrictAddressFamilies") == ["AF_UNIX"]


def test_the_bridge_to_a_simulator_has_loopback_and_nothing_else() -> None:
    text = (ROOT / "units/systemd/pilotlight-simnet.service").read_text().splitlines()
    wanted = {"User=pilotlight-simnet", "IPAddressDeny=any", "IPAddressAllow=localhost", "PrivateDevices=yes"}
    assert wanted <= set(text)
    assert [line for line in text if line.startswith(("ReadWritePaths", "SupplementaryGroups", "DeviceAllow"))] == []
    assert "PathExists=/run/pilotlight/simnet/socket" in (ROOT / "units/systemd/pilotlight-simnet.path").read_text()
    tmpfiles = (ROOT / "units/tmpfiles/pilotlight.conf").read_text().splitlines()
    folders = [line.split() for line in tmpfiles if line.startswith("d /run/pilotlight/simnet ")]
    assert folders == [["d", "/run/pilotlight/simnet", "2750", "pilotlight-runtime", "pilotlight-simnet"]]


def test_exported_channels_can_be_written_by_the_group_and_the_rest_cannot(tmp_path: Path) -> None:
    """The command of the rule, run on files like the kernel's."""
    (line,) = rules(RULES)["pwm"]
    command = re.search(r'RUN\+="([^"]+)"', line)
    assert command is not None and 'DEVPATH!="*9c000.pwm/*"' in line
    chip = tmp_path / "devices/platform/pwmchip0"
    writable = [chip / "export", *(chip / "pwm1" / name for name in ("duty_cycle", "enable", "period", "polarity"))]
    others = [chip / "npwm", chip / "uevent", chip / "pwm1/uevent", chip / "power/control"]
    for path in (*writable, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o644)
        path.chmod(0o644)
    group = str(chip.stat().st_gid)
    words = command[1].replace("/sys%p", str(chip)).replace("chgrp gpio", f"chgrp {group}").split()
    subprocess.run(words, check=True, timeout=20)
    assert {path for path in (*writable, *others) if path.stat().st_mode & 0o020} == set(writable)


@pytest.mark.parametrize("module", ["i2c-dev"])
def test_modules_that_no_device_asks_for_are_loaded_on_the_cm5(module: str) -> None:
    for name in ("bsp/cm5/rootfs/usr/lib/modules-load.d/cm5.conf", "bsp/cm5/modules"):
        words = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        assert module in words


def test_the_modules_own_buses_are_not_for_the_group() -> None:
    (line,) = rules("bsp/cm5/rootfs/usr/lib/udev/rules.d/61-cm5-control.rules")["i2c-dev"]
    assert 'KERNEL!="i2c-1"' in line
    assert 'GROUP="root", MODE="0600"' in line
