"""Recovery: every half-finished step that an operation left behind is classified and finished.

Runs at the start of every operation that holds the vault. The table is that of the vault's
notes, section 5. Nothing is deleted from the bucket here: what died before its delete is judged
anew when its plan is gone on with.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket, ObjectChanged, ObjectUnreadable
from s3gc_core.collection.classification import classify_intent, classify_restore
from s3gc_core.collection.comparison import differences
from s3gc_core.collection.strays import tidy
from s3gc_core.collection.whose import may_conclude
from s3gc_core.collection.write_back import LOSSY, is_compact_copy
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    Intent,
    Operation,
    OperationFinished,
    Outcome,
    Restored,
    RestoreIntent,
)

# A HEAD that tells of one object only that it cannot be looked at.
UNSEEN = (ObjectChanged, ObjectUnreadable)
# What an operation is only said to have come to when its folder is tidy.
_TIDY_ENDS = frozenset({"done", "partial"})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery found: operations that had ended without a word, and their open steps."""

    operations: int = 0
    deleted: int = 0
    still_there: int = 0
    changed: int = 0
    restores: int = 0
    files_removed: int = 0

    @property
    def anything(self) -> bool:
        """Whether there was anything to recover."""
        return self != Recovered()


async def recover(
    bucket: Bucket, audit: AuditLog, files: BackupFiles, *, may_be_anew: bool = False
) -> Recovered | None:
    """Classify and finish everything that ended operations left open; None where that has to wait,
    as the bucket is not the vault's own (see `unlike_bound`).

    The caller holds the vault, so no operation is running. A step whose object cannot be looked at
    stays open. Raises `BucketUnreachable` where the bucket cannot be asked, or is not there:
    without an answer nothing is concluded.
    """
    if await audit.claimed():
        # Where the bucket itself is gone each HEAD says so of its key; it also tells within
        # seconds: whoever needs a file now must not wait out all retries.
        await bucket.check()
        if not await may_conclude(bucket, audit, may_be_anew=may_be_anew):
            return None
    outcomes = dict.fromkeys(Outcome, 0)
    async for page in audit.unresolved_intents():
        for entry in page:
            if isinstance(entry.record, Intent):
                try:
                    result = classify_intent(entry.record, await bucket.head(entry.record.key))
                except UNSEEN as error:
                    # Its step stays open, and the next look asks again; all others go on.
                    log.warning("step_left_open", key=entry.record.key, what=error.what)
                    continue
                await audit.append(entry.operation_id, [result])
                outcomes[result.outcome] += 1
    restores = 0
    async for page in audit.unresolved_restores():
        for entry in page:
            if isinstance(entry.record, RestoreIntent):
                try:
                    restored = await _look_at_restore(bucket, audit, entry.record)
                except UNSEEN as error:
                    log.warning("step_left_open", key=entry.record.key, what=error.what)
                    continue
                await audit.append(entry.operation_id, [restored])
                restores += 1
    operations = files_removed = 0
    for operation in await audit.operations():
        if operation.finished is None:
            files_removed += await tidy(audit, files, operation.operation_id)
            await audit.append(operation.operation_id, [OperationFinished("interrupted")])
            operations += 1
        elif await _was_left_untidy(files, operation):
            files_removed += await tidy(audit, files, operation.operation_id)
    return Recovered(
        operations,
        outcomes[Outcome.DELETED],
        outcomes[Outcome.KEPT],
        outcomes[Outcome.CHANGED],
        restores,
        files_removed,
    )


async def _was_left_untidy(files: BackupFiles, operation: Operation) -> bool:
    """Whether an operation ended with an error before its folder was tidy, as on a full disk.

    Its manifest is the last thing that tidying writes.
    """
    finished = operation.finished
    if finished is None or finished.outcome in _TIDY_ENDS:
        return False
    return not await asyncio.to_thread(files.has_manifest, operation.operation_id)


async def _look_at_restore(bucket: Bucket, audit: AuditLog, intent: RestoreIntent) -> Restored:
    state = await bucket.head(intent.key)
    if state is None:
        return classify_restore(intent, None, None)
    backup = await audit.intent(intent.from_operation, intent.key)
    unequal = await differences(bucket, backup) if backup else "its backup is not recorded"
    restored = classify_restore(intent, state, unequal)
    if unequal is None and backup is not None and is_compact_copy(backup, state.size):
        return msgspec.structs.replace(restored, reason=f"{restored.reason}; {LOSSY}", lossy=True)
    return restored
