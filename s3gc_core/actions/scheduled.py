"""Runs of a schedule: each slot is begun once, by a process that may outlive who started it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from s3gc_core.ids import new_id
from s3gc_core.jobs import SCHEDULED_FILE, actor, vault_lease
from s3gc_core.vault import AuditLog, OperationStarted

# The argument that an operation of a scheduled run has in the audit log: its kind and its slot.
ARGUMENT = "scheduled"


class Timed(StrEnum):
    """What a schedule starts."""

    RUN = "run"
    DRILL = "drill"


# How an operation ends by an error, or where a person ends it.
_STOPPED = frozenset({"cancelled", "failed"})
# The operation with which a scheduled run has done what it is for; what it executes goes before.
_MAIN = {Timed.RUN: "scan", Timed.DRILL: "drill"}


@dataclass(frozen=True, slots=True)
class Begun:
    """A scheduled run that has begun. `slot` is UTC; `outcomes` are those of its operations in
    their order, such as `execute done, scan blocked`; one that has none yet is `not ended`.
    """

    slot: datetime
    outcomes: str


def label(kind: Timed, slot: datetime) -> str:
    """How the audit log calls a run of the schedule."""
    return f"{kind} {slot.isoformat()}"


@asynccontextmanager
async def only_run(
    audit: AuditLog, vault_path: Path, kind: Timed, slot: datetime
) -> AsyncIterator[bool]:
    """Be the vault's only scheduled run as long as the block lasts; false where another process has
    already done what this slot is for. Raises `VaultBusy` where one is at work.
    """
    with vault_lease(vault_path, new_id(), f"scheduled {kind}", actor(), file=SCHEDULED_FILE):
        begun = await last_begun(audit, kind, slot)
        yield begun is None or begun.slot != slot


async def last_begun(audit: AuditLog, kind: Timed, now: datetime) -> Begun | None:
    """The scheduled run that last began what its slot is for; those of slots that are yet to come
    are left out.

    One whose execution ended by an error, or because a person ended it, counts as well: nothing
    that was stopped goes on by itself. One that was killed before its scan does not.
    """
    slot: datetime | None = None
    started: dict[str, str] = {}
    async for page in audit.entries(kinds=("operation-started",), newest_first=True):
        for entry in page:
            its = _slot_of(entry.record, kind)
            if its is None or its > now or not isinstance(entry.record, OperationStarted):
                continue
            if its != slot:
                if slot is not None and await _is_begun(audit, kind, started):
                    return await _begun(audit, slot, list(started))
                slot, started = its, {}
            started[entry.operation_id] = entry.record.what
    if slot is None or not await _is_begun(audit, kind, started):
        return None
    return await _begun(audit, slot, list(started))


async def _is_begun(audit: AuditLog, kind: Timed, started: Mapping[str, str]) -> bool:
    """By the operations of a slot: what was started, by its id."""
    if _MAIN[kind] in started.values():
        return True
    operations = [await audit.operation(operation_id) for operation_id in started]
    return any(one.finished and one.finished.outcome in _STOPPED for one in operations)


def _slot_of(record: object, kind: Timed) -> datetime | None:
    if not isinstance(record, OperationStarted):
        return None
    of_kind, _, slot = record.arguments.get(ARGUMENT, "").partition(" ")
    return datetime.fromisoformat(slot) if of_kind == kind else None


async def _begun(audit: AuditLog, slot: datetime, newest_first: list[str]) -> Begun:
    outcomes = []
    for operation_id in reversed(newest_first):
        operation = await audit.operation(operation_id)
        ending = operation.finished.outcome if operation.finished else "not ended"
        outcomes.append(f"{operation.started.what} {ending}")
    return Begun(slot, ", ".join(outcomes))
