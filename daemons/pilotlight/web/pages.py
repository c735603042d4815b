# SPDX-License-Identifier: Apache-2.0
"""The pages: a few files, held in memory, without anything from elsewhere."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from pilotlight.web.guard import guarded_router

router = guarded_router()
_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    tag: str


def _load() -> dict[str, _File]:
    files = {}
    for path in sorted(_FOLDER.iterdir()):
        media_type = _TYPES.get(path.suffix)
        if media_type is not None:
            content = path.read_bytes()
            files[path.name] = _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:24]}"')
    return files


_FILES = _load()


def _serve(request: Request, name: str) -> Response:
    file = _FILES.get(name)
    if file is None:
        return JSONResponse({"msg": "There is no such page."}, status_code=404)
    # The browser keeps a file and asks whether it is still the one.
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get("/", include_in_schema=False)
async def status_page(request: Request) -> Response:
    """The status page."""
    return _serve(request, "index.html")


@router.get("/update", include_in_schema=False)
async def update_page(request: Request) -> Response:
    """The page of updates."""
    return _serve(request, "update.html")


@router.get("/api/docs", include_in_schema=False)
async def interface_page(request: Request) -> Response:
    """The interface, described."""
    return _serve(request, "interface.html")


@router.get("/favicon.ico", include_in_schema=False)
async def icon(request: Request) -> Response:
    """The flame."""
    return _serve(request, "icon.svg")


@router.get("/static/{name}", include_in_schema=False)
async def static_file(request: Request, name: str) -> Response:
    """A file of the pages."""
    return _serve(request, name)


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """The interface for programs."""
    return JSONResponse(_describe(request.app.openapi()))


def _describe(description: dict[str, Any]) -> dict[str, Any]:
    """Adds how to authenticate, and where one has to."""
    description.setdefault("components", {})["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for methods in description["paths"].values():
        for operation in methods.values():
            if operation["x-role"] != "public":
                operation["security"] = [{"bearer": []}]
    return description
