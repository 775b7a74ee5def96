"""Recovery: every half-finished step that an operation left behind is classified and finished.

Runs at the start of every operation that holds the vault. The table is that of the vault's
notes, section 5. Nothing is deleted from the bucket here: what died before its delete is judged
anew when its plan is gone on with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket, ObjectChanged, ObjectUnreadable
from s3gc_core.collection.classification import classify_intent, classify_restore
from s3gc_core.collection.comparison import differences
from s3gc_core.collection.strays import tidy
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.collection.whose import may_conclude
from s3gc_core.collection.write_back import LOSSY, is_compact_copy
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    Entry,
    Intent,
    Operation,
    OperationFinished,
    Outcome,
    Restored,
    RestoreIntent,
    Result,
)

# A HEAD that tells of one object only that it cannot be looked at.
UNSEEN = (ObjectChanged, ObjectUnreadable)
# The operation that removes backups of others.
PURGE = "purge"
# What an operation is only said to have come to when its folder is tidy.
_TIDY_ENDS = frozenset({"done", "partial"})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery found: operations that had ended without a word, and their open steps.

    `left_open`: keys whose step stays open, as their object cannot be looked at, and why.
    """

    operations: int = 0
    deleted: int = 0
    still_there: int = 0
    changed: int = 0
    restores: int = 0
    files_removed: int = 0
    # Of no account in `anything`: it is left so, look after look.
    left_open: Mapping[str, str] = field(default_factory=dict, compare=False)

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
    stays open, if the bucket answers all the same. Raises `BucketUnreachable`, `StoreFailed` where
    the bucket cannot be asked, or is not there: without an answer nothing is concluded.
    """
    if await audit.claimed():
        # Where the bucket itself is gone each HEAD says so of its key; it also tells within
        # seconds: whoever needs a file now must not wait out all retries.
        await bucket.check()
        if not await may_conclude(bucket, audit, may_be_anew=may_be_anew):
            return None
    steps = _OpenSteps(bucket, audit)
    async for page in audit.unresolved_intents():
        await steps.resolve(page)
    async for page in audit.unresolved_restores():
        await steps.resolve(page)
    operations, files_removed = await _end_operations(audit, files)
    return Recovered(
        operations,
        steps.outcomes[Outcome.DELETED],
        steps.outcomes[Outcome.KEPT],
        steps.outcomes[Outcome.CHANGED],
        steps.restores,
        files_removed,
        steps.left_open,
    )


async def recover_restores(
    bucket: Bucket, audit: AuditLog, alive: Collection[str], *, may_be_anew: bool = False
) -> Recovered | None:
    """As `recover`, of the restores alone that no operation that is `alive` left open; all else
    waits.

    The caller holds the vault's healing, so nobody but the `alive` has begun a step by now, and
    what dead ones left changes no more. Returns and raises as `recover`.
    """
    steps, asked = _OpenSteps(bucket, audit), False
    async for page in audit.unresolved_restores():
        dead = [entry for entry in page if entry.operation_id not in alive]
        if dead and not asked:
            await bucket.check()
            if not await may_conclude(bucket, audit, may_be_anew=may_be_anew):
                return None
            asked = True
        await steps.resolve(dead)
    return Recovered(restores=steps.restores, left_open=steps.left_open)


@dataclass(slots=True)
class _OpenSteps:
    """What became of open steps. `left_open`: keys that cannot be looked at, and why."""

    bucket: Bucket
    audit: AuditLog
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    restores: int = 0
    left_open: dict[str, str] = field(default_factory=dict)
    _unserved: Unserved = field(init=False)

    def __post_init__(self) -> None:
        self._unserved = Unserved(self.bucket)

    async def resolve(self, page: list[Entry]) -> None:
        """Classify each and record that.

        One whose object cannot be looked at stays open, and the next look asks again; all others
        go on. Raises what `Unserved.excuse` raises.
        """
        for entry in page:
            record = entry.record
            if not isinstance(record, Intent | RestoreIntent):
                continue
            try:
                await self._resolve(entry.operation_id, record)
                self._unserved.served()
            except UNSEEN as error:
                self._leave(record.key, error.what)
            except OF_ONE_OR_OF_ALL as error:
                self._leave(record.key, await self._unserved.excuse(error))

    async def _resolve(self, operation_id: str, step: Intent | RestoreIntent) -> None:
        found: Result | Restored
        if isinstance(step, Intent):
            found = classify_intent(step, await self.bucket.head(step.key))
            self.outcomes[found.outcome] += 1
        else:
            found = await _look_at_restore(self.bucket, self.audit, step)
            self.restores += 1
        await self.audit.append(operation_id, [found])

    def _leave(self, key: str, why: str) -> None:
        self.left_open[key] = why
        log.warning("step_left_open", key=key, what=why)


async def _end_operations(audit: AuditLog, files: BackupFiles) -> tuple[int, int]:
    """End what ended without a word, and tidy what is untidy: operations, and files removed."""
    ended = removed = 0
    operations = await audit.operations()
    # A purge that died took manifests away, and may have left files of which it recorded the end.
    purging = any(one.finished is None and one.started.what == PURGE for one in operations)
    for operation in operations:
        if operation.finished is None:
            removed += await tidy(audit, files, operation.operation_id)
            await audit.append(operation.operation_id, [OperationFinished("interrupted")])
            ended += 1
        elif purging or await _was_left_untidy(files, operation):
            removed += await tidy(audit, files, operation.operation_id)
    return ended, removed


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
