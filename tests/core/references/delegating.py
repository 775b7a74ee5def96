"""Real databases with one thing about them changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from s3gc_core.databases import Page, Probes, Role, Row, Snapshot
from s3gc_core.databases.protocol import ListedTable, RowId, TableRead, TableShape


def page_of(rows: Sequence[Row]) -> Page:
    """A page with these rows."""
    return Page([row.id for row in rows], list(zip(*(row.values for row in rows), strict=True)))


@dataclass
class Delegating:
    """All of a snapshot but its rows."""

    snapshot: Snapshot

    @property
    def is_remote(self) -> bool:
        return self.snapshot.is_remote

    @property
    def lets_go(self) -> bool:
        return self.snapshot.lets_go

    @property
    def probes(self) -> Probes | None:
        return self.snapshot.probes

    def rows(self, read: TableRead) -> AsyncIterator[Page]:
        raise NotImplementedError

    def lines(self, read: TableRead) -> AsyncIterator[Page]:
        return self.rows(read)

    async def role(self) -> Role:
        return await self.snapshot.role()

    async def describe(self, read: TableRead) -> TableShape:
        return await self.snapshot.describe(read)

    async def tables(self) -> list[ListedTable]:
        return await self.snapshot.tables()

    async def sample(self, read: TableRead, limit: int) -> Sequence[Row]:
        return await self.snapshot.sample(read, limit)

    async def query_for(self, read: TableRead, row: RowId) -> str:
        return await self.snapshot.query_for(read, row)
