"""Real databases with one thing about them changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from s3gc_core.databases import Row, Snapshot
from s3gc_core.databases.protocol import ListedTable, RowId, TableRead, TableShape


@dataclass
class Delegating:
    """All of a snapshot but its rows."""

    snapshot: Snapshot

    async def describe(self, read: TableRead) -> TableShape:
        return await self.snapshot.describe(read)

    async def tables(self) -> list[ListedTable]:
        return await self.snapshot.tables()

    async def sample(self, read: TableRead, limit: int) -> Sequence[Row]:
        return await self.snapshot.sample(read, limit)

    async def query_for(self, read: TableRead, row: RowId) -> str:
        return await self.snapshot.query_for(read, row)
