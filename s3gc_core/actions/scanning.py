"""Scan: judge the whole bucket once, and freeze what may go as a plan that waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import msgspec

from s3gc_core import log
from s3gc_core.actions.deciding import plan_record
from s3gc_core.actions.healing import heal
from s3gc_core.actions.holding_streams import hold_streams_if_free
from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.streams import begun_streams
from s3gc_core.databases import open_followings
from s3gc_core.judgement import Identity, Scan, ScanSummary, before_this_scan, identity_bound
from s3gc_core.vault import Bound, PlanRecorded, ScanRecorded


async def scan(
    parts: Parts, accept: Sequence[str] = (), reason: str = "", *, may_write: bool = True
) -> ScanSummary:
    """One scan; its plan (if any) waits for approval. `blocked` names tripped guards.

    `accept` holds labels of guards that a person takes responsibility for, with a reason. Without
    `may_write` no change stream is begun, and nothing is restored.
    """
    parts.refuse_nothing_tracked()
    arguments = {"accept": " ".join(accept), "reason": reason} if accept else {}
    async with parts.operation("scan", arguments=arguments) as run:
        await parts.bucket.check()
        await parts.check_clock()
        present = await parts.check_identity(accept)
        await _warn_of_kept(parts)
        await _warn_of_replicas(parts)
        before = await before_this_scan(parts.audit)
        scan = Scan(
            parts.config,
            parts.clock,
            parts.bucket,
            parts.databases,
            parts.registry,
            parts.catalogue,
            run.journal,
            open_followings(parts.config.databases),
            partial(hold_streams_if_free, parts.config.vault_path, "scan"),
            may_write,
            present,
        )
        summary = await scan.run(run.operation_id, before, accept)
        for exclusion in summary.unmatched_exclusions:
            log.warning("exclusion_matches_nothing", exclusion=exclusion)
        for table in summary.unmatched_skips:
            log.warning("skip_matches_no_table", table=table)
        run.counts = {
            "listed": summary.listed,
            "candidates": summary.candidates,
            "orphans": summary.orphans,
            "held": summary.held,
            "kept": summary.kept,
        }
        if summary.blocked:
            run.outcome = "blocked"
            run.blocked = [trip.label for trip in summary.blocked]
        else:
            await _record_scan(parts, run, summary, present, accept)
    # It may take an operation of its own, so this one has to have ended.
    missing = await heal(parts, lambda _: None, may_restore=may_write)
    return msgspec.structs.replace(summary, returned=len(missing))


async def _warn_of_kept(parts: Parts) -> None:
    """Where only scans follow, servers keep their log from one to the next."""
    for stream in await begun_streams(parts):
        if stream.is_much_kept:
            log.warning("log_kept", database=stream.database, detail=stream.kept_words)


async def _warn_of_replicas(parts: Parts) -> None:
    """A scan may read a replica; what it plans cannot be executed by one."""
    is_ok = {settings.name: settings.replica_ok for settings in parts.config.databases}
    for database in parts.databases:
        role = await database.role()
        if not role.is_primary and not is_ok[database.name]:
            log.warning("not_primary", database=database.name, detail=role.doubt)
        if role.caution:
            log.warning("other_nodes_unseen", database=database.name, detail=role.caution)


async def _record_scan(
    parts: Parts,
    run: OperationRun,
    summary: ScanSummary,
    present: Identity,
    accept: Sequence[str],
) -> None:
    records: list[Bound | ScanRecorded | PlanRecorded] = [
        ScanRecorded(summary.listed, summary.sources, list(accept), summary.matches)
    ]
    bound = await identity_bound(parts.audit)
    # What the store did not tell this time stays bound.
    marks = {**(bound.marks if bound else {}), **present.marks}
    if bound != replace(present, marks=marks):
        records.append(Bound(present.bucket, dict(present.databases), marks))
    if summary.plan_id:
        plan = await parts.plan(summary.plan_id)
        records.append(plan_record(plan))
    await parts.audit.append(run.operation_id, records)
