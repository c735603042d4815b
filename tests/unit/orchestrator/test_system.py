# SPDX-License-Identifier: Apache-2.0
"""Reading a system: a made-up one, and this machine."""

from __future__ import annotations

from pathlib import Path

from pilotlight import __version__
from pilotlight.orchestrator.system import System


def _machine(root: Path) -> Path:
    files = {
        "proc/stat": "cpu  100 0 0 900 0 0 0 0 0 0\n",
        "proc/meminfo": "MemTotal: 2048 kB\nMemAvailable: 1024 kB\n",
        "proc/loadavg": "0.25 0.10 0.05 1/100 1234\n",
        "proc/uptime": "77.5 100.0\n",
        "proc/cmdline": "quiet pilotlight.slot=a\n",
        "usr/lib/os-release": 'PRETTY_NAME="Made up"\nIMAGE_VERSION=7\n',
        "sys/class/thermal/thermal_zone0/temp": "36500\n",
    }
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "sys/class/thermal/thermal_zone1/temp").mkdir(parents=True)
    return root


def test_a_look_at_a_made_up_machine(tmp_path: Path) -> None:
    root = _machine(tmp_path / "root")
    system = System("/data", root)
    first = system.look()
    assert (first.cpu_percent, first.load_1min, first.uptime_s, first.temperature) == (0.0, 0.25, 77.5, 36.5)
    assert (first.memory.used_percent, first.data) == (50.0, None)
    (root / "proc/stat").write_text("cpu  150 0 0 950 0 0 0 0 0 0\n")
    (root / "data").mkdir()
    second = system.look()
    assert second.cpu_percent == 50.0
    assert second.data is not None and second.data.total > second.data.free > 0


def test_a_module_tells_how_old_its_boot_loader_is(tmp_path: Path) -> None:
    root = _machine(tmp_path / "root")
    assert System("/data", root).look().bootloader is None
    stamp = root / "proc/device-tree/chosen/bootloader/build-timestamp"
    stamp.parent.mkdir(parents=True)
    stamp.write_bytes(bytes.fromhex("67CE2B80"))
    assert System("/data", root).look().bootloader == 1741564800


def test_versions(tmp_path: Path) -> None:
    versions = System("/data", _machine(tmp_path / "root")).versions()
    assert versions["Pilotlight"] == __version__
    assert (versions["System"], versions["Image"], versions["Slot"]) == ("Made up", "7", "a")
    assert versions["Kernel"]


def test_this_machine_can_be_read() -> None:
    health = System("/").look()
    assert health.processors >= 1
    assert health.memory.total > health.memory.free > 0
    assert health.data is not None
