"""Executing an approved plan, or going on with one whose execution ended early."""

from __future__ import annotations

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.bucket import probe_store, remove_old_probes
from s3gc_core.collection import Execution, remove_strays
from s3gc_core.config import Mode
from s3gc_core.errors import StoreUnsafe
from s3gc_core.judgement import (
    check_executable,
    check_not_drifted,
    conditions_of,
    executions_of,
    plan_history,
)
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import Outcome, Result

# Results after which an execution that is gone on with need not look at a key again.
_ENDED = frozenset({Outcome.DELETED, Outcome.CHANGED, Outcome.VANISHED, Outcome.KEPT})


class OperationSummary(msgspec.Struct, frozen=True):
    """How an execution or a restore ended; `counts` by outcome of the objects."""

    operation_id: str
    outcome: str
    counts: dict[str, int]
    bytes: int = 0
    plan_id: str | None = None


async def execute(parts: Parts, plan_id: str, *, confirm: str) -> OperationSummary:
    """Execute an approved plan, or go on with one whose execution ended early.

    Raises the refusal that applies, `OperationCancelled` where a person ended it on its way;
    objects that changed or failed make it `partial`.
    """
    plan = await parts.plan(plan_id)
    async with parts.operation("execute", plan_id=plan_id) as run:
        check_executable(
            plan,
            await plan_history(parts.audit, plan),
            recomputed_sha256=await parts.catalogue.recompute_sha256(plan),
            mode=parts.config.mode,
            confirmation=confirm,
            now=parts.clock.now(),
        )
        parts.refuse_nothing_tracked()
        await parts.bucket.check()
        present = await parts.check_identity()
        check_not_drifted(plan_id, plan.conditions, conditions_of(parts.config, present))
        execution = Execution(
            config=parts.config,
            clock=parts.clock,
            bucket=parts.bucket,
            databases=parts.databases,
            registry=parts.registry,
            catalogue=parts.catalogue,
            audit=parts.audit,
            files=parts.files,
            journal=run.journal,
            operation_id=run.operation_id,
            plan=plan,
            ask_tags_always=await _probe_store(parts),
        )
        try:
            await execution.run(await _finished_keys(parts, plan_id))
        finally:
            run.counts = dict(execution.counts)
            # Backups that were begun and never recorded: nothing was deleted on their word.
            await to_the_end(remove_strays(parts.audit, parts.files, run.operation_id))
        if execution.counts[Outcome.FAILED] or execution.counts[Outcome.CHANGED]:
            run.outcome = "partial"
    return OperationSummary(
        run.operation_id, run.outcome, run.counts, execution.bytes_deleted, plan_id
    )


async def _probe_store(parts: Parts) -> bool:
    """Refuse a store that ignores conditional deletes; tells whether to always ask for tags."""
    if parts.config.mode is Mode.AUDIT_ONLY:
        return False
    await remove_old_probes(parts.bucket)
    capabilities = await probe_store(parts.bucket)
    if not capabilities.safe:
        raise StoreUnsafe("store-unsafe: a probe object was deleted although its ETag differed")
    return not capabilities.tag_count_reported


async def _finished_keys(parts: Parts, plan_id: str) -> frozenset[str]:
    """Keys that earlier executions of the plan brought to an end."""
    finished = set()
    for earlier in await executions_of(parts.audit, plan_id):
        async for page in parts.audit.entries(operation_id=earlier.operation_id):
            for entry in page:
                if isinstance(entry.record, Result) and _has_ended(entry.record):
                    finished.add(entry.record.key)
    return frozenset(finished)


def _has_ended(result: Result) -> bool:
    """Inferred `kept` is no end: recovery found the object untouched, its delete was never sent."""
    return result.outcome in _ENDED and not (result.outcome is Outcome.KEPT and result.inferred)
