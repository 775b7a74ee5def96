"""Pictures of how things may stand, made by hand: values for what draws them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from s3gc_core.actions.standing import Status, VaultStats
from s3gc_core.config import Config
from s3gc_core.jobs import ControlState, Job, JobPhase, JobState, Standing
from s3gc_core.judgement import Identity, Plan, PlanHistory, ScanSummary, conditions_of
from s3gc_core.vault import Operation, OperationFinished, OperationStarted
from s3gc_tui.models.picture import About, Picture

NOW = datetime(2026, 11, 21, 8, 34, tzinfo=UTC)
ABOUT = About(
    bucket="media-prod",
    profile="prod-eu",
    mode="execute",
    cdc=False,
    vault_path="/srv/s3gc/vault",
    plan_lifetime=timedelta(hours=24),
    actor="ops@ops-1",
)
SCAN_ID = "01KAJ0000000000000000SCAN1"
PLAN_ID = "01KAJ0000000000000000PLK7Q"
EXECUTE_ID = "01KAJ000000000000000EXEC95"


def scan(**changes: Any) -> ScanSummary:
    made = ScanSummary(
        scan_id=SCAN_ID,
        plan_id=PLAN_ID,
        listed=1_204_311,
        referenced=1_162_000,
        candidates=42_311,
        orphans=41_220,
        held=91,
        kept=1_000,
        bytes=310 << 30,
        sources={"main:users.avatar_url": 60},
        blocked=[],
        finished_at=NOW - timedelta(minutes=3),
    )
    return msgspec.structs.replace(made, **changes)


def plan(**changes: Any) -> Plan:
    made = Plan(
        plan_id=PLAN_ID,
        scan_id=SCAN_ID,
        bucket="media-prod",
        listed_at=NOW - timedelta(minutes=5),
        created_at=NOW - timedelta(minutes=3),
        expires_at=NOW + timedelta(hours=23, minutes=57),
        objects=41_220,
        bytes=310 << 30,
        sha256="ab" * 32,
        conditions=conditions_of(Config("media-prod"), Identity("b1", {}), {}),
    )
    return msgspec.structs.replace(made, **changes)


def job(standing: Standing = Standing.RUNNING, **changes: Any) -> Job:
    state = JobState(
        operation_id=EXECUTE_ID,
        what="execute",
        actor="ops@ops-1",
        mode="execute",
        pid=4711,
        host="ops-1",
        started_at=NOW - timedelta(minutes=2),
        heartbeat_at=NOW,
        plan_id=PLAN_ID,
        phases=[JobPhase("execute", 23_511, 41_220, NOW - timedelta(minutes=2))],
        counts={"deleted": 23_498, "changed": 13},
        control=ControlState.RUNNING,
    )
    for name, value in changes.items():
        setattr(state, name, value)
    return Job(EXECUTE_ID, standing, state)


def operation(outcome: str | None = "done", **counts: int) -> Operation:
    started = OperationStarted("execute", "ana@ops-2", "execute", PLAN_ID, {})
    finished = OperationFinished(outcome, counts) if outcome else None
    return Operation(
        "01KAJ0000000000000000OPER1",
        NOW - timedelta(hours=1),
        started,
        NOW - timedelta(minutes=50) if outcome else None,
        finished,
    )


def picture(**changes: Any) -> Picture:
    """All is well: a scan of three minutes ago, its plan, nothing running, read-only."""
    status = Status(
        mode="execute",
        holder=None,
        last_scan=scan(),
        waiting=[],
        registry_valid_at=NOW - timedelta(minutes=4),
        to_recover=0,
        audit_records=12,
    )
    vault = VaultStats(
        48_112,
        1_717 << 30,
        212 << 30,
        8.1,
        NOW - timedelta(days=264),
        212 << 30,
        verified_at=NOW - timedelta(hours=5),
        verified=1_200,
    )
    made = Picture(
        about=ABOUT,
        taken_at=NOW,
        write_until=None,
        status=status,
        plans=((plan(), PlanHistory("ab" * 32, True, "ana@ops-2")),),
        vault=vault,
        vault_growth=(10, 20, 30, 80),
        operations=(operation(deleted=41_007, failed=3),),
    )
    return replace(made, **changes)
