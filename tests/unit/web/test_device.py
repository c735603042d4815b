# SPDX-License-Identifier: Apache-2.0
"""What the device tells of itself."""

import os
from pathlib import Path

from pilotlight.web.routes_device import serial_devices

from tests.unit.web.conftest import Site


def _tty(folder: Path, name: str, driver: str, kind: str = "") -> None:
    device = folder / name / "device"
    device.mkdir(parents=True)
    if driver:
        (folder / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(folder / "drivers" / driver)
    if kind:
        (folder / name / "type").write_text(f"{kind}\n")


def test_serial_ports_have_hardware(tmp_path: Path) -> None:
    _tty(tmp_path, "ttyS0", "serial8250", "4")
    _tty(tmp_path, "ttyS1", "serial8250", "0")
    _tty(tmp_path, "ttyUSB0", "ftdi_sio")
    _tty(tmp_path, "ttyprintk", "")
    assert serial_devices(tmp_path) == [("ttyS0", "serial8250"), ("ttyUSB0", "ftdi_sio")]
    assert serial_devices(tmp_path / "nowhere") == []


def test_device_info(site: Site) -> None:
    token = site.claim()
    info = site.call("GET", "/api/device-info", token).json()
    assert info["hostname"] == os.uname().nodename
    assert info["architecture"] == os.uname().machine
    assert info["updatePolicy"] == "self"
    assert site.call("GET", "/api/serial-ports", token).json()["ports"] is not None


def test_pages_need_nothing_from_elsewhere(site: Site) -> None:
    static = Path(__file__).parents[3] / "daemons/pilotlight/web/static"
    names = [path.name for path in static.iterdir()]
    assert len(names) >= 8
    for name in names:
        reply = site.call("GET", f"/static/{name}")
        assert reply.status_code == 200
        text = reply.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert " style=" not in text
        assert " onclick" not in text
        again = site.call("GET", f"/static/{name}", headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert site.call("GET", "/static/../settings.py").status_code == 404
    assert site.call("GET", "/static/%2e%2e%2fsettings.py").status_code == 404


def test_interface_description(site: Site) -> None:
    paths = site.call("GET", "/api/openapi.json").json()["paths"]
    assert paths["/api/start-plc"]["post"]["x-role"] == "user"
    assert paths["/api/start-plc"]["post"]["security"] == [{"bearer": []}]
    assert "security" not in paths["/api/login"]["post"]
    assert all(operation["summary"] for methods in paths.values() for operation in methods.values())
