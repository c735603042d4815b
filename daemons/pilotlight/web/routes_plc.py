# SPDX-License-Identifier: Apache-2.0
"""The program: status, start and stop, upload and build, log, history."""

import os
import time
from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse

from pilotlight.web import dialect
from pilotlight.web.audit import audit
from pilotlight.web.backend import Backend, CurrentSession, Parts
from pilotlight.web.guard import guarded_router
from pilotlight.web.runtime_link import RuntimeDown, RuntimeRefused
from pilotlight.web.shell import reply_and_close
from pilotlight.web.upload import ReceivedFile, UploadRefused, receive_file

router = guarded_router()

_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "An Editor's ZIP, or a .plz"}
                    },
                }
            }
        },
    }
}


@router.get("/api/ping", summary="Is this session good?")
async def ping() -> dict[str, str]:
    """Answers without asking runtime."""
    return {"status": "PING:OK"}


@router.get("/api/status", summary="State of the PLC")
async def status(parts: Parts, include_stats: str = "") -> dict[str, Any]:
    """`STATUS:` and the state; with `include_stats=true` the scan statistics in `timing_stats`."""
    try:
        answer: dict[str, Any] = {"status": dialect.status_word(await parts.runtime.state())}
        if include_stats.lower() in ("true", "1", "yes"):
            answer["timing_stats"] = dialect.timing_stats(await parts.runtime.statistics(), "main")
    except (RuntimeDown, RuntimeRefused):
        return {"status": dialect.NO_RESPONSE}
    return answer


@router.get("/api/overview", summary="State, program and statistics in one answer")
async def overview(parts: Parts) -> dict[str, Any]:
    """What the status page shows. `runtime` is false, with a sentence in `message`, when runtime does not
    answer."""
    try:
        properties = await parts.runtime.properties()
        statistics = await parts.runtime.statistics()
    except (RuntimeDown, RuntimeRefused) as error:
        return {
            "runtime": False,
            "message": f"Runtime does not answer; its outputs are in their safe state. {error}",
        }
    wanted = {
        "state": "State",
        "program": "Program",
        "identity": "Identity",
        "last_fault": "LastFault",
        "last_change": "LastChange",
        "build": "BuildState",
        "forces": "ForceCount",
        "version": "Version",
    }
    return {
        "runtime": True,
        **{key: properties.get(name) for key, name in wanted.items()},
        "timing_stats": dialect.timing_stats(statistics, "main"),
    }


@router.get("/api/start-plc", summary="Start the program")
@router.post("/api/start-plc", summary="Start the program")
async def start(request: Request, parts: Parts, session: CurrentSession) -> dict[str, str]:
    """`START:OK`, or why not; GET is for the Editor."""
    word, reason = await _command(parts.runtime.start(), dialect.start_verdict)
    audit(request, session, "start", word, reason=reason)
    return {"status": word, **({"message": reason} if reason else {})}


@router.get("/api/stop-plc", summary="Stop the program")
@router.post("/api/stop-plc", summary="Stop the program")
async def stop(request: Request, parts: Parts, session: CurrentSession) -> dict[str, str]:
    """`STOP:OK`, or why not; outputs go to their safe state. GET is for the Editor."""
    word, reason = await _command(parts.runtime.stop(), dialect.stop_verdict)
    audit(request, session, "stop", word, reason=reason)
    return {"status": word, **({"message": reason} if reason else {})}


async def _command(answer: Awaitable[str], words: Any) -> tuple[str, str]:
    try:
        await answer
    except RuntimeDown as error:
        return dialect.NO_RESPONSE, str(error)
    except RuntimeRefused as error:
        return words(error.name), str(error)
    return words(None), ""


@router.get("/api/runtime-logs", summary="Log of the runtime")
async def runtime_logs(
    parts: Parts,
    since: Annotated[int, Query(alias="id", ge=0, lt=2**63, description="Smallest id wanted")] = 0,
    level: Annotated[str, Query(max_length=16, description="One level, or empty for all")] = "",
) -> dict[str, Any]:
    """Records with `id`, `level`, `message` and `timestamp`."""
    try:
        records = await parts.runtime.log(since, level.upper())
    except (RuntimeDown, RuntimeRefused):
        return {"runtime-logs": []}
    return {"runtime-logs": dialect.log_records(records)}


