"""What an operation tells, as it tells it: server-sent events from its journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from s3gc_core.collector import Collector
from s3gc_core.errors import S3gcError
from s3gc_core.integrations.door import Door
from s3gc_core.integrations.looking import Id, Opened
from s3gc_core.integrations.scrubbing import SCRUBBER
from s3gc_core.jobs import JobEvents, Standing

telling = APIRouter()

# A stream ends after so long, and whoever listens asks again from where it was. A line without
# meaning is sent so often: so that what lies in between does not take it for dead.
LONGEST_SECONDS = 3600.0
SILENCE_SECONDS = 15.0
LOOK_SECONDS = 0.25
_LARGEST = 1 << 40
_OFFSETS = Annotated[int, Query(ge=0, le=_LARGEST)]
_OVER = frozenset({Standing.ENDED, Standing.INTERRUPTED, Standing.UNREADABLE})


class EventStream(StreamingResponse):
    """Server-sent events, as the HTML standard has them."""

    media_type = "text/event-stream"

    def __init__(self, door: Door, content: AsyncGenerator[str, None]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell; whoever went away before it began counts no more either."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._door.end_stream()


_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events by their kind, and at the end one of kind `end`",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@telling.get(
    "/operations/{operation_id}/events",
    status_code=200,
    response_class=EventStream,
    responses=_DESCRIBED,
)
async def events(
    door: Opened,
    request: Request,
    operation_id: Id,
    after: _OFFSETS = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=_LARGEST)] = None,
) -> EventStream:
    """What an operation told since `after` (an event's id; the header Last-Event-ID wins), and
    what it tells until it ends.
    """
    if last_event_id is not None:
        after = last_event_id
    collector = await door.collector()
    first = await collector.job_events(operation_id, after)
    door.begin_stream()
    return EventStream(door, _stream(door, collector, request, operation_id, first))


async def _stream(
    door: Door, collector: Collector, request: Request, operation_id: str, told: JobEvents
) -> AsyncGenerator[str, None]:
    ends_at, spoke_at = monotonic() + LONGEST_SECONDS, monotonic()
    ended: Standing | None = None
    try:
        while True:
            for event in told.events:
                # Of what is told only the words of others can hold a secret; keys stay as they are.
                safe = msgspec.structs.replace(event, reason=SCRUBBER.scrubbed(event.reason))
                yield _event(safe.kind, msgspec.to_builtins(safe))
            if told.events:
                yield f"id: {told.offset}\n\n"
                spoke_at = monotonic()
            elif ended is not None:
                yield _event("end", {"standing": ended})
                return
            elif door.is_closing or monotonic() > ends_at or await request.is_disconnected():
                return
            elif monotonic() - spoke_at > SILENCE_SECONDS:
                yield ": still here\n\n"
                spoke_at = monotonic()
            # Asked before reading: of what has ended, everything is told.
            ended = await _ended(collector, operation_id)
            if ended is None and not told.events:
                await asyncio.sleep(LOOK_SECONDS)
            told = await collector.job_events(operation_id, told.offset)
    except S3gcError as error:
        # The answer has begun: it is told in it.
        yield _event("error", {"error": error.name, "detail": SCRUBBER.scrubbed(error.what)})


async def _ended(collector: Collector, operation_id: str) -> Standing | None:
    """How it stands, where it will tell nothing more."""
    job = await collector.job(operation_id)
    if job is None:
        return Standing.UNREADABLE
    return job.standing if job.standing in _OVER else None


def _event(kind: str, data: object) -> str:
    text = json.dumps(data, ensure_ascii=True).replace("\x7f", "\\u007f")
    return f"event: {kind}\ndata: {text}\n\n"
