"""Asking PostgreSQL for the rows that hold given values, where an index finds them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.postgres_catalogue import Table, check, prepare, quote
from s3gc_core.databases.postgres_pages import page, select
from s3gc_core.databases.protocol import Page, ProbeWay, TableRead
from s3gc_core.databases.turns import Turns

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# Values of one statement: from some thousand on a statement costs nothing beside them.
CHUNK = 5_000
TIMEOUT_SECONDS = 600.0
# Of char(n) and citext the comparison is another one than that of texts.
_TYPES = frozenset({"text", "varchar"})
# Those whose first column is the one asked for; a partial one may lack the row.
_INDEXES = """
    SELECT x.relname::text AS name
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = x.relam
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1::int8::oid AND a.attname::text = $2
        AND i.indisvalid AND i.indisready AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')
"""
_ROWS = "SELECT reltuples::int8 FROM pg_catalog.pg_class WHERE oid = $1::int8::oid"


class PostgresProbes:
    """Probes of one snapshot: see `protocol.Probes`."""

    def __init__(
        self,
        name: str,
        reading: Callable[[TableRead], AbstractContextManager[None]],
        connection: Connection,
        turns: Turns,
    ) -> None:
        self._name = name
        self._reading = reading
        self._connection = connection
        self._turns = turns

    async def way(self, read: TableRead, values: Sequence[str]) -> ProbeWay:
        """Whether an index finds these values: see `Probes`."""
        async with self._turns.mine():
            with self._reading(read):
                table = await check(self._connection, self._name, read)
                return await self._way(table, read, values)

    async def rows(self, read: TableRead, values: Sequence[str]) -> AsyncGenerator[Page, None]:
        """The rows with one of these values: see `Probes`."""
        async with self._turns.mine():
            with self._reading(read):
                table = await check(self._connection, self._name, read)
                query = await self._query(table, read)
            for start in range(0, len(values), CHUNK):
                asked = _storable(values[start : start + CHUNK])
                with self._reading(read):
                    async with self._by_index():
                        statement = await self._connection.prepare(query)
                        cursor = await statement.cursor(asked, timeout=TIMEOUT_SECONDS)
                size = naming.PageSize()
                while True:
                    with self._reading(read):
                        records = await cursor.fetch(size.rows, timeout=TIMEOUT_SECONDS)
                        found = page(records, table, read)
                    if not found:
                        break
                    size.learn(found)
                    yield found

    async def _way(self, table: Table, read: TableRead, values: Sequence[str]) -> ProbeWay:
        column = table.columns[read.columns[0]]
        if table.kind != "r" or table.as_bytes or column["base"] not in _TYPES:
            return ProbeWay(why_not="no plain text column of an ordinary table")
        indexes = await self._connection.fetch(_INDEXES, table.oid, read.columns[0])
        if not indexes:
            return ProbeWay(why_not="no index")
        rows = await self._connection.fetchval(_ROWS, table.oid)
        if naming.is_much_of(len(values), rows):
            return ProbeWay(why_not="quicker for so few rows")
        query = await self._query(table, read)
        async with self._by_index():
            plan = await self._connection.fetchval(
                f"EXPLAIN (FORMAT JSON) {query}", _storable(values[:CHUNK])
            )
        used = {str(name) for name in _scanned(json.loads(plan)[0]["Plan"])}
        if len(used) == 1 and used <= {str(index["name"]) for index in indexes}:
            return ProbeWay(index=used.pop())
        return ProbeWay(why_not="the planner cannot use the index")

    @asynccontextmanager
    async def _by_index(self) -> AsyncIterator[None]:
        """What is planned meanwhile uses an index if it can.

        For a disk as the planner imagines it, some thousand probes cost more than the pass; what
        the rows cost us that it would send is nothing to it.
        """
        await self._connection.execute("SET LOCAL enable_seqscan = off")
        yield
        # Else the reads of other tables would be planned so, too. After an error nothing is read.
        await self._connection.execute("RESET enable_seqscan")

    async def _query(self, table: Table, read: TableRead) -> str:
        # As one statement, without parameters of its own, before ours is put into it.
        await prepare(self._connection, self._name, select(table, read), read)
        plain = select(table, TableRead(read.table, read.columns))
        # The operator's condition may end with a comment, so that it comes last.
        more = "" if read.where is None else f" AND ({read.where}\n)"
        name = f"{table.sql_name}.{quote(read.columns[0])}"
        return f"{plain} WHERE {name} = ANY ($1::pg_catalog.text[]){more}"


def _storable(values: Sequence[str]) -> list[str]:
    """Those that a PostgreSQL text can hold; no row has the others."""
    return [value for value in values if "\0" not in value and naming.is_utf8(value)]


def _scanned(plan: dict[str, object]) -> Iterator[object]:
    """What each part of a plan finds its rows by: an index, or a table as a whole."""
    inner = plan.get("Plans")
    if "Index Name" in plan:
        yield plan["Index Name"]
    elif not isinstance(inner, list):
        yield f"{plan.get('Node Type')}"
    for part in inner if isinstance(inner, list) else ():
        yield from _scanned(part)
