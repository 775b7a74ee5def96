"""A disk that takes no record for a moment: what was heard of deletes is recorded after it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from s3gc_core.collection import execute
from s3gc_core.errors import VaultUnreachable
from s3gc_core.vault import AuditLog, Result
from s3gc_core.vault.records import AnyRecord
from tests.core.judgement.controlled import rows
from tests.world import World

ORPHANS = {"a.bin", "b.bin"}


async def test_what_was_heard_is_recorded_by_the_next_commit(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("used", *ORPHANS):
        await world.put(key)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    claim = AuditLog.claim
    refused = 0

    async def full_once(
        self: AuditLog, operation_id: str, records: Sequence[AnyRecord]
    ) -> frozenset[str]:
        nonlocal refused
        if not refused and any(isinstance(record, Result) for record in records):
            refused += 1
            raise VaultUnreachable("no space left on device")
        return await claim(self, operation_id, records)

    monkeypatch.setattr(AuditLog, "claim", full_once)
    with pytest.raises(VaultUnreachable):
        await world.execute(summary.plan_id)
    assert refused == 1
    async with world.collector() as collector:
        pages = collector.audit.entries(kinds=("result",))
        found = [entry.record async for page in pages for entry in page]
    # By what the store said, not by what recovery concludes from looking.
    told = {r.key: (r.outcome.value, r.inferred) for r in found if isinstance(r, Result)}
    assert told == {"a.bin": ("deleted", False)}
    assert await world.keys() == {"used", "b.bin"}
