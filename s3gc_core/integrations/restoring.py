"""Restores of whatever selection, and what they would do; drills, which prove that they can."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response

from s3gc_core.actions.restoring import Foreseen, OtherBucket
from s3gc_core.errors import ConfigurationError, RequestUnusable
from s3gc_core.integrations import answering, shapes
from s3gc_core.integrations.bodies import Drilling, RestoreOf, selection_of
from s3gc_core.integrations.changing import options_of, refuse_nothing, start
from s3gc_core.integrations.door import Door
from s3gc_core.integrations.looking import Limit, Opened
from s3gc_core.vault import RestoreOutcome

restoring = APIRouter()

# Each is looked for in the bucket: nobody waits longer than that takes.
LOOK_AT_MOST = 10_000


@restoring.post("/restore-preview")
async def restore_preview(
    door: Opened, body: RestoreOf, limit: Limit = 50
) -> shapes.RestorePreview:
    """What the same restore would do with each key, by its own look at the bucket; nothing is
    written. Of many, the first 10,000 are looked at.
    """
    counts: Counter[RestoreOutcome] = Counter()
    objects: list[shapes.Foreseen] = []
    size = 0
    async with aclosing(_foreseen(door, body)) as pages:
        async for page in pages:
            for one in page:
                counts[one.outcome] += 1
                if one.outcome is RestoreOutcome.RESTORED and one.backup is not None:
                    size += one.backup.intent.backup.given_size
            objects += [answering.foreseen(one) for one in page[: limit - len(objects)]]
            if counts.total() >= LOOK_AT_MOST:
                break
    told = {outcome.value: count for outcome, count in counts.items()}
    complete = counts.total() < LOOK_AT_MOST
    return shapes.RestorePreview(objects=objects, counts=told, bytes=size, complete=complete)


@restoring.post("/restore", status_code=202)
async def restore(
    door: Opened, request: Request, response: Response, body: RestoreOf
) -> shapes.Job:
    """Bring back what was deleted: of an operation, of keys, or below a prefix."""
    selection = selection_of(body)
    if selection.operation_id is not None:
        await (await door.collector()).audit.operation(selection.operation_id)
    if body.to is None:
        await refuse_nothing(door, selection)
    else:
        # The other bucket is looked at now: what is wrong with it is no matter of a job.
        async with aclosing(_foreseen(door, body)) as pages:
            await anext(pages, None)
    command = ["restore", *options_of(body)]
    command += [f"--key={key}" for key in selection.keys]
    if selection.prefix is not None:
        command.append(f"--prefix={selection.prefix}")
    if selection.operation_id is not None:
        command.append(f"--operation={selection.operation_id}")
    if selection.as_of is not None:
        command.append(f"--as-of={selection.as_of.isoformat()}")
    if body.to is not None:
        command += [f"--to-bucket={body.to.bucket}", f"--to-prefix={body.to.prefix}"]
    return await start(door, request, response, command)


@restoring.post("/drill", status_code=202)
async def drill(
    door: Opened, request: Request, response: Response, body: Drilling | None = None
) -> shapes.Job:
    """Restore some backups beside the live objects, compare everything, and remove them."""
    asked = body or Drilling()
    command = ["drill", f"--sample={asked.sample}"]
    if asked.seed is not None:
        command.append(f"--seed={asked.seed}")
    if asked.in_bucket:
        command.append(f"--to={door.config.drill_prefix}")
    return await start(door, request, response, command)


async def _foreseen(door: Door, body: RestoreOf) -> AsyncGenerator[list[Foreseen], None]:
    """As `Collector.foresee`. Raises `RequestUnusable` where `to` is no other bucket."""
    collector = await door.collector()
    to = OtherBucket(body.to.bucket, None, body.to.prefix) if body.to else None
    pages = collector.foresee(
        selection_of(body), to=to, overwrite=body.overwrite, accept_lossy=body.accept_lossy
    )
    try:
        async with aclosing(pages):
            async for page in pages:
                yield page
    except ConfigurationError as error:
        raise RequestUnusable(error.what) from error
