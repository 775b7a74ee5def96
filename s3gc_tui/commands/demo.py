"""`s3gc demo`: a whole life of objects on a small real world, checked by the demo itself."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import AbstractAsyncContextManager

import msgspec

from s3gc_core.bucket import ObjectGone
from s3gc_core.collection import Selection, header_differences
from s3gc_core.collector import Collector
from s3gc_core.errors import ExitCode, S3gcError
from s3gc_core.judgement import ScanSummary
from s3gc_core.session import UNRESTRICTED
from s3gc_tui import records, terminal
from s3gc_tui.context import Context
from s3gc_tui.dashboard import show
from s3gc_tui.demo.world import World, small_world
from s3gc_tui.gateway import Gateway, Launch


class DemoFailed(S3gcError):
    """The demo saw something that must not be."""

    why = "the demo checks the promises of s3gc on a real server"
    next_step = "report it with the lines above"


async def run(context: Context) -> ExitCode:
    """Batch: the whole life. By hand: the dashboard on that world."""
    if not context.args.batch:
        return await _dashboard()
    async with small_world() as world:
        _step(context, "world", objects=len(world.files), bucket=world.config.bucket)
        async with Collector.open(
            world.config, clock=world.clock, progress=context.progress
        ) as collector:
            return await _whole_life(context, world, collector)


async def _dashboard() -> ExitCode:
    """The dashboard, with leave to change everything for as long as it is open."""
    terminal.refuse_what_cannot_draw(os.environ)
    terminal.prepare(os.environ)
    async with small_world() as world:
        options = ("--config", str(world.config_path))
        boundary = world.clock.first_uploads_ended.isoformat()
        launch = Launch(
            (sys.executable, "-m", "s3gc_tui.demo.job", boundary, *options), ("s3gc", *options)
        )

        def opened() -> AbstractAsyncContextManager[Gateway]:
            collector = Collector.open(world.config, clock=world.clock, session=UNRESTRICTED)
            return Gateway.open(collector, launch, UNRESTRICTED, clock=world.clock, profile="demo")

        code, _ = await show(world.config, opened)
        return ExitCode(code)


async def _whole_life(context: Context, world: World, collector: Collector) -> ExitCode:
    summary = await _scan(context, world, collector)
    async for page in collector.plan_items(summary.plan_id or ""):
        for item in page:
            context.emit(records.planned(item))
    plan = await collector.approve(summary.plan_id or "", reason="demo")
    _step(context, "approved", plan_id=plan.plan_id, confirm=plan.confirmation)
    executed = await collector.execute(plan.plan_id, confirm=plan.confirmation)
    _step(context, "executed", operation_id=executed.operation_id, **executed.counts)
    left = set(world.files) - world.orphans
    _demand(await _keys(collector) == left, "exactly the orphans are gone")

    key = min(world.orphans)
    restored = await collector.restore(Selection(keys=(key,)))
    _step(context, "restored key", key=key, operation_id=restored.operation_id)
    _demand(await _keys(collector) == left | {key}, "exactly one object came back")
    restored = await collector.restore(Selection(operation_id=executed.operation_id))
    _step(context, "restored operation", operation_id=restored.operation_id, **restored.counts)
    _demand(await _keys(collector) == set(world.files), "every object is back")
    for file in world.files.values():
        await _demand_identical(world, collector, file.key)
    verified = await collector.audit.verify()
    _step(context, "verified", objects=len(world.files), audit_records=verified)
    return context.summary(
        "done",
        executed.operation_id,
        plan_id=plan.plan_id,
        listed=summary.listed,
        orphans=summary.orphans,
        deleted=executed.counts.get("deleted", 0),
        restored=len(world.orphans),
        identical=len(world.files),
    )


async def _scan(context: Context, world: World, collector: Collector) -> ScanSummary:
    summary = await collector.scan()
    orphans = set()
    async for page in collector.candidates():
        for judged in page:
            context.emit(records.candidate(judged))
            if judged.verdict == "orphan":
                orphans.add(judged.object.key)
    _step(
        context,
        "scanned",
        plan_id=summary.plan_id,
        listed=summary.listed,
        candidates=summary.candidates,
        orphans=summary.orphans,
        kept=summary.kept,
        held=summary.held,
    )
    _demand(orphans == world.orphans, "the orphans are exactly those whose rows were deleted")
    return summary


async def _keys(collector: Collector) -> set[str]:
    return {entry.key async for page in collector.bucket.list_pages() for entry in page}


async def _demand_identical(world: World, collector: Collector, key: str) -> None:
    """Bytes and headers against what was uploaded, not against what s3gc remembers."""
    file = world.files[key]
    state = await collector.bucket.head(key)
    if state is None:
        raise ObjectGone(f"{key} is not in the bucket")
    digest = hashlib.sha256()
    async with collector.bucket.read(key, if_match=state.etag) as body:
        async for chunk in body.chunks():
            digest.update(chunk)
    _demand(digest.digest() == hashlib.sha256(file.body).digest(), f"{key} has the same bytes")
    tags = await collector.bucket.tags(key)
    headers = msgspec.structs.replace(state.headers, tags=tags)
    differing = header_differences(file.headers, headers)
    _demand(not differing, f"{key} has the same headers, metadata and tags ({differing})")


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise DemoFailed(f"the demo found that this does not hold: {what}")


def _step(context: Context, step: str, **facts: object) -> None:
    words = ", ".join(f"{name} {value}" for name, value in facts.items())
    context.emit({"type": "demo", "step": step, **facts, "text": f"{step}: {words}"})