@router.get("/api/compilation-status", summary="Progress of the last build")
async def compilation_status(parts: Parts, session: CurrentSession) -> dict[str, Any]:
    """Status, exit code and log; the log of one build only grows. After an upload that was refused: why."""
    refusal = parts.refused_upload(session.user, time.monotonic())
    if refusal:
        return dialect.refused_compilation(refusal)
    try:
        return dialect.compilation_status(await parts.runtime.build_status())
    except (RuntimeDown, RuntimeRefused) as error:
        return dialect.refused_compilation(f"{dialect.NO_RESPONSE}: {error}")


@router.post("/api/upload-file", summary="Upload and build a program", openapi_extra=_UPLOAD_BODY)
async def upload_file(
    request: Request,
    parts: Parts,
    session: CurrentSession,
    online: Annotated[bool, Query(description="Change the running program to it instead of starting it anew")] = False,
) -> Any:
    """A multipart request with the ZIP as `file`. The answer is HTTP 200 also for a refusal, with the reason
    in `UploadFileFail`; follow the build with compilation-status, and an online change with `last_change` of
    overview."""
    if parts.upload_lock.locked():
        return _Refusal(dialect.upload_reply("COMPILING", dialect.BUSY_COMPILING))
    async with parts.upload_lock:
        try:
            file = await receive_file(request, parts.settings.upload_mib << 20, parts.settings.upload_seconds)
        except UploadRefused as refusal:
            return _refused(request, parts, session, str(refusal))
        except OSError as error:
            return _refused(request, parts, session, f"File system error: {error.strerror}")
        try:
            return await _build(request, parts, session, file, online)
        finally:
            os.close(file.descriptor)


async def _build(
    request: Request, parts: Backend, session: CurrentSession, file: ReceivedFile, online: bool
) -> Any:
    try:
        build = await parts.runtime.build(file.descriptor, file.name, session.user.username, online=online)
    except RuntimeDown as error:
        return _refused(request, parts, session, f"Unexpected error: {dialect.NO_RESPONSE}: {error}")
    except RuntimeRefused as error:
        if error.name.endswith(".Busy"):
            audit(request, session, "upload", "refused: busy")
            return JSONResponse(dialect.upload_reply("COMPILING", dialect.BUSY_COMPILING))
        return _refused(request, parts, session, str(error))
    parts.refusals.pop(session.user.id, None)
    audit(request, session, "upload", "building", program=file.name, size=file.size, build=build)
    return JSONResponse(dialect.upload_reply("COMPILING"))


def _refused(request: Request, parts: Backend, session: CurrentSession, reason: str) -> "_Refusal":
    parts.refusals[session.user.id] = (reason, time.monotonic())
    audit(request, session, "upload", f"refused: {reason}")
    return _Refusal(dialect.upload_reply("FAILED", reason))


class _Refusal(JSONResponse):
    """A reply that does not wait for the rest of the request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await reply_and_close(receive, send, 200, bytes(self.body))


@router.get("/api/programs", summary="Programs in the store")
async def programs(parts: Parts) -> Any:
    """The programs that can be made active again."""
    try:
        found = await parts.runtime.programs()
    except (RuntimeDown, RuntimeRefused) as error:
        return JSONResponse({"msg": f"{dialect.NO_RESPONSE}: {error}"}, status_code=503)
    return {"programs": [{key.lower(): value for key, value in program.items()} for program in found]}


@router.post("/api/programs/{program_id}/activate", summary="Make a stored program the active one")
async def activate(request: Request, program_id: str, parts: Parts, session: CurrentSession) -> Any:
    """It takes over between two scans; the present one goes on until then."""
    return await _exchange(request, session, "activate", program_id, parts.runtime.activate(program_id))


@router.post("/api/programs/{program_id}/change", summary="Change the running program to a stored one")
async def change(request: Request, program_id: str, parts: Parts, session: CurrentSession) -> Any:
    """Between two scans, with the values of all tags, timers and counters that both have. When it faults on trial, the
    one before goes on; `last_change` of overview tells."""
    return await _exchange(request, session, "change", program_id, parts.runtime.change(program_id))


async def _exchange(
    request: Request, session: CurrentSession, what: str, program_id: str, answer: Awaitable[str]
) -> Any:
    try:
        state = await answer
    except RuntimeDown as error:
        verdict, code = f"{dialect.NO_RESPONSE}: {error}", 503
    except RuntimeRefused as error:
        verdict, code = str(error), 404 if error.name.endswith(".NotFound") else 409
    else:
        audit(request, session, what, "done", program=program_id)
        return {"state": state}
    audit(request, session, what, f"refused: {verdict}", program=program_id)
    return JSONResponse({"msg": verdict}, status_code=code)
