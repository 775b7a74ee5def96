"""Deletes that were done late: by a store that took one and did it after recovery, or we ourselves,
had found the object still there.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.collection.recovery import UNSEEN
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.collection.whose import may_conclude
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import AuditLog, BackupState, Outcome, Result

# A store that holds a request back does it within minutes, but the next look may be that of a
# weekly run. The longer, the more of what the application itself deleted is taken for ours.
LOOKS_BACK = timedelta(days=8)
# One batch of an execution is what a broken connection leaves undecided. Of more, the newest are
# looked at, so that no operation waits for long: about a second.
MOST = 1_000
_AT_ONCE = 16


async def note_late_deletes(bucket: Bucket, audit: AuditLog, *, may_be_anew: bool = False) -> int:
    """Record as vanished what was still there after the delete of a recent operation, and is gone
    now: restores and healing then know it. Returns how many.

    Its application may have deleted it; nobody can tell, and a backup too many that can be
    restored does no harm. To be called while no execution runs. Raises `BucketUnreachable`,
    `StoreFailed`: of a bucket that is away nothing is concluded, nor of one that is not the
    vault's own (see `unlike_bound`).
    """
    left: list[BackupState] = []
    async for page in audit.left_by_deletes(LOOKS_BACK):
        left += page
        if len(left) >= MOST:
            break
    if not left:
        return 0
    # Where the bucket itself is gone each HEAD says so, too, of its key.
    await bucket.check()
    if not await may_conclude(bucket, audit, may_be_anew=may_be_anew):
        return 0
    at_once, unserved = asyncio.Semaphore(_AT_ONCE), Unserved(bucket)

    async def is_gone(state: BackupState) -> bool:
        async with at_once:
            try:
                gone = await bucket.head(state.intent.key) is None
            except UNSEEN as error:
                why = error.what
            except OF_ONE_OR_OF_ALL as error:
                why = await unserved.excuse(error)
            else:
                unserved.served()
                return gone
        log.info("late_delete_not_looked_at", key=state.intent.key, detail=why)
        return False

    looked_at = left[:MOST]
    gone = await in_parallel(map(is_gone, looked_at))
    late = [state for state, is_so in zip(looked_at, gone, strict=True) if is_so]
    results: dict[str, list[Result]] = {}
    for state in late:
        results.setdefault(state.operation_id, []).append(_vanished(state))
    for operation_id, of_one in results.items():
        await audit.append(operation_id, of_one)
    if late:
        log.warning("deletes_came_late", objects=len(late), example=late[0].intent.key)
    return len(late)


def _vanished(state: BackupState) -> Result:
    was = "failed" if state.outcome is Outcome.FAILED else "was not sent, as far as anybody knew"
    reason = f"gone by now, though its delete {was}"
    return Result(state.intent.key, Outcome.VANISHED, reason, inferred=True)
