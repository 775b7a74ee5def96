"""What a write token may ask. What takes long is a process of its own, which outlives us."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from s3gc_core.collection import Selection
from s3gc_core.errors import NoSuchKey
from s3gc_core.integrations import answering, shapes
from s3gc_core.integrations.bodies import ExecutionOverBudget, Scanning
from s3gc_core.integrations.door import Door
from s3gc_core.integrations.looking import Id, Opened

writing = APIRouter()


@writing.post("/run", status_code=202)
async def run(door: Opened, request: Request, response: Response) -> shapes.Job:
    """One whole cycle in the configured mode: what is approved is executed, then a scan.

    It approves nothing by itself, and in dry-run mode it only scans.
    """
    return await start(door, request, response, ["run"])


@writing.post("/scan", status_code=202)
async def scan(
    door: Opened, request: Request, response: Response, body: Scanning | None = None
) -> shapes.Job:
    """List, read the references, judge, make a plan; executes nothing."""
    accepted = _accepted(body.accept, body.reason) if body else []
    return await start(door, request, response, ["scan", *accepted])


@writing.post("/restore/{operation_id}", status_code=202)
async def restore(
    door: Opened,
    request: Request,
    response: Response,
    operation_id: Id,
    body: shapes.Restore | None = None,
) -> shapes.Job:
    """Bring everything back that an operation deleted."""
    collector = await door.collector()
    await collector.audit.operation(operation_id)
    await refuse_nothing(door, Selection(operation_id=operation_id))
    command = ["restore", "--operation", operation_id, *options_of(body or shapes.Restore())]
    return await start(door, request, response, command)


@writing.post("/restore-key", status_code=202)
async def restore_key(
    door: Opened, request: Request, response: Response, body: shapes.RestoreKey
) -> shapes.Job:
    """Bring one deleted object back."""
    await refuse_nothing(door, Selection(keys=(body.key,)))
    command = ["restore", f"--key={body.key}", *options_of(body)]
    return await start(door, request, response, command)


@writing.post("/plans/{plan_id}/approve")
async def approve(door: Opened, plan_id: Id, body: shapes.Approval) -> shapes.Plan:
    """Approve a plan, or a part of it, which then is a plan of its own: the answer's `plan_id`."""
    collector = await door.collector()
    approved = await collector.approve(
        plan_id, reason=body.reason, prefixes=body.prefixes, keys=body.keys
    )
    return answering.plan(*await collector.plan(approved.plan_id))


@writing.post("/plans/{plan_id}/reject")
async def reject(door: Opened, plan_id: Id, body: shapes.Decision) -> shapes.Plan:
    """Reject a plan for good."""
    collector = await door.collector()
    rejected = await collector.reject(plan_id, reason=body.reason)
    return answering.plan(*await collector.plan(rejected.plan_id))


@writing.post("/plans/{plan_id}/execute", status_code=202)
async def execute(
    door: Opened,
    request: Request,
    response: Response,
    plan_id: Id,
    body: shapes.Execution | ExecutionOverBudget,
) -> shapes.Job:
    """Back up and delete what an approved plan holds, or go on with that; with `accept` and a
    `reason` also where the day's budget is used up.
    """
    await (await door.collector()).check_executable(plan_id, confirm=body.confirm)
    command = ["execute", "--plan", plan_id, f"--confirm={body.confirm}"]
    if isinstance(body, ExecutionOverBudget):
        command += _accepted(body.accept, body.reason)
    return await start(door, request, response, command)


@writing.post("/operations/{operation_id}/pause", status_code=204)
async def pause(door: Opened, operation_id: Id) -> None:
    """Ask a running operation to pause at its next safe point."""
    await (await door.collector()).pause(operation_id)


@writing.post("/operations/{operation_id}/resume", status_code=204)
async def resume(door: Opened, operation_id: Id) -> None:
    """Ask a paused operation to go on."""
    await (await door.collector()).resume(operation_id)


@writing.post("/operations/{operation_id}/cancel", status_code=204)
async def cancel(door: Opened, operation_id: Id) -> None:
    """Ask an operation to end after what it has begun."""
    await (await door.collector()).cancel(operation_id)


def _accepted(guards: Sequence[str], reason: str) -> list[str]:
    return [*(f"--accept={guard}" for guard in guards), f"--reason={reason}"]


def options_of(body: shapes.Restore) -> list[str]:
    """What it says of how to restore, for the command line."""
    overwrite = ["--overwrite"] if body.overwrite else []
    return overwrite + (["--accept-lossy"] if body.accept_lossy else [])


async def refuse_nothing(door: Door, selection: Selection) -> None:
    """Raise `NoSuchKey` where the vault holds nothing of it."""
    async for page in (await door.collector()).preview(selection):
        if page:
            return
    raise NoSuchKey("the vault holds no backup of what was selected")


async def start(
    door: Door, request: Request, response: Response, command: Sequence[str]
) -> shapes.Job:
    """Start the batch command as a job, and tell where it is followed. Raises as `Door.start`."""
    now = await door.start(command)
    path = request.app.url_path_for("job", job_id=now.job_id)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{path}"
    return answering.job(now)
