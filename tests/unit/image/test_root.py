# SPDX-License-Identifier: Apache-2.0
"""What goes into the root file system."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from image import daemons, root

PROJECT = Path(__file__).parents[3]
UNITS = PROJECT / "rootfs/usr/lib/systemd/system"


def test_os_release_names_product_version_and_board() -> None:
    text = root.os_release("1.2.3", "qemu-arm64")
    assert 'PRETTY_NAME="Pilotlight 1.2.3"\n' in text
    assert "ID_LIKE=debian\n" in text
    assert "VARIANT_ID=qemu-arm64\n" in text
    assert 'VERSION_ID="1.2.3"\n' in text
    assert 'IMAGE_VERSION="1.2.3"\n' in text


def test_every_folder_of_units_has_a_place() -> None:
    assert {path.name for path in (PROJECT / "units").iterdir() if path.is_dir()} <= set(root.PLACES)


def test_factory_settings_are_the_boards_own_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/io.yaml").write_text("lines: {}\n")
    root.factory_settings(tmp_path / "etc", tmp_path / "root")
    assert (tmp_path / "root/usr/share/pilotlight/etc/io.yaml").read_text() == "lines: {}\n"
    root.factory_settings(tmp_path / "missing", tmp_path / "other")
    assert list((tmp_path / "other/usr/share/pilotlight/etc").iterdir()) == []


def test_no_image_has_host_keys(tmp_path: Path) -> None:
    (tmp_path / "etc/ssh/sshd_config.d").mkdir(parents=True)
    for name in ("ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config"):
        (tmp_path / "etc/ssh" / name).touch()
    root.forget_host_keys(tmp_path)
    assert {path.name for path in (tmp_path / "etc/ssh").iterdir()} == {"sshd_config", "sshd_config.d"}


def test_every_mount_is_required_before_anything_starts() -> None:
    mounts = {path.name for path in UNITS.glob("*.mount")}
    assert {path.name for path in (UNITS / "local-fs.target.requires").iterdir()} == mounts
    for mount in mounts:
        where = re.search(r"^Where=(.*)$", (UNITS / mount).read_text(), re.MULTILINE)
        assert where is not None
        assert mount == where[1].strip("/").replace("-", r"\x2d").replace("/", "-") + ".mount"


def test_no_watchdog_time_exceeds_what_the_hardware_counts() -> None:
    text = (PROJECT / "rootfs/usr/lib/systemd/system.conf.d/watchdog.conf").read_text()
    times = dict(re.findall(r"^(\w+WatchdogSec)=(\w+)$", text, re.MULTILINE))
    assert set(times) == {"RuntimeWatchdogSec", "RebootWatchdogSec", "KExecWatchdogSec"}
    for name, time in times.items():
        assert time == "off" or 1 <= int(time.removesuffix("s")) <= 15, name


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "project"
    (place / "daemons/pilotlight").mkdir(parents=True)
    (place / "daemons/pilotlight/a.py").write_text("a = 1\n")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        (place / name).write_text("")
    monkeypatch.setattr(daemons, "PROJECT", place)
    return place


def test_sync_touches_only_what_changed(project: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (project / "daemons/pilotlight/b.py").write_text("b = 1\n")
    daemons.sync(work)
    before = (work / "daemons/pilotlight/a.py").stat().st_mtime_ns
    compiled = work / "lib/pilotlight/a.so"
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    (project / "daemons/pilotlight/b.py").write_text("b = 2\n")
    daemons.sync(work)
    assert (work / "daemons/pilotlight/a.py").stat().st_mtime_ns == before
    assert (work / "daemons/pilotlight/b.py").read_text() == "b = 2\n"
    assert compiled.exists()


def test_sync_drops_compiled_files_when_a_module_is_gone(project: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    daemons.sync(work)
    (work / "lib").mkdir()
    (project / "daemons/pilotlight/a.py").rename(project / "daemons/pilotlight/c.py")
    daemons.sync(work)
    assert not (work / "lib").exists()
    assert not (work / "daemons/pilotlight/a.py").exists()


def test_leftovers_of_editors_and_tests_are_no_sources(project: Path) -> None:
    (project / "daemons/pilotlight/__pycache__").mkdir()
    (project / "daemons/pilotlight/__pycache__/a.cpython-311.pyc").touch()
    (project / "daemons/pilotlight/_core.cpython-311-x86_64-linux-gnu.so").touch()
    (project / "daemons/pilotlight/static").mkdir()
    (project / "daemons/pilotlight/static/page.css").touch()
    assert sorted(path.name for path in daemons.files(project / "daemons")) == ["a.py", "page.css"]


def test_cross_compiling_names_compiler_headers_and_suffix(tmp_path: Path) -> None:
    assert daemons.cross_environment("arm64", tmp_path) == {
        "CC": "aarch64-linux-gnu-gcc-14",
        "LDSHARED": "aarch64-linux-gnu-gcc-14 -shared",
        "CFLAGS": f"-I{tmp_path}/usr/include",
        "SETUPTOOLS_EXT_SUFFIX": ".cpython-313-aarch64-linux-gnu.so",
    }


def test_what_is_compiled_does_not_depend_on_where(tmp_path: Path) -> None:
    flags = daemons.same_anywhere(tmp_path / "work")
    assert "-g0" in flags.split()
    assert f"-ffile-prefix-map={tmp_path}/work=." in flags.split()


def test_every_command_of_the_project_is_a_script_that_starts() -> None:
    made = root.commands()
    assert {"pilotlight", "rt-status-report"} <= set(made)
    for text in made.values():
        done = subprocess.run(
            [sys.executable, "-", "--help"], input=text, env={"PYTHONPATH": str(PROJECT / "daemons")},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0
        assert done.stdout.startswith("usage: ")
