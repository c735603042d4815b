# SPDX-License-Identifier: Apache-2.0
"""Backup and restore, for administrators: the file goes through a nameless file on the data partition."""

import asyncio
import base64
import binascii
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pilotlight.daemon import Client, DaemonError, Fd, state_directory
from pilotlight.web.audit import audit
from pilotlight.web.backend import CurrentSession
from pilotlight.web.guard import guarded_router

router = guarded_router()

INTERFACE = "io.pilotlight.Orchestrator1"
ANSWER_S = 900.0
RECEIVE_S = 900.0
LARGEST = 1 << 30
PIECE = 1 << 20
STATUS = {"BadBackup": 400, "InvalidArgument": 400, "NotPermitted": 403, "Busy": 409, "Unavailable": 503}

Passphrase = Annotated[
    str, Header(alias="X-Backup-Passphrase", max_length=2048, description="The passphrase in UTF-8, as base64")
]
Restart = Annotated[bool, Query(description="Restart at once, which puts the backup in place")]

_FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Wanted(BaseModel):
    """A backup: with a passphrase of 8 bytes or more secrets are sealed in it, without one they are left out."""

    passphrase: str = Field(default="", max_length=1024)


@router.post("/api/backup", summary="Download a backup of settings, programs, users and keys")
async def create(request: Request, body: Wanted, session: CurrentSession) -> StreamingResponse:
    """The answer is the file."""
    file = _nameless_file()
    try:
        told = await _ask("CreateBackup", "hs", Fd(file.fileno()), body.passphrase)
    except HTTPException as refusal:
        file.close()
        audit(request, session, "backup", f"refused: {refusal.detail}")
        raise
    except BaseException:
        file.close()
        raise
    audit(request, session, "backup", "sealed" if told["Sealed"] else "without secrets")
    headers = {
        "Content-Disposition": f'attachment; filename="{told["Hostname"]}-{str(told["Created"])[:10]}.plb"',
        "Content-Length": str(os.fstat(file.fileno()).st_size),
    }
    return StreamingResponse(_pieces(file), media_type="application/octet-stream", headers=headers)


@router.post("/api/backup/inspect", summary="Check a backup and say what is in it", openapi_extra=_FILE_BODY)
async def inspect(request: Request, session: CurrentSession, passphrase: Passphrase = "") -> dict[str, Any]:
    """The body is the file. `refusal` says why this device would not take it; it is empty when it would."""
    with _nameless_file() as file:
        await _receive(request, file)
        return _plain(await _ask("InspectBackup", "hs", Fd(file.fileno()), _decoded(passphrase)))


@router.post("/api/backup/restore", summary="Restore a backup at the next start", openapi_extra=_FILE_BODY)
async def restore(
    request: Request, session: CurrentSession, passphrase: Passphrase = "", restart: Restart = False
) -> dict[str, Any]:
    """The body is the file. It is checked whole first; without the passphrase secrets stay as they are."""
    try:
        with _nameless_file() as file:
            await _receive(request, file)
            told = await _ask("RestoreBackup", "hsb", Fd(file.fileno()), _decoded(passphrase), restart)
    except HTTPException as refusal:
        audit(request, session, "restore", f"refused: {refusal.detail}")
        raise
    audit(request, session, "restore", "restarting" if restart else "ready for the next start")
    return _plain(told)


def _nameless_file() -> IO[bytes]:
    return tempfile.TemporaryFile(dir=state_directory("web"))


def _decoded(passphrase: str) -> str:
    try:
        return base64.b64decode(passphrase, validate=True).decode()
    except (binascii.Error, ValueError):
        raise HTTPException(400, "X-Backup-Passphrase is not base64 of UTF-8; nothing was done.") from None


async def _receive(request: Request, file: IO[bytes]) -> None:
    """Writes the request's body to the disk; HTTPException when it is too large or does not come."""
    taken = 0
    try:
        async with asyncio.timeout(RECEIVE_S):
            async for piece in request.stream():
                taken += len(piece)
                if taken > LARGEST:
                    raise HTTPException(413, f"A backup has at most {LARGEST >> 20} MiB; nothing was changed.")
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.flush)
    except TimeoutError:
        raise HTTPException(408, f"The upload took longer than {RECEIVE_S:.0f} s; nothing was changed.") from None
    except OSError as error:
        raise HTTPException(507, f"The upload cannot be written: {error.strerror}; nothing was changed.") from None


async def _ask(method: str, signature: str, *arguments: Any) -> dict[str, Any]:
    try:
        return dict(await Client(INTERFACE).acall(method, *arguments, signature=signature, timeout=ANSWER_S))
    except DaemonError as error:
        raise HTTPException(STATUS.get(error.dbus_name.rpartition(".")[2], 500), str(error)) from None


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """With the names of our JSON."""
    return {("left_out" if key == "LeftOut" else key.lower()): value for key, value in told.items()}


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
