# SPDX-License-Identifier: Apache-2.0
"""Live values over HTTP: a list, and a stream of changes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse, StreamingResponse

from pilotlight.tags import SegmentError
from pilotlight.web.backend import Backend, CurrentSession, Parts, Session
from pilotlight.web.guard import guarded_router
from pilotlight.web.live import MOST_ROWS, Watch, rows

router = guarded_router()
PERIOD_S = 0.25
KEEP_ALIVE_S = 15.0
MOST_STREAMS = 16

Segment = Annotated[str, Query(pattern="^[A-Za-z0-9_-]{1,64}$", description="Name of the segment, e.g. `plc`")]
Search = Annotated[str, Query(max_length=256, description="Words that a tag's name must hold")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most tags wanted")]


@router.get("/api/segments", summary="Segments that exist")
async def segments(parts: Parts) -> dict[str, list[str]]:
    """Their names."""
    return {"segments": parts.live.segments()}


@router.get("/api/tags", summary="Tags and their present values")
async def tags(parts: Parts, segment: Segment = "plc", search: Search = "", limit: Limit = 100) -> Any:
    """All from one instant. `total` counts what matches, also beyond `limit`. 64-bit numbers are decimal
    text."""
    try:
        indexes, total = parts.live.find(segment, search, limit)
        snapshot = parts.live.open(segment).snapshot()
        return {"segment": segment, "total": total, "tags": rows(snapshot, indexes)}
    except SegmentError as error:
        return JSONResponse({"msg": f"Segment {segment} cannot be read: {error}"}, status_code=404)


@router.get("/api/tags/stream", summary="Tags, then their changes, as server-sent events")
async def stream(
    parts: Parts, session: CurrentSession, segment: Segment = "plc", search: Search = "", limit: Limit = 100
) -> Any:
    """Events `tags` (at first and after a new program), `changes` (at most four times a second), `missing`.
    It ends when the session does."""
    if parts.streams >= MOST_STREAMS:
        return JSONResponse(
            {"msg": f"{MOST_STREAMS} pages follow live values already; close one and try again."},
            status_code=503,
            headers={"Retry-After": "5"},
        )
    watch = Watch(parts.live, segment, search, limit)
    return StreamingResponse(_events(parts, session, watch), media_type="text/event-stream")


async def _events(parts: Backend, session: Session, watch: Watch) -> AsyncIterator[bytes]:
    parts.streams += 1
    try:
        quiet_s = 0.0
        while not parts.closing.is_set() and parts.still_good(session):
            for event, content in watch.poll():
                quiet_s = 0.0
                yield f"event: {event}\ndata: {json.dumps(content)}\n\n".encode()
            if quiet_s >= KEEP_ALIVE_S:
                quiet_s = 0.0
                yield b": still here\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(parts.closing.wait(), PERIOD_S)
            quiet_s += PERIOD_S
    finally:
        parts.streams -= 1
