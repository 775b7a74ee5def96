"""Operations: every run of anything that matters holds the vault, recovers, and is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ulid import ULID

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.collection import Recovered, recover
from s3gc_core.config import Mode
from s3gc_core.errors import GuardBlocked, Refused, S3gcError, VaultUnreachable
from s3gc_core.jobs import actor, vault_lease
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import AuditLog, BackupFiles, OperationFinished, OperationStarted


@dataclass(slots=True)
class OperationRun:
    """An operation while it runs; what it leaves here goes into its last audit record."""

    operation_id: str
    recovered: Recovered
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
    plan_id: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> AsyncIterator[OperationRun]:
    """Hold the vault for one operation, recover what an earlier one left, record start and end.

    Raises `VaultBusy`. Whatever the body raises is recorded as the operation's outcome and goes
    on to the caller.
    """
    operation_id, who = str(ULID()), actor()
    with vault_lease(vault_path, operation_id, what, who):
        recovered = await recover(bucket, audit, files)
        if recovered.anything:
            log.warning("recovered", operations=recovered.operations, deleted=recovered.deleted)
        started = OperationStarted(what, who, mode.value, plan_id, dict(arguments or {}))
        run = OperationRun(operation_id, recovered)
        error: str | None = None
        try:
            await to_the_end(audit.append(operation_id, [started]))
            log.info("operation_started", operation_id=operation_id, what=what)
            yield run
        except asyncio.CancelledError:
            run.outcome = "cancelled"
            raise
        except S3gcError as refusal:
            # A refusal after objects were touched is no refusal of the whole operation.
            refused = isinstance(refusal, Refused) and not run.counts
            run.outcome = "blocked" if refused else "failed"
            run.blocked = list(refusal.guards) if isinstance(refusal, GuardBlocked) else []
            error, refusal.operation_id = refusal.name, operation_id
            raise
        except BaseException as unexpected:
            run.outcome, error = "failed", type(unexpected).__name__
            raise
        finally:
            finished = OperationFinished(run.outcome, run.counts, run.blocked, error)
            await to_the_end(_finish(audit, operation_id, finished))
            log.info("operation_finished", operation_id=operation_id, outcome=run.outcome)


async def _finish(audit: AuditLog, operation_id: str, finished: OperationFinished) -> None:
    await audit.append(operation_id, [finished])
    await audit.anchor()
