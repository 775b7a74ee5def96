"""What became of a step whose end nobody heard: pure decisions from the object at its key now.

The table is that of the vault's notes, section 5.
"""

from __future__ import annotations

from s3gc_core.bucket import ObjectState
from s3gc_core.vault import Intent, Outcome, Restored, RestoreIntent, RestoreOutcome, Result


def classify_intent(intent: Intent, state: ObjectState | None) -> Result:
    """What became of a delete whose answer was never recorded, from the object at its key now."""
    if state is None:
        return Result(intent.key, Outcome.DELETED, "gone when looked for", inferred=True)
    if state.etag == intent.etag:
        return Result(
            intent.key, Outcome.KEPT, "the operation ended before its delete", inferred=True
        )
    return Result(intent.key, Outcome.CHANGED, "another object lives at the key now", inferred=True)


def classify_restore(
    intent: RestoreIntent, state: ObjectState | None, unequal: str | None
) -> Restored:
    """What became of a restore whose end was never recorded. `unequal`: how the object at the
    key differs from the backup, None where it does not.
    """
    if state is None:
        outcome, reason = RestoreOutcome.FAILED, "the operation ended before the object was written"
    elif unequal is None:
        outcome, reason = RestoreOutcome.RESTORED, "found identical when looked for"
    else:
        outcome, reason = RestoreOutcome.NEWER_KEPT, unequal
    etag = state.etag if state else None
    return Restored(intent.key, intent.from_operation, outcome, etag, reason, inferred=True)
