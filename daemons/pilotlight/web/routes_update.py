# SPDX-License-Identifier: Apache-2.0
"""Updates: upload or name a bundle, follow it, slots, history, going back, when to restart."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from pilotlight.web.audit import audit
from pilotlight.web.backend import Backend, CurrentSession, Parts, Session
from pilotlight.web.guard import guarded_router
from pilotlight.web.routes_tags import MOST_STREAMS
from pilotlight.web.shell import reply_and_close
from pilotlight.web.update_link import UpdateRefused

router = guarded_router()
WRITE_BYTES = 1 << 20
"""So much of an upload is gathered before it is written to the disk."""
CHECK_S = 5.0
"""How often a quiet stream looks whether its session is still good."""

Force = Annotated[bool, Query(description="Also install an older version")]
Name = Annotated[str, Query(max_length=200, description="File name, for the history")]

_BUNDLE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Address(BaseModel):
    """Where a bundle is."""

    url: str = Field(max_length=2048)
    force: bool = False


class Policy(BaseModel):
    """When to restart by oneself: now, stopped, window, never; the window is such as `Sat,Sun 02:00-04:00`."""

    policy: str = Field(max_length=20)
    window: str = Field(default="", max_length=64)


@router.get("/api/update", summary="Where updates stand")
async def status(parts: Parts) -> dict[str, Any]:
    """State, progress in percent, a sentence, versions, slots by name, policy, and the last update."""
    return await parts.updates.status()


@router.get("/api/update/slots", summary="What is in each slot")
async def slots(parts: Parts) -> dict[str, Any]:
    """Version, and whether it runs, is what any reset starts, is tried next, is good and complete."""
    return {"slots": await parts.updates.slots()}


@router.get("/api/update/history", summary="The last updates, newest first")
async def history(parts: Parts) -> dict[str, Any]:
    """Each with its outcome and the reason for it."""
    return {"updates": await parts.updates.history()}


@router.get("/api/update/stream", summary="Where updates stand, whenever that changes, as server-sent events")
async def stream(parts: Parts, session: CurrentSession) -> Any:
    """Events `status` (as GET /api/update), and `missing` while the orchestrator does not answer."""
    if parts.streams >= MOST_STREAMS:
        return JSONResponse(
            {"msg": f"{MOST_STREAMS} pages follow live values already; close one and try again."},
            status_code=503,
            headers={"Retry-After": "5"},
        )
    return StreamingResponse(_events(parts, session), media_type="text/event-stream")


async def _events(parts: Backend, session: Session) -> AsyncIterator[bytes]:
    parts.streams += 1
    missing = False
    try:
        async for moved in parts.updates.changes(CHECK_S):
            if parts.closing.is_set() or not parts.still_good(session):
                return
            if not moved and not missing:
                yield b": still here\n\n"
                continue
            try:
                event, content = "status", await parts.updates.status()
            except UpdateRefused as refusal:
                event, content = "missing", {"message": str(refusal)}
            missing = event == "missing"
            yield f"event: {event}\ndata: {json.dumps(content)}\n\n".encode()
    finally:
        parts.streams -= 1


@router.post("/api/update/bundle", summary="Upload and install a bundle", openapi_extra=_BUNDLE_BODY)
async def bundle(
    request: Request, parts: Parts, session: CurrentSession, force: Force = False, name: Name = "bundle"
) -> Any:
    """The body is the bundle itself, with its length announced. It goes to the data partition piece by piece; the
    answer has the number of the update, which then goes on by itself."""
    try:
        if parts.bundle_lock.locked():
            raise UpdateRefused(409, "Another bundle is being uploaded; one at a time.")
        async with parts.bundle_lock:
            size = _announced(request)
            file = await parts.updates.upload(size, name, session.user.username)
            try:
                await _receive(request, file, size, parts.settings.bundle_seconds)
                number = await parts.updates.install(file, name, session.user.username, force=force)
            finally:
                os.close(file)
    except UpdateRefused as refusal:
        audit(request, session, "update", f"refused: {refusal}", file=name)
        return _Refusal({"msg": str(refusal)}, refusal.status)
    audit(request, session, "update", "installing", file=name, size=size, update=number, force=force)
    return {"id": number}


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    if not length.isdigit() or len(length) > 15:
        raise UpdateRefused(411, "The upload must announce its length (Content-Length).")
    return int(length)


async def _receive(request: Request, file: int, size: int, seconds: float) -> None:
    """Writes the request's body to the disk. UpdateRefused when it does not come as announced."""
    gathered, taken = bytearray(), 0
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                taken += len(piece)
                if taken > size:
                    raise UpdateRefused(400, "The upload is longer than announced; nothing was installed.")
                gathered += piece
                if len(gathered) >= WRITE_BYTES:
                    await asyncio.to_thread(_write, file, bytes(gathered))
                    gathered.clear()
            await asyncio.to_thread(_write, file, bytes(gathered))
    except TimeoutError:
        raise UpdateRefused(408, f"The upload took longer than {seconds:.0f} s; nothing was installed.") from None
    except OSError as error:
        raise UpdateRefused(507, f"The upload cannot be written: {error.strerror}; nothing was installed.") from None
    if taken != size:
        raise UpdateRefused(400, "The upload was cut off before its end; nothing was installed.")


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


class _Refusal(JSONResponse):
    """A reply that does not wait for the rest of the request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await reply_and_close(receive, send, self.status_code, bytes(self.body))


@router.post("/api/update/url", summary="Install a bundle from an https address")
async def url(request: Request, body: Address, parts: Parts, session: CurrentSession) -> dict[str, int]:
    """It is installed while it is fetched."""
    try:
        number = await parts.updates.install_url(body.url, session.user.username, force=body.force)
    except UpdateRefused as refusal:
        audit(request, session, "update", f"refused: {refusal}")
        raise
    audit(request, session, "update", "installing", update=number, force=body.force)
    return {"id": number}


@router.post("/api/update/rollback", summary="Go back to the version before")
async def rollback(request: Request, parts: Parts, session: CurrentSession) -> dict[str, str]:
    """What happens is in `message`."""
    try:
        message = await parts.updates.rollback()
    except UpdateRefused as refusal:
        audit(request, session, "rollback", f"refused: {refusal}")
        raise
    audit(request, session, "rollback", message)
    return {"message": message}


@router.post("/api/update/reboot", summary="Restart the device")
async def reboot(request: Request, parts: Parts, session: CurrentSession) -> dict[str, str]:
    """In order: outputs go to their safe values first."""
    try:
        await parts.updates.reboot()
    except UpdateRefused as refusal:
        audit(request, session, "reboot", f"refused: {refusal}")
        raise
    audit(request, session, "reboot", "done")
    return {"message": "The device restarts."}


@router.put("/api/update/policy", summary="Choose when the device restarts by itself after an update")
async def policy(request: Request, body: Policy, parts: Parts, session: CurrentSession) -> dict[str, str]:
    """Kept over restarts."""
    try:
        await parts.updates.set_policy(body.policy, body.window)
    except UpdateRefused as refusal:
        audit(request, session, "reboot policy", f"refused: {refusal}")
        raise
    audit(request, session, "reboot policy", f"{body.policy} {body.window}".strip())
    return {"message": "The policy is set."}
