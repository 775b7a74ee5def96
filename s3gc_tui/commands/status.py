"""`s3gc status`: who holds the vault, the last scan, plans that wait, steps left open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from s3gc_core.errors import ExitCode
from s3gc_core.vault import Drilled
from s3gc_tui.context import Context

if TYPE_CHECKING:
    from s3gc_core.actions.streams import StreamStatus
    from s3gc_core.jobs import ServiceState
    from s3gc_core.replica import ReplicaLag


async def run(context: Context) -> ExitCode:
    """Emit how things stand; changes nothing."""
    if context.args.all:
        from s3gc_tui.commands import status_all

        return await status_all.run(context)
    async with context.collector() as collector:
        status = await collector.status()
        streams = await collector.stream_status()
    for plan, history in status.waiting:
        context.emit(
            {
                "type": "plan",
                "plan_id": plan.plan_id,
                "state": history.state,
                "objects": plan.objects,
                "text": f"plan {plan.plan_id} {history.state}: {plan.objects} objects",
            }
        )
    for stream in streams:
        text = f"stream of {stream.database}: {'; '.join(_standing(stream))}"
        context.emit({"type": "stream", **msgspec.structs.asdict(stream), "text": text})
    holder, drill = status.holder, status.drill
    return context.summary(
        mode=status.mode,
        running=f"{holder.what} {holder.operation_id}" if holder else None,
        registry_valid_at=status.registry_valid_at,
        last_scan=status.last_scan.scan_id if status.last_scan else None,
        last_scan_at=status.last_scan.finished_at if status.last_scan else None,
        blocked=[trip.label for trip in status.last_scan.blocked] if status.last_scan else [],
        to_recover=status.to_recover,
        last_drill=_drilled(drill.record) if drill else None,
        last_drill_at=drill.at if drill else None,
        last_drill_age_days=_days_since(drill.at) if drill else None,
        audit_records=status.audit_records,
        **_replica(status.replica),
        **_service(status.service),
    )


def _service(service: ServiceState | None) -> dict[str, object]:
    if service is None:
        return {"serving_since": None}
    told: dict[str, object] = {"serving_since": service.since}
    for kind, timed in service.timed.items():
        told[f"next_{kind}"] = timed.next_at
        told[f"last_{kind}_slot"] = timed.last_slot
        told[f"last_{kind}_outcome"] = timed.last_outcome or None
        told[f"{kind}_problem"] = timed.problem or timed.waits or None
    follower = service.follower
    if follower.state != "none":
        told["follower"] = ": ".join(filter(None, (follower.state, follower.detail)))
        told["follower_restarts"] = follower.restarts
    return told


def _replica(lag: ReplicaLag | None) -> dict[str, object]:
    if lag is None:
        return {}
    return {
        "replica": lag.name,
        "replica_durability": lag.durability,
        "replica_behind_records": lag.records,
        "replica_behind_bytes": lag.bytes,
        "replica_behind_seconds": round(lag.seconds, 1),
        "replica_problem": lag.problem or None,
    }


def _drilled(drill: Drilled) -> str:
    how = f"{drill.differing} DIFFERING" if drill.differing else "identical"
    return f"{how}, {drill.checked} checked in {drill.where}"


def _days_since(then: datetime) -> float:
    return round((datetime.now(UTC) - then).total_seconds() / 86_400, 1)


def _standing(stream: StreamStatus) -> Iterator[str]:
    yield stream.state
    if stream.true_at is not None:
        yield f"true for {stream.true_at:%Y-%m-%d %H:%M:%S} UTC"
    if stream.transactions is not None:
        yield f"transactions since: {stream.transactions}"
    if stream.bytes is not None:
        most = f" of {stream.max_bytes} at most" if stream.is_much_kept else ""
        yield f"bytes kept by its server: {stream.bytes}{most}"
    if stream.detail:
        yield stream.detail
