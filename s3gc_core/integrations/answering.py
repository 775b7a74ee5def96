"""The core's values as answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from s3gc_core.actions.asking import Explanation
from s3gc_core.actions.granting import GrantStanding
from s3gc_core.actions.measuring import Metrics
from s3gc_core.actions.restoring import Foreseen
from s3gc_core.actions.standing import Status
from s3gc_core.actions.streams import StreamStatus
from s3gc_core.integrations import shapes
from s3gc_core.integrations.door import JobNow
from s3gc_core.jobs import JOB_ARGUMENT, JobState
from s3gc_core.jobs import Job as JournalOf
from s3gc_core.judgement import Judged, Plan, PlanHistory
from s3gc_core.vault import Drilled, LastRecord, Operation

A = TypeVar("A", bound=shapes.Answer)

_LAYERS = shapes.Layers.model_validate


def _maybe(shape: type[A], value: object) -> A | None:
    return None if value is None else shape.model_validate(value)


def plan(head: Plan, history: PlanHistory) -> shapes.Plan:
    """A plan and where it stands."""
    return shapes.Plan(
        plan_id=head.plan_id,
        state=history.state,
        objects=head.objects,
        bytes=head.bytes,
        created_at=head.created_at,
        expires_at=head.expires_at,
        sha256=head.sha256,
        parent=head.parent,
        confirm=head.confirmation,
        decided_by=history.approved_by,
        reason=history.decided_because,
    )


def status(bucket: str, found: Status, streams: Sequence[StreamStatus]) -> shapes.Status:
    """How things stand."""
    return shapes.Status(
        bucket=bucket,
        mode=found.mode,
        running=_maybe(shapes.Running, found.holder),
        last_scan=_maybe(shapes.Scan, found.last_scan),
        waiting=[plan(*waiting) for waiting in found.waiting],
        registry_valid_at=found.registry_valid_at,
        to_recover=found.to_recover,
        audit_records=found.audit_records,
        streams=[shapes.Stream.model_validate(stream) for stream in streams],
        last_drill=_drill(found.drill),
        replica=_maybe(shapes.Replica, found.replica),
        service=_maybe(shapes.Service, found.service),
    )


def _drill(last: LastRecord[Drilled] | None) -> shapes.Drill | None:
    if last is None:
        return None
    told = last.record
    return shapes.Drill(
        at=last.at, checked=told.checked, differing=told.differing, where=told.where
    )


def metrics(found: Metrics) -> shapes.Metrics:
    """The sums, with the vault's size in 10**6 bytes as the predecessors have it, too."""
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    return shapes.Metrics.model_validate(
        {**values, "vault_size_mb": round(found.vault_size_bytes / 1e6, 3)}
    )


def operation(one: Operation) -> shapes.Operation:
    """A recorded operation."""
    started, finished = one.started, one.finished
    return shapes.Operation(
        operation_id=one.operation_id,
        at=one.started_at,
        what=started.what,
        actor=started.actor,
        mode=started.mode,
        plan_id=started.plan_id,
        job_id=started.arguments.get(JOB_ARGUMENT),
        outcome=finished.outcome if finished else None,
        finished_at=one.finished_at,
        counts=finished.counts if finished else {},
        blocked=list(finished.blocked) if finished else [],
        error=finished.error if finished else None,
    )


def operation_now(journal: JournalOf | None, recorded: Operation | None) -> shapes.OperationNow:
    """An operation by its record, and by its journal: that begins before it, and is kept shorter.

    One of the two has to be there.
    """
    state = journal.state if journal is not None else None
    if recorded is not None:
        known = operation(recorded)
    elif state is not None:
        known = _begun(state)
    else:
        raise ValueError("neither a record nor a journal")
    return shapes.OperationNow(
        **known.model_dump(),
        standing=journal.standing if journal else None,
        step=state.step if state else "",
        phases=[shapes.Phase.model_validate(p) for p in state.phases] if state else [],
        bytes=state.bytes if state else {},
        next_step=state.next_step if state else "",
    )


def _begun(state: JobState) -> shapes.Operation:
    return shapes.Operation(
        operation_id=state.operation_id,
        at=state.started_at,
        what=state.what,
        actor=state.actor,
        mode=state.mode,
        plan_id=state.plan_id,
        job_id=state.arguments.get(JOB_ARGUMENT),
        outcome=state.outcome,
        finished_at=state.ended_at,
        counts=state.counts,
        blocked=[],
        error=state.error,
    )


def job(now: JobNow) -> shapes.Job:
    """A job; what went wrong is told as its last line told it."""
    summary = now.outcome.summary or {}

    def told(name: str) -> str | None:
        value = summary.get(name)
        return value if isinstance(value, str) else None

    return shapes.Job(
        job_id=now.job_id,
        running=now.outcome.running,
        operation_id=now.operations[0] if now.operations else None,
        operations=list(now.operations),
        outcome=None if now.outcome.running else told("outcome") or "interrupted",
        error=told("error"),
        detail=told("what"),
        next_step=told("next_step"),
    )


def candidate(judged: Judged) -> shapes.Candidate:
    """A candidate."""
    entry = judged.object
    return shapes.Candidate(
        key=entry.key,
        size=entry.size,
        etag=entry.etag,
        last_modified=entry.last_modified,
        verdict=judged.verdict,
        reason=judged.reason,
        layers=_LAYERS(judged.layers),
        doubts=list(judged.doubts),
    )


def why(found: Explanation) -> shapes.Why:
    """Everything about a key."""
    judged, last = found.judged, found.last_reference
    return shapes.Why(
        key=found.key,
        in_bucket=judged is not None,
        verdict=judged.verdict if judged else None,
        reason=judged.reason if judged else "",
        layers=_LAYERS(judged.layers) if judged else None,
        references=[shapes.Reference.model_validate(one) for one in found.references],
        near=[shapes.Reference.model_validate(one) for one in found.near],
        last_reference=_maybe(shapes.LastReference, last),
        backups=[shapes.BackupOf.model_validate(one) for one in found.backups],
        tried=found.tried,
        searched=found.searched,
    )


def foreseen(one: Foreseen) -> shapes.Foreseen:
    """What a restore would do with a key."""
    backup = one.backup
    stored = backup.intent.backup if backup else None
    return shapes.Foreseen(
        key=one.key,
        outcome=one.outcome,
        reason=one.reason,
        size=stored.given_size if stored else None,
        lossy=stored.is_lossy if stored else None,
        operation_id=backup.operation_id if backup else None,
        deleted_at=backup.deleted_at if backup else None,
    )


def grant(standing: GrantStanding) -> shapes.Grant:
    """A grant, and what was deleted under it."""
    given, used = standing.grant, standing.used
    return shapes.Grant(
        grant_id=given.grant_id,
        state=standing.state,
        prefixes=list(given.prefixes),
        objects=used.objects,
        max_objects=given.max_objects,
        bytes=used.bytes,
        max_bytes=given.max_bytes,
        granted_at=given.granted_at,
        expires_at=given.expires_at,
        actor=given.actor,
        reason=given.reason,
    )
