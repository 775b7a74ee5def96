"""What monitoring asks every minute: sums over the audit log, the last scan, streams, the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from s3gc_core import log
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.standing import last_scan, service_of, vault_stats
from s3gc_core.actions.streams import StreamStatus, begun_streams
from s3gc_core.jobs import lease_holder
from s3gc_core.jobs.files import replace_file
from s3gc_core.judgement import Grant, PlanState, ScanSummary, all_grants, plan_histories
from s3gc_core.replica import ReplicaLag, replica_lag
from s3gc_core.vault import Drilled, End, Held, LastRecord, Totals, Verified

R = TypeVar("R", bound=Drilled | Verified)

# The sums as they were last computed. May be deleted: the audit log has it all.
FILE = "metrics.json"
# So many new records are added up anew each time rather than written down.
_UNKEPT = 2_000
_LIMIT_BYTES = 1 << 20


class Metrics(msgspec.Struct, frozen=True):
    """How one collector does. Sizes in bytes, times UTC; what starts with `total_` only grows.

    A run is a scan, with the execution that may follow it; `last_run_at` is when the last one
    ended. `last_error` is what went wrong with the last scan or execution, None once a later one
    was done. `total_restored` counts objects that were written back. `avg_compression_ratio` is
    raw to stored, None while nothing is stored. `open_steps` were left by an operation that died;
    None while one runs, whose steps are its own. `returned` keys were deleted, are referred to
    again, and are not known to be back; of `alarmed` ones that was told, and the first waits since
    `returned_since`. `grants` are those that time and their maker left valid.
    """

    bucket: str
    vault_path: str
    mode: str
    total_runs: int
    last_run_at: datetime | None
    total_deleted: int
    total_backed_up: int
    total_restored: int
    vault_size_bytes: int
    avg_compression_ratio: float | None
    last_error: str | None
    totals: Totals
    held: Held
    free_bytes: int
    last_scan: ScanSummary | None
    plans: Mapping[str, int]
    running: str | None
    open_steps: int | None
    returned: int
    alarmed: int
    returned_since: datetime | None
    heal: str
    grants: list[Grant]
    registry_true_at: datetime | None
    streams: list[StreamStatus]
    drill: Drilled | None
    drilled_at: datetime | None
    verified: Verified | None
    verified_at: datetime | None
    replica: ReplicaLag | None
    is_served: bool
    asked_at: datetime


async def metrics(parts: Parts, *, may_keep: bool = True) -> Metrics:
    """Measure. What the sums were computed from before is not read again.

    A database that does not answer is told as that of its stream.
    """
    totals, held = await _sums(parts, may_keep)
    vault = parts.config.vault_path
    holder = lease_holder(vault)
    drill = await parts.audit.last(Drilled)
    verified = await parts.audit.last(Verified)
    stored = held.stored_bytes + held.dead_bytes
    runs = totals.operations.get("scan", {})
    returned = await parts.registry.returned()
    now = parts.clock.now()
    return Metrics(
        bucket=parts.config.bucket,
        vault_path=str(vault),
        mode=parts.config.mode.value,
        total_runs=sum(runs.values()),
        last_run_at=_last_run(totals),
        total_deleted=totals.results.get("deleted", 0),
        total_backed_up=totals.records.get("intent", 0),
        total_restored=totals.restores.get("restored", 0),
        vault_size_bytes=stored,
        avg_compression_ratio=held.raw_bytes / held.stored_bytes if held.stored_bytes else None,
        last_error=_words(totals.error) if totals.error else None,
        totals=totals,
        held=held,
        free_bytes=await asyncio.to_thread(parts.files.free_space),
        last_scan=await last_scan(parts),
        plans=await _plans(parts),
        running=holder.what if holder else None,
        open_steps=await _open_steps(parts) if holder is None else None,
        returned=len(returned),
        alarmed=sum(one.told for one in returned),
        returned_since=min((one.at for one in returned), default=None),
        heal=parts.config.heal.value,
        grants=[
            grant
            for grant in await all_grants(parts.audit)
            if not grant.revoked and now < grant.expires_at
        ],
        registry_true_at=await parts.registry.valid_at(),
        streams=await begun_streams(parts),
        drill=_record(drill),
        drilled_at=drill.at if drill else None,
        verified=_record(verified),
        verified_at=verified.at if verified else None,
        replica=await replica_lag(parts.config, parts.audit, parts.clock.now()),
        is_served=await asyncio.to_thread(service_of, parts.config) is not None,
        asked_at=parts.clock.now(),
    )


async def _sums(parts: Parts, may_keep: bool) -> tuple[Totals, Held]:
    path = parts.config.vault_path / FILE
    kept = await asyncio.to_thread(_read, path)
    totals = await parts.audit.totals(kept)
    held = totals.held
    if held is None:
        found = await vault_stats(parts)
        held = Held(found.backups, found.raw_bytes, found.stored_bytes, found.purged_bytes)
        if (await parts.audit.head())[0] == totals.seq:
            # Nothing was added meanwhile: that is what the vault held at that record.
            totals = msgspec.structs.replace(totals, held=held)
    is_near = kept.seq <= totals.seq < kept.seq + _UNKEPT
    was_purged = kept.records.get("purged") != totals.records.get("purged")
    if may_keep and (not is_near or was_purged):
        await asyncio.to_thread(_keep, path, totals)
    return totals, held


def _read(path: Path) -> Totals:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LIMIT_BYTES), type=Totals)
    except FileNotFoundError:
        return Totals()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.info("metrics_computed_anew", reason=type(error).__name__)
        return Totals()


def _keep(path: Path, totals: Totals) -> None:
    try:
        replace_file(path, msgspec.json.encode(totals))
    except OSError as error:
        # They are computed once more the next time.
        log.info("metrics_not_kept", reason=error.strerror)


def _last_run(totals: Totals) -> datetime | None:
    return max(
        (totals.ends[what].at for what in ("scan", "execute") if what in totals.ends), default=None
    )


def _words(error: End) -> str:
    return f"{error.what} {error.outcome}" + (f": {error.why}" if error.why else "")


async def _plans(parts: Parts) -> dict[str, int]:
    """How many plans stand in which state, of those that could still be executed."""
    counts: dict[str, int] = {}
    now = parts.clock.now()
    plans = await parts.catalogue.plans()
    for plan, history in zip(plans, await plan_histories(parts.audit, plans), strict=True):
        if history.state not in (PlanState.REJECTED, PlanState.EXECUTED) and now < plan.expires_at:
            counts[history.state.value] = counts.get(history.state.value, 0) + 1
    return counts


async def _open_steps(parts: Parts) -> int:
    deletes = sum([len(page) async for page in parts.audit.unresolved_intents()])
    return deletes + sum([len(page) async for page in parts.audit.unresolved_restores()])


def _record(last: LastRecord[R] | None) -> R | None:
    return last.record if last else None
