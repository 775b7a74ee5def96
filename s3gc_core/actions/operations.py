"""Operations: every run of anything that matters holds the vault, recovers, and is recorded."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.collection import (
    OF_ONE_OR_OF_ALL,
    Recovered,
    note_late_deletes,
    recover,
    recover_restores,
)
from s3gc_core.config import Mode
from s3gc_core.errors import (
    GuardBlocked,
    OperationCancelled,
    Refused,
    S3gcError,
    VaultBusy,
    VaultUnreachable,
)
from s3gc_core.ids import new_id
from s3gc_core.jobs import (
    HEALING_FILE,
    LEASE_FILE,
    JobJournal,
    JobState,
    Progress,
    actor,
    job_argument,
    lease_holder,
    vault_lease,
)
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import AuditLog, BackupFiles, OperationFinished, OperationStarted

# What holds the vault for the moment in which a healing restore recovers; it is waited for.
_HEAL = "heal"
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class OperationRun:
    """An operation while it runs; what it leaves here goes into its last audit record.

    `journal` is told how far it is, and asked at safe points whether to go on. `to_recover`: what
    earlier ones left is still to be recovered, as the bucket is away.
    """

    operation_id: str
    recovered: Recovered
    journal: JobJournal
    outcome: str = "done"
    counts: dict[str, int] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    to_recover: bool = False


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
    healing: bool = False,
    elsewhere: bool = False,
    may_be_anew: bool = False,
) -> AsyncIterator[OperationRun]:
    """Hold the vault for one operation, recover what an earlier one left, record start and end.

    Keeps a journal of it for whoever watches. Raises `VaultBusy`. Whatever the body raises is
    recorded as the operation's outcome and goes on to the caller.

    A restore that is `healing` works beside an operation, which may run for hours, or be paused:
    it holds not the vault but the vault's healing. Two things keep them apart. Recovery looks at
    what dead operations left, so it is done only by who holds both, and both are waited for where
    healing is in the way; but who heals looks at what dead restores left, whoever runs. And an open
    step claims its key (`AuditLog.claim`).

    One that only writes `elsewhere` goes on where the bucket is away: recovery waits, and is told.
    So it does where the bucket is not the vault's own, which each operation refuses for itself; one
    that `may_be_anew` may have been lost and made once more.
    """
    operation_id, who = new_id(), actor()
    said = {**(arguments or {}), **job_argument()}
    started = OperationStarted(what, who, mode.value, plan_id, said)
    state = _begun(operation_id, started)
    # The journal ends before the lease does: an unended one without a lease was interrupted.
    async with AsyncExitStack() as stack:
        if healing:
            stack.enter_context(vault_lease(vault_path, operation_id, what, who, file=HEALING_FILE))
        else:
            await _hold(stack, vault_path, operation_id, what, who)
        journal = await stack.enter_async_context(JobJournal.open(vault_path, state, progress))
        recovered: Recovered | None = Recovered()
        async with AsyncExitStack() as alone:
            if await (_may_recover if healing else _healing_ended)(alone, vault_path, audit, state):
                journal.step("recover")
                recovered = await _recover(
                    audit, files, bucket, journal, elsewhere=elsewhere, may_be_anew=may_be_anew
                )
            elif healing:
                recovered = await _recover_beside(audit, bucket, vault_path, may_be_anew)
        to_recover, recovered = recovered is None, recovered or Recovered()
        if recovered.anything:
            log.warning("recovered", operations=recovered.operations, deleted=recovered.deleted)
        journal.step("")
        run = OperationRun(operation_id, recovered, journal, to_recover=to_recover)
        with log.of_operation(operation_id):
            async with _recorded(audit, run, started):
                yield run


async def recover_dead(
    audit: AuditLog, files: BackupFiles, bucket: Bucket, *, vault_path: Path
) -> Recovered:
    """Recover what dead operations left open, unless one runs or begins: it does that itself.

    For who follows and waits for what was deleted to be told. Raises what `recover` raises.
    """
    who, operation_id = actor(), new_id()
    state = _begun(operation_id, OperationStarted(_HEAL, who, ""))
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(
                vault_lease(vault_path, operation_id, _HEAL, who, file=HEALING_FILE)
            )
        except VaultBusy:
            return Recovered()
        if not await _may_recover(stack, vault_path, audit, state):
            return Recovered()
        return await recover(bucket, audit, files) or Recovered()


async def _recover(
    audit: AuditLog,
    files: BackupFiles,
    bucket: Bucket,
    journal: JobJournal,
    *,
    elsewhere: bool,
    may_be_anew: bool,
) -> Recovered | None:
    """Recover; None where the bucket is not the vault's own, or where it is away, and what is to be
    done `elsewhere` does not wait.
    """
    try:
        recovered = await recover(bucket, audit, files, may_be_anew=may_be_anew)
    except OF_ONE_OR_OF_ALL as error:
        if not elsewhere:
            raise
        log.warning("recovery_pending", what=error.what)
        return None
    if recovered is None:
        return None
    await journal.close_interrupted()
    await look_for_late_deletes(audit, bucket, may_be_anew=may_be_anew)
    return recovered


async def _recover_beside(
    audit: AuditLog, bucket: Bucket, vault_path: Path, may_be_anew: bool
) -> Recovered | None:
    """Recover the restores of who died healing, beside the operation that holds the vault: it may
    do so for hours, or be paused.
    """
    # Before the open steps are read: what it opens and ends meanwhile is not ours either way.
    holder = lease_holder(vault_path)
    alive = {holder.operation_id} if holder is not None else set()
    return await recover_restores(bucket, audit, alive, may_be_anew=may_be_anew)


async def look_for_late_deletes(
    audit: AuditLog, bucket: Bucket, *, may_be_anew: bool = False
) -> None:
    """See `note_late_deletes`. Where the bucket is away a later look does it: it ends nothing."""
    try:
        await note_late_deletes(bucket, audit, may_be_anew=may_be_anew)
    except OF_ONE_OR_OF_ALL as error:
        log.warning("late_deletes_not_looked_for", what=error.what)


async def _hold(
    stack: AsyncExitStack, vault_path: Path, operation_id: str, what: str, who: str
) -> None:
    """Hold the vault. Raises `VaultBusy`, but waits for a healing restore that recovers."""
    while True:
        try:
            stack.enter_context(vault_lease(vault_path, operation_id, what, who))
        except VaultBusy:
            holder = lease_holder(vault_path)
            if holder is None or holder.what != _HEAL:
                raise
        else:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _healing_ended(
    stack: AsyncExitStack, vault_path: Path, _: AuditLog, state: JobState
) -> bool:
    """Wait until nobody heals, and let nobody begin."""
    what, who = state.what, state.actor
    while True:
        try:
            stack.enter_context(
                vault_lease(vault_path, state.operation_id, what, who, file=HEALING_FILE)
            )
        except VaultBusy:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return True


async def _may_recover(
    stack: AsyncExitStack, vault_path: Path, audit: AuditLog, state: JobState
) -> bool:
    """Whether anything is to be recovered and no operation runs; and let none begin."""
    if not await audit.is_anything_open():
        return False
    try:
        stack.enter_context(
            vault_lease(vault_path, state.operation_id, _HEAL, state.actor, file=LEASE_FILE)
        )
    except VaultBusy:
        return False
    return True


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
    recorded = True
    try:
        try:
            await to_the_end(audit.append(operation_id, [started]))
        except S3gcError:
            # What has no beginning in the log gets no end there.
            recorded = False
            raise
        log.info("operation_started", what=started.what)
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
        await to_the_end(_finish(audit, run, finished, recorded=recorded))
        log.info(
            "operation_finished", what=started.what, outcome=run.outcome, error=error, **run.counts
        )


async def _finish(
    audit: AuditLog, run: OperationRun, finished: OperationFinished, *, recorded: bool
) -> None:
    if recorded:
        await audit.append(run.operation_id, [finished])
    run.journal.finish(finished.outcome, finished.counts, finished.error)
    await audit.anchor()
