"""The table of the vault's notes: what recovery concludes from what it finds, row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from s3gc_core.bucket import ObjectHeaders, ObjectState
from s3gc_core.collection.classification import classify_intent, classify_restore
from s3gc_core.vault import (
    Intent,
    Outcome,
    Restored,
    RestoreIntent,
    RestoreOutcome,
    Result,
    StoredBackup,
)

THEN = datetime(2026, 11, 1, tzinfo=UTC)
INTENT = Intent(
    "a/key",
    '"e1"',
    None,
    3,
    THEN,
    ObjectHeaders(),
    StoredBackup("backups/OP/a-key.bin", "raw", 3, "00", 3, "00"),
)


def state(etag: str, size: int = 3, version_id: str | None = None) -> ObjectState:
    return ObjectState("a/key", etag, size, THEN, version_id, 0, ObjectHeaders())


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (None, Outcome.DELETED, "gone when looked for"),
        (state('"e1"'), Outcome.KEPT, "the operation ended before its delete"),
        (state('"e2"'), Outcome.CHANGED, "another object lives at the key now"),
        # The ETag decides: same bytes uploaded again are the same object to a conditional delete.
        (state('"e1"', version_id="v2"), Outcome.KEPT, "the operation ended before its delete"),
        (state('"e2"', size=4), Outcome.CHANGED, "another object lives at the key now"),
    ],
)
def test_an_intent_without_its_result(
    found: ObjectState | None, outcome: Outcome, reason: str
) -> None:
    assert classify_intent(INTENT, found) == Result("a/key", outcome, reason, inferred=True)


@pytest.mark.parametrize("overwrite_etag", [None, '"e0"'])
@pytest.mark.parametrize(
    ("found", "unequal", "outcome", "etag", "reason"),
    [
        (
            None,
            None,
            RestoreOutcome.FAILED,
            None,
            "the operation ended before the object was written",
        ),
        (
            state('"e1"'),
            None,
            RestoreOutcome.RESTORED,
            '"e1"',
            "found identical when looked for",
        ),
        (
            state('"e2"'),
            "the object at the key has other bytes than the backup",
            RestoreOutcome.NEWER_KEPT,
            '"e2"',
            "the object at the key has other bytes than the backup",
        ),
        (
            state('"e1"'),
            "the object at the key differs in tags",
            RestoreOutcome.NEWER_KEPT,
            '"e1"',
            "the object at the key differs in tags",
        ),
    ],
)
def test_a_restore_without_its_end(
    found: ObjectState | None,
    unequal: str | None,
    outcome: RestoreOutcome,
    etag: str | None,
    reason: str,
    overwrite_etag: str | None,
) -> None:
    intent = RestoreIntent("a/key", "OP", overwrite_etag)
    assert classify_restore(intent, found, unequal) == Restored(
        "a/key", "OP", outcome, etag, reason, inferred=True
    )
