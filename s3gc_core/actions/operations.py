"""Operations: every run of anything that matters holds the vault, recovers, and is recorded."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.collection import Recovered, recover
from s3gc_core.config import Mode
from s3gc_core.errors import GuardBlocked, OperationCancelled, Refused, S3gcError, VaultUnreachable
from s3gc_core.ids import new_id
from s3gc_core.jobs import JobJournal, JobState, Progress, actor, vault_lease
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import AuditLog, BackupFiles, OperationFinished, OperationStarted


@dataclass(slots=True)
class OperationRun:
    """An operation while it runs; what it leaves here goes into its last audit record.

    `journal` is told how far it is, and asked at safe points whether to go on.
    """

    operation_id: str
    recovered: Recovered
    journal: JobJournal
    outcome: str = "done"
    counts: dict[str, int] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)


def make_vault_folder(path: Path) -> None:
    """Create the vault folder, for its owner alone. Raises `VaultUnreachable`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise VaultUnreachable(f"cannot create {path}: {error.strerror}") from error


@asynccontextmanager
async def operation(
    audit: AuditLog,
    files: BackupFiles,
    bucket: Bucket,
    *,
    vault_path: Path,
    mode: Mode,
    what: str,
    progress: Progress,
    plan_id: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> AsyncIterator[OperationRun]:
    """Hold the vault for one operation, recover what an earlier one left, record start and end.

    Keeps a journal of it for whoever watches. Raises `VaultBusy`. Whatever the body raises is
    recorded as the operation's outcome and goes on to the caller.
    """
    operation_id, who = new_id(), actor()
    started = OperationStarted(what, who, mode.value, plan_id, dict(arguments or {}))
    state = _begun(operation_id, started)
    # The journal ends before the lease does: an unended one without a lease was interrupted.
    with vault_lease(vault_path, operation_id, what, who):
        async with JobJournal.open(vault_path, state, progress) as journal:
            journal.step("recover")
            recovered = await recover(bucket, audit, files)
            await journal.close_interrupted()
            if recovered.anything:
                log.warning("recovered", operations=recovered.operations, deleted=recovered.deleted)
            journal.step("")
            run = OperationRun(operation_id, recovered, journal)
            async with _recorded(audit, run, started):
                yield run


def _begun(operation_id: str, started: OperationStarted) -> JobState:
    now = datetime.now(UTC)
    return JobState(
        operation_id,
        started.what,
        started.actor,
        started.mode,
        os.getpid(),
        socket.gethostname(),
        started_at=now,
        heartbeat_at=now,
        plan_id=started.plan_id,
        arguments=started.arguments,
    )


@asynccontextmanager
async def _recorded(
    audit: AuditLog, run: OperationRun, started: OperationStarted
) -> AsyncIterator[None]:
    """Record start and end of an operation in the audit log, and its end in the journal."""
    operation_id = run.operation_id
    error: str | None = None
    try:
        await to_the_end(audit.append(operation_id, [started]))
        log.info("operation_started", operation_id=operation_id, what=started.what)
        yield
    except asyncio.CancelledError:
        run.outcome = "cancelled"
        raise
    except OperationCancelled as cancelled:
        run.outcome, error = "cancelled", cancelled.name
        cancelled.operation_id, cancelled.counts = operation_id, dict(run.counts)
        raise
    except S3gcError as refusal:
        # A refusal after objects were touched is no refusal of the whole operation.
        refused = isinstance(refusal, Refused) and not run.counts
        run.outcome = "blocked" if refused else "failed"
        run.blocked = list(refusal.guards) if isinstance(refusal, GuardBlocked) else []
        error, refusal.operation_id = refusal.name, operation_id
        run.journal.refused(refusal)
        raise
    except BaseException as unexpected:
        run.outcome, error = "failed", type(unexpected).__name__
        raise
    finally:
        finished = OperationFinished(run.outcome, run.counts, run.blocked, error)
        await to_the_end(_finish(audit, run, finished))
        log.info("operation_finished", operation_id=operation_id, outcome=run.outcome)


async def _finish(audit: AuditLog, run: OperationRun, finished: OperationFinished) -> None:
    await audit.append(run.operation_id, [finished])
    run.journal.finish(finished.outcome, finished.counts, finished.error)
    await audit.anchor()
