"""How many objects we removed since the last scan: by key, whatever is recorded twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3gc_core.vault import (
    AnyRecord,
    AuditLog,
    Outcome,
    Restored,
    RestoreOutcome,
    Result,
    ScanRecorded,
)
from tests.core.vault.builders import OPERATION, SteppingClock

SCAN = "01K0000000000000000000000C"
WORDS = {
    "deleted": Outcome.DELETED,
    "vanished": Outcome.VANISHED,
    "changed": Outcome.CHANGED,
    "restored": RestoreOutcome.RESTORED,
    "there": RestoreOutcome.ALREADY_THERE,
}


def records(told: str) -> Iterator[AnyRecord]:
    """`scan`, or an outcome and a key."""
    for line in told.split(", "):
        word, _, key = line.partition(" ")
        outcome = WORDS.get(word)
        if isinstance(outcome, Outcome):
            yield Result(key, outcome)
        elif isinstance(outcome, RestoreOutcome):
            yield Restored(key, OPERATION, outcome)
        else:
            yield ScanRecorded(10, {})


@pytest.mark.parametrize(
    ("told", "removed"),
    [
        ("scan", 0),
        ("deleted a, deleted b", 2),
        ("deleted a, scan", 0),
        ("scan, deleted a, deleted b, changed c, vanished d", 2),
        ("scan, deleted a, restored a", 0),
        ("deleted a, scan, restored a", -1),
        ("scan, restored a", -1),
        # A killed restore is repeated, and recovery finds the object back each time.
        ("scan, deleted a, restored a, restored a, restored a", 0),
        ("deleted a, scan, restored a, restored a, there a", -1),
        ("deleted a, restored a, scan, restored a", 0),
        ("deleted a, scan, restored a, deleted a, restored a, deleted a", 0),
        ("deleted a, restored a, scan, deleted a, scan, deleted b, restored b, deleted c", 1),
    ],
)
async def test_each_key_counts_once(tmp_path: Path, told: str, removed: int) -> None:
    log = await AuditLog.open(tmp_path, SteppingClock())
    for record in records(told):
        await log.append(SCAN, [record])
    assert await log.removed_since_scan() == removed
    await log.close()
