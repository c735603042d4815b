# SPDX-License-Identifier: Apache-2.0
"""The device itself: versions, what it can do, its serial ports; and the answer to what it cannot."""

import os
import platform
from pathlib import Path
from typing import Any

from fastapi import Request

from pilotlight.web import dialect
from pilotlight.web.backend import Parts
from pilotlight.web.guard import guarded_router

router = guarded_router()
catch_all = guarded_router()
_TTY = Path("/sys/class/tty")


@router.get("/api/version", summary="Version of the OpenPLC interface")
async def version(parts: Parts) -> dict[str, str]:
    """The version Editors from 4.2 on compare with what they need."""
    return {"version": dialect.api_version(parts.settings.compat)}


@router.get("/api/capabilities", summary="What Editors may expect")
async def capabilities(parts: Parts) -> dict[str, Any]:
    """Versions on both sides; project snapshots are not kept."""
    return {
        "runtimeVersion": dialect.api_version(parts.settings.compat),
        "minEditorVersion": dialect.MIN_EDITOR_VERSION,
        "projectSnapshot": False,
    }


@router.get("/api/device-info", summary="Host name, processor, kernel")
async def device_info() -> dict[str, Any]:
    """What the Editor shows of a device."""
    system = os.uname()
    return {
        "hostname": system.nodename,
        "architecture": system.machine,
        "kernel": system.release,
        "system": _system_name(),
        "containerized": Path("/run/systemd/container").exists(),
        "updatePolicy": "self",
        "sidecarPort": None,
    }


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


@router.get("/api/serial-ports", summary="Serial ports")
async def serial_ports() -> dict[str, Any]:
    """Ports that have hardware behind them."""
    return {"ports": [{"device": f"/dev/{name}", "description": text} for name, text in serial_devices(_TTY)]}


def serial_devices(folder: Path) -> list[tuple[str, str]]:
    """Name and driver of each serial port that the kernel found hardware for; `folder` is /sys/class/tty."""
    found = []
    for entry in sorted(folder.glob("tty*")):
        driver = entry / "device" / "driver"
        if not driver.exists() or _text(entry / "type") == "0":
            continue
        found.append((entry.name, driver.resolve().name))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@catch_all.get("/api/{rest:path}", include_in_schema=False)
async def unknown_get(rest: str) -> dict[str, str]:
    """What the Editor asks of devices that have it."""
    return {"error": "Unknown argument"}


@catch_all.post("/api/{rest:path}", include_in_schema=False)
async def unknown_post(rest: str, request: Request) -> dict[str, str]:
    """The same for commands."""
    return {"PostRequestError": "Unknown argument"}
