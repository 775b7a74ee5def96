"""What a read token may ask."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from s3gc_core.errors import NoSuchOperation
from s3gc_core.exposition import MEDIA_TYPE, exposition, families, labels
from s3gc_core.integrations import answering, shapes
from s3gc_core.integrations.accepting import prefers_text
from s3gc_core.integrations.door import Door
from s3gc_core.integrations.gate import OPEN_PATH
from s3gc_core.judgement import ObjectVerdict

anybody = APIRouter()
reading = APIRouter()


def door_of(request: Request) -> Door:
    """The door of the application that a request came to."""
    door: Door = request.app.state.door
    return door


Opened = Annotated[Door, Depends(door_of)]
Id = Annotated[str, Path(pattern=shapes.ULID)]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(max_length=1024)]


@anybody.get(OPEN_PATH, responses={503: {"model": shapes.Health}})
async def health(door: Opened, response: Response) -> shapes.Health:
    """Whether vault and streams are as they should be: 200, or 503 with what is not."""
    failing = await door.failing()
    response.status_code = 503 if failing else 200
    return shapes.Health(status="failing" if failing else "ok", failing=failing)


@reading.get("/status")
async def status(door: Opened) -> shapes.Status:
    """Who holds the vault, the last scan, plans that wait, streams, drill, replica, service."""
    collector = await door.collector()
    found = await collector.status()
    return answering.status(door.config.bucket, found, await collector.stream_status())


_TOLD_AS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}


@reading.get("/metrics", response_model=shapes.Metrics, responses=_TOLD_AS)
async def metrics(door: Opened, request: Request, response: Response) -> Any:
    """Sums over all that was ever done. Who prefers text/plain or OpenMetrics to JSON, as
    Prometheus does, is told in its text format all that `s3gc metrics` tells.
    """
    found = await (await door.collector()).metrics()
    vary = {"Vary": "Accept"}
    # More than one such header is one list.
    if prefers_text(",".join(request.headers.getlist("accept"))):
        text = exposition(families(found), labels(found))
        return Response(text, media_type=MEDIA_TYPE, headers=vary)
    response.headers.update(vary)
    return answering.metrics(found)


@reading.get("/config")
async def config(door: Opened) -> dict[str, Any]:
    """The configuration in force, without any secret."""
    return door.config.redacted()


@reading.get("/vault-stats")
async def vault_stats(door: Opened) -> shapes.VaultStats:
    """What the vault holds."""
    found = await (await door.collector()).vault_stats()
    return shapes.VaultStats.model_validate(found)


@reading.get("/operations")
async def operations(
    door: Opened,
    limit: Limit = 50,
    before: Annotated[str | None, Query(pattern=shapes.ULID)] = None,
) -> shapes.Operations:
    """Recorded operations, newest first; of a page's last one `before` tells what follows."""
    collector = await door.collector()
    found = (await collector.audit.operations())[::-1]
    if before is not None:
        ids = [one.operation_id for one in found]
        if before not in ids:
            raise NoSuchOperation(f"there is no operation {before}")
        found = found[ids.index(before) + 1 :]
    page = [answering.operation(one) for one in found[:limit]]
    more = len(found) > limit
    return shapes.Operations(operations=page, next=page[-1].operation_id if more else None)


@reading.get("/operations/{operation_id}")
async def operation(door: Opened, operation_id: Id) -> shapes.OperationNow:
    """One operation, and how far it is."""
    collector = await door.collector()
    journal = await collector.job(operation_id)
    recorded = None
    try:
        recorded = await collector.audit.operation(operation_id)
    except NoSuchOperation:
        # Its journal begins before its record.
        if journal is None or journal.state is None:
            raise
    return answering.operation_now(journal, recorded)


@reading.get("/jobs/{job_id}")
async def job(door: Opened, job_id: Id) -> shapes.Job:
    """A job that was started from here: whether it runs, its operations, how it ended."""
    return answering.job(await door.job(job_id))


@reading.get("/candidates")
async def candidates(
    door: Opened,
    limit: Limit = 50,
    after: Cursor = "",
    verdict: ObjectVerdict | None = None,
    prefix: Cursor = "",
    plan: Annotated[str | None, Query(pattern=shapes.ULID)] = None,
) -> shapes.Candidates:
    """Candidates of the last scan, or of the scan that a plan came from, by key."""
    collector = await door.collector()
    page: list[shapes.Candidate] = []
    pages = collector.candidates(plan_id=plan, verdict=verdict, prefix=prefix, after=after)
    async for found in pages:
        page += [answering.candidate(judged) for judged in found[: limit + 1 - len(page)]]
        if len(page) > limit:
            return shapes.Candidates(candidates=page[:limit], next=page[limit - 1].key)
    return shapes.Candidates(candidates=page, next=None)


@reading.get("/why")
async def why(
    door: Opened, key: Annotated[str, Query(min_length=1, max_length=1024, pattern=shapes.NO_NUL)]
) -> shapes.Why:
    """Every layer, every reference and every backup of a key, asked now."""
    return answering.why(await (await door.collector()).why(key))


@reading.get("/plans")
async def plans(door: Opened) -> list[shapes.Plan]:
    """All plans that are kept, newest first."""
    return [answering.plan(*one) for one in await (await door.collector()).plans()]


@reading.get("/plans/{plan_id}")
async def plan(door: Opened, plan_id: Id) -> shapes.Plan:
    """One plan; `confirm` is what its execution has to be told."""
    return answering.plan(*await (await door.collector()).plan(plan_id))


@reading.get("/plans/{plan_id}/objects")
async def plan_objects(
    door: Opened, plan_id: Id, limit: Limit = 50, after: Cursor = ""
) -> shapes.PlanObjects:
    """A plan's objects by key, each with the evidence."""
    page: list[shapes.PlannedObject] = []
    async for found in (await door.collector()).plan_items(plan_id, after):
        rest = found[: limit + 1 - len(page)]
        page += [shapes.PlannedObject.model_validate(item) for item in rest]
        if len(page) > limit:
            return shapes.PlanObjects(objects=page[:limit], next=page[limit - 1].key)
    return shapes.PlanObjects(objects=page, next=None)
