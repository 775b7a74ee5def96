"""What the records of a key say about its backups: pure, from records to values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from s3gc_core.vault.records import (
    Entry,
    Intent,
    Outcome,
    Purged,
    Restored,
    RestoreOutcome,
    Result,
)

# The object is gone. `vanished` after a backup may be our own delete, whose first answer was lost.
GONE = frozenset({Outcome.DELETED, Outcome.VANISHED})
# The kinds that `backups_of` looks at.
KINDS = ("intent", "result", "restored", "purged")


class DeletedObject(msgspec.Struct, frozen=True):
    """An object that `operation_id` deleted and whose backup is kept. `deleted_at` is UTC.

    `marker`: the version id of the delete marker that hides it, where the store told of one.
    """

    operation_id: str
    deleted_at: datetime
    intent: Intent
    marker: str | None = None


class BackupState(msgspec.Struct, frozen=True):
    """A backup that is kept, and what became of its object.

    `at` (UTC) is when the object's result was recorded, or the backup (`backed_up_at`) where
    `outcome` is still None; `inferred` where recovery concluded it. `restored` is the last
    restore's outcome, None where there was none.
    """

    operation_id: str
    at: datetime
    intent: Intent
    outcome: Outcome | None = None
    restored: RestoreOutcome | None = None
    inferred: bool = False
    backed_up_at: datetime | None = None
    marker: str | None = None


def backups_of(entries: Iterable[Entry]) -> list[BackupState]:
    """The kept backups of one key, oldest first, from all its records in their order."""
    states: list[BackupState] = []
    for entry in entries:
        record = entry.record
        if isinstance(record, Intent):
            states.append(BackupState(entry.operation_id, entry.at, record, backed_up_at=entry.at))
        elif isinstance(record, Result):
            known = _update_last(
                states,
                entry.operation_id,
                outcome=record.outcome,
                inferred=record.inferred,
                at=entry.at,
                marker=record.marker,
            )
            if not known and record.outcome is Outcome.VANISHED:
                _delete_came_late(states, entry.at)
        elif isinstance(record, Restored):
            _update_last(states, record.from_operation, restored=record.outcome)
        elif isinstance(record, Purged):
            purged = (record.from_operation, record.path)
            states = [s for s in states if (s.operation_id, s.intent.backup.path) != purged]
    return states


def deleted_of(
    states: Iterable[BackupState], *, every_backup: bool = False, open_too: bool = False
) -> list[DeletedObject]:
    """Those whose object is gone: what a restore brings back.

    With `every_backup` those of all others too: whatever became of the object, its backup is
    proven, and can be asked for. With `open_too` those of which nobody heard whether it is gone.
    """
    return [
        DeletedObject(state.operation_id, _lived_until(state), state.intent, state.marker)
        for state in states
        if every_backup or state.outcome in GONE or (open_too and state.outcome is None)
    ]


def is_still_there(state: BackupState) -> bool:
    """Whether the object was there after a delete of it that may have been sent, as far as known.

    A store may do such a delete later.
    """
    not_sent = state.inferred and state.outcome is Outcome.KEPT
    return not_sent or state.outcome is Outcome.FAILED


def _lived_until(state: BackupState) -> datetime:
    """Until when the object is known to have been as it was backed up. UTC."""
    if state.outcome is Outcome.CHANGED and state.backed_up_at is not None:
        return state.backed_up_at
    return state.at


def _update_last(states: list[BackupState], operation_id: str, **changes: object) -> bool:
    """Change the newest state of an operation; whether there is one."""
    for index in range(len(states) - 1, -1, -1):
        if states[index].operation_id == operation_id:
            states[index] = msgspec.structs.replace(states[index], **changes)
            return True
    return False


def _delete_came_late(states: list[BackupState], at: datetime) -> None:
    """The object is gone, and nobody deleted it since recovery found it untouched.

    Or since our own delete failed. Then it was our own delete, which the store had not yet done
    when recovery looked, or when we gave up: the last backup is that of a deleted object after all.
    """
    if states and is_still_there(states[-1]):
        states[-1] = msgspec.structs.replace(states[-1], outcome=Outcome.VANISHED, at=at)
