"""Executing an approved plan, or going on with one whose execution ended early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec

from s3gc_core.actions.holding_streams import hold_streams_if_free
from s3gc_core.actions.keys import require_proven
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.standing import last_scan
from s3gc_core.bucket import DeleteModes, probe_store, remove_old_probes
from s3gc_core.collection import Execution, LastCheck, imbalance, tidy
from s3gc_core.config import Images, Mode, UnsafeStore
from s3gc_core.databases import open_followings
from s3gc_core.errors import GrantRefused, ResultsUnbalanced, StoreUnsafe
from s3gc_core.jobs import actor
from s3gc_core.judgement import (
    DAY,
    Plan,
    PlanHistory,
    Planned,
    check_executable,
    check_not_drifted,
    check_second_person,
    clearances,
    conditions_of,
    day_budget,
    deleted_since,
    executions_of,
    grant_refusal,
    plan_history,
    prefix_day_budgets,
    refuse,
    vault_horizon,
)
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import Outcome, Result, StoreProbed, require_compact, require_jpegxl

# Results after which an execution that is gone on with need not look at a key again.
_ENDED = frozenset({Outcome.DELETED, Outcome.CHANGED, Outcome.VANISHED, Outcome.KEPT})


class OperationSummary(msgspec.Struct, frozen=True):
    """How an execution or a restore ended; `counts` by outcome of the objects.

    Of an execution: `planned` objects = those in `counts` + `done_before`, by earlier executions of
    the same plan. `deletes`: how they were bound to what was backed up; None where none was sent.
    `noncurrent`: of `bytes` what a versioned bucket still keeps, so what is not freed. `encodings`:
    how many objects were backed up by which codec and level (`zstd 19`, `raw`, `jxl`). Of a
    restore: `unhidden` objects came back by removing their delete marker, `from_replica` from the
    replica, since the vault's own backup is damaged or gone. `lossy`: how many were stored, or came
    back, as compact copies, which are not what the objects were. `to_recover`: the bucket is away,
    so that the recovery of what earlier operations left had to wait.
    """

    operation_id: str
    outcome: str
    counts: dict[str, int]
    bytes: int = 0
    plan_id: str | None = None
    planned: int = 0
    done_before: int = 0
    deletes: DeleteModes | None = None
    noncurrent: int = 0
    unhidden: int = 0
    from_replica: int = 0
    encodings: dict[str, int] = {}
    lossy: int = 0
    to_recover: bool = False


async def execute(
    parts: Parts, plan_id: str, *, confirm: str, accept: Sequence[str] = (), reason: str = ""
) -> OperationSummary:
    """Execute an approved plan, or go on with one whose execution ended early.

    `accept` may hold `budget-per-day` (`:PREFIX` for that of a prefix), for which a person takes
    responsibility with a reason.
    Raises the refusal that applies, `OperationCancelled` where a person ended it on its way;
    objects that changed or failed make it `partial`. `ResultsUnbalanced` where at its end not every
    object of the plan has exactly one result.
    """
    plan = await parts.plan(plan_id)
    arguments = {"accept": " ".join(accept), "reason": reason} if accept else {}
    async with (
        parts.operation("execute", plan_id=plan_id, arguments=arguments) as run,
        AsyncExitStack() as stack,
    ):
        history = await plan_history(parts.audit, plan)
        check_executable(
            plan,
            history,
            recomputed_sha256=await parts.catalogue.recompute_sha256(plan),
            mode=parts.config.mode,
            confirmation=confirm,
            now=parts.clock.now(),
        )
        await _check_granted(parts, plan, history)
        if parts.config.require_second_person:
            check_second_person(plan, history, executor=actor())
        parts.refuse_nothing_tracked()
        if parts.config.jpegxl:
            require_jpegxl()
        if parts.config.images is Images.COMPACT:
            require_compact()
        if parts.config.mode is not Mode.AUDIT_ONLY:
            await require_proven(parts, run.operation_id)
            horizon, restored = parts.config.vault_horizon_days, parts.config.database_restore_days
            refuse(vault_horizon(horizon, restored))
        await parts.bucket.check()
        await parts.check_clock()
        present = await parts.check_identity()
        conditions = conditions_of(parts.config, present, await clearances(parts.audit))
        check_not_drifted(plan_id, plan.conditions, conditions)
        finished = await _finished_keys(parts, plan_id)
        await _check_day_budget(parts, plan, finished, accept)
        last_check = LastCheck(
            parts.config,
            parts.clock,
            parts.databases,
            parts.registry,
            run.journal,
            open_followings(parts.config.databases),
            partial(hold_streams_if_free, parts.config.vault_path, "execute"),
        )
        await last_check.refuse_replicas()
        deletes, ask_tags_always, etags_are_md5 = await _probe_store(parts)
        if deletes is not None:
            await parts.audit.append(run.operation_id, [StoreProbed(deletes)])
            run.journal.deletes(str(deletes))
        replica_has = await stack.enter_async_context(parts.acknowledging())
        execution = Execution(
            config=parts.config,
            clock=parts.clock,
            bucket=parts.bucket,
            last_check=last_check,
            registry=parts.registry,
            catalogue=parts.catalogue,
            audit=parts.audit,
            files=parts.files,
            journal=run.journal,
            operation_id=run.operation_id,
            plan=plan,
            ask_tags_always=ask_tags_always,
            etags_are_md5=etags_are_md5,
            # The vault is held: nobody else uses the grant's budget meanwhile.
            check_allowed=partial(_check_granted, parts, plan, history, count=False),
            listed=await _listed(parts),
            deletes=deletes or DeleteModes(),
            replica_has=replica_has,
            object_lock=(await parts.bucket.bucket_lock()).enabled,
        )
        try:
            await execution.run(finished)
        finally:
            run.counts = dict(execution.counts)
            # Backups that were begun and never recorded: nothing was deleted on their word.
            await to_the_end(tidy(parts.audit, parts.files, run.operation_id))
            parts.files.keyring.forget(run.operation_id)
            parts.files.end_operation(run.operation_id)
        await _check_balance(parts, plan, run.operation_id, finished)
        if execution.counts[Outcome.FAILED] or execution.counts[Outcome.CHANGED]:
            run.outcome = "partial"
    return OperationSummary(
        run.operation_id,
        run.outcome,
        run.counts,
        execution.bytes_deleted,
        plan_id,
        planned=plan.objects,
        done_before=len(finished),
        deletes=deletes,
        noncurrent=execution.bytes_noncurrent,
        encodings=dict(execution.encodings),
        lossy=execution.lossy,
    )


async def _check_granted(
    parts: Parts, plan: Plan, history: PlanHistory, *, count: bool = True
) -> None:
    """Raise `GrantRefused` where the grant that approved the plan was revoked, ran out or is used
    up; see `grant_refusal`.
    """
    now = parts.clock.now()
    if refusal := await grant_refusal(parts.audit, plan, history, now=now, count=count):
        raise GrantRefused(f"{refusal}: plan {plan.plan_id}, by grant {history.grant}", refusal)


async def _check_day_budget(
    parts: Parts, plan: Plan, finished: frozenset[str], accept: Sequence[str]
) -> None:
    """Refuse a plan whose rest is more than the day has left. Raises `GuardBlocked`.

    Once is enough: nobody else deletes while we hold the vault, and time only frees some of it.
    """
    if parts.config.mode is Mode.AUDIT_ONLY:
        return
    now, limits = parts.clock.now(), parts.config.guards
    planned = Planned(limits.prefixes)
    async for page in parts.catalogue.plan_items(plan.plan_id):
        for item in page:
            if item.key not in finished:
                planned.add(item.key, item.size)
    deleted = await deleted_since(parts.audit, now - DAY)
    whole = day_budget(limits, deleted, planned.objects, planned.size, now)
    found = [*([whole] if whole else []), *prefix_day_budgets(limits, deleted, planned, now)]
    refuse([trip for trip in found if trip.label not in accept])


async def _listed(parts: Parts) -> int:
    """How many objects the last scan listed; 0 where that is not known."""
    scan = await last_scan(parts)
    return scan.listed if scan else 0


async def _probe_store(parts: Parts) -> tuple[DeleteModes | None, bool, bool]:
    """How to delete here, whether to always ask for tags, and whether ETags are MD5s.

    Raises `StoreUnsafe` where the store ignores conditions, unless the operator chose what to do
    then. A read that ignores them is refused all the same: nobody compares in its place.
    """
    if parts.config.mode is Mode.AUDIT_ONLY:
        return None, False, False
    await remove_old_probes(parts.bucket)
    capabilities = await probe_store(parts.bucket)
    chosen = parts.config.unsafe_store is UnsafeStore.HEAD_COMPARE and capabilities.conditional_read
    if not capabilities.safe and not chosen:
        raise StoreUnsafe(
            "store-unsafe: with an ETag that differed, a probe object was read or deleted all the"
            f" same (by: {capabilities.ignored})"
        )
    asked = not capabilities.tag_count_reported
    return capabilities.delete_modes, asked, capabilities.etag_is_md5


async def _check_balance(
    parts: Parts, plan: Plan, operation_id: str, finished: frozenset[str]
) -> None:
    """Compare plan and audit log, rather than what the execution counted by itself."""
    planned = {item.key async for page in parts.catalogue.plan_items(plan.plan_id) for item in page}
    ended = [result.key async for result in _results(parts, operation_id)]
    if wrong := imbalance(planned, [*finished, *ended]):
        raise ResultsUnbalanced(f"of {plan.objects} objects in plan {plan.plan_id}: {wrong}")


async def _results(parts: Parts, operation_id: str) -> AsyncIterator[Result]:
    async for page in parts.audit.entries(operation_id=operation_id, kinds=("result",)):
        for entry in page:
            if isinstance(entry.record, Result):
                yield entry.record


async def _finished_keys(parts: Parts, plan_id: str) -> frozenset[str]:
    """Keys that earlier executions of the plan brought to an end."""
    finished = set()
    for earlier in await executions_of(parts.audit, plan_id):
        async for result in _results(parts, earlier.operation_id):
            if _has_ended(result):
                finished.add(result.key)
    return frozenset(finished)


def _has_ended(result: Result) -> bool:
    """Inferred `kept` is no end: recovery found the object untouched, its delete was never sent."""
    return result.outcome in _ENDED and not (result.outcome is Outcome.KEPT and result.inferred)
