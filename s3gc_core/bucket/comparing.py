"""Deleting where the store ignores conditions: looked at, compared, deleted, one object at a time.

Between the look and the delete another object can come to the key, and is then deleted unseen.
That window is kept as short as it can be, and cannot be closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from s3gc_core.bucket.deleting import delete_batch, delete_one, is_worth_another_try
from s3gc_core.bucket.objects import (
    BackedUp,
    DeleteMode,
    DeleteModes,
    DeleteOutcome,
    DeleteResult,
    ObjectState,
)
from s3gc_core.bucket.reading import glance
from s3gc_core.errors import S3gcError

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection


async def delete_by_modes(
    paced: Connection, once: Connection, modes: DeleteModes, objects: Mapping[str, BackedUp]
) -> dict[str, DeleteResult]:
    """See `Bucket.delete_by_modes`. Both send every request once; `once` waits for no pace."""

    async def compared(key: str, _: str) -> DeleteResult:
        # Between the last check and the delete nobody may wait; whoever comes next does.
        paced.pace.sent(2)
        return await compare_and_delete(once, key, objects[key])

    return await delete_batch(
        paced,
        [(key, was.etag) for key, was in objects.items()],
        one=compared if modes.single is DeleteMode.HEAD_COMPARE else None,
        in_batches=modes.batch is DeleteMode.CONDITIONAL_BATCH,
    )


async def compare_and_delete(once: Connection, key: str, was: BackedUp) -> DeleteResult:
    """Delete the object if a HEAD, sent right before, shows the one that was backed up.

    An error is a result, `undone` where the look may succeed in a moment. `once` must not repeat a
    request: a delete sent again seconds later would hit whatever has come to the key meanwhile.
    """
    try:
        now = await glance(once, key)
    except S3gcError as error:
        again = is_worth_another_try(error)
        return DeleteResult(DeleteOutcome.FAILED, error.what, undone=again)
    if now is None:
        return DeleteResult(DeleteOutcome.VANISHED, "nothing was there right before the delete")
    if differing := _differences(was, now):
        reason = f"right before the delete these differed from the backup: {differing}"
        return DeleteResult(DeleteOutcome.CHANGED, reason)
    # With the condition all the same: where it means something after all, it closes the window.
    return await delete_one(once, key, was.etag)


def _differences(was: BackedUp, now: ObjectState) -> str:
    differs = {
        "ETag": was.etag != now.etag,
        "size": was.size != now.size,
        "LastModified": was.last_modified != now.last_modified,
    }
    return ", ".join(name for name, is_so in differs.items() if is_so)
