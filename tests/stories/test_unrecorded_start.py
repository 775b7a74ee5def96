"""An operation whose beginning the disk refused has no end in the audit log either."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from s3gc_core.errors import VaultFull
from s3gc_core.jobs import Standing, list_jobs
from s3gc_core.vault import AuditLog, OperationFinished, OperationStarted
from s3gc_core.vault.records import AnyRecord
from tests.world import World


async def test_an_end_without_a_beginning_is_never_recorded(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    world.track({"t": ["k"]})
    append = AuditLog.append

    async def full(self: AuditLog, operation_id: str, records: Sequence[AnyRecord]) -> list[int]:
        if any(isinstance(record, OperationStarted) for record in records):
            raise VaultFull("no space left")
        return await append(self, operation_id, records)

    monkeypatch.setattr(AuditLog, "append", full)
    with pytest.raises(VaultFull):
        await world.scan()
    monkeypatch.undo()
    [job] = list_jobs(world.config.vault_path)
    assert job.state is not None
    assert (job.standing, job.state.outcome, job.state.error) == (
        Standing.ENDED,
        "blocked",
        "vault-full",
    )
    async with world.collector() as collector:
        pages = [page async for page in collector.audit.entries()]
        assert [
            entry.record
            for page in pages
            for entry in page
            if isinstance(entry.record, OperationStarted | OperationFinished)
        ] == []
        assert await collector.audit.operations() == []
