"""Asking MySQL or MariaDB for the rows that hold given values, where an index finds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager

import aiomysql

from s3gc_core.databases import naming
from s3gc_core.databases.mysql_catalogue import Table, check, quote
from s3gc_core.databases.mysql_connection import Connection, fetch
from s3gc_core.databases.mysql_pages import Pages, select
from s3gc_core.databases.mysql_rows import ResultRows
from s3gc_core.databases.protocol import Page, ProbeWay, TableRead
from s3gc_core.databases.turns import Turns

# Values of one statement: MariaDB makes a subquery of 1,000 and more, which it may then join the
# other way round (its manual, "Conversion of Big IN Predicates Into Subqueries").
CHUNK = 900
TIMEOUT_SECONDS = 600.0
# Of longer texts only the beginning is in an index.
_TYPES = frozenset({"varchar", "char"})
# Those whose first column is the one asked for, as a whole.
_INDEXES = """
    SELECT INDEX_NAME FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s
        AND SEQ_IN_INDEX = 1 AND SUB_PART IS NULL AND INDEX_TYPE IN ('BTREE', 'HASH')
"""
_CHARSET = """
    SELECT CHARACTER_SET_NAME FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s
"""
_ROWS = """
    SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
"""


class MysqlProbes:
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
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    return await self._way(table, read, values)

    async def rows(self, read: TableRead, values: Sequence[str]) -> AsyncGenerator[Page, None]:
        """The rows with one of these values: see `Probes`."""
        async with self._turns.mine():
            with self._reading(read):
                table = await check(self._connection, self._name, read)
            for start in range(0, len(values), CHUNK):
                async for found in self._chunk(table, read, values[start : start + CHUNK]):
                    yield found

    async def _chunk(
        self, table: Table, read: TableRead, values: Sequence[str]
    ) -> AsyncGenerator[Page, None]:
        with self._reading(read):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                rows = await ResultRows.start(self._connection, _query(table, read, values))
        try:
            with self._reading(read):
                pages = Pages(self._name, table, read, rows)
            size = naming.PageSize()
            while True:
                with self._reading(read):
                    async with asyncio.timeout(TIMEOUT_SECONDS):
                        columns = await rows.fetch(size.rows)
                    found = pages.page(columns)
                if not found:
                    return
                size.learn(found)
                yield found
        finally:
            if not rows.ended:
                # Somewhere inside a result: nothing sent now would be understood.
                self._connection.close()

    async def _way(self, table: Table, read: TableRead, values: Sequence[str]) -> ProbeWay:
        column = read.columns[0]
        schema, name = naming.split_name(table.shape.canonical)
        charset = await fetch(self._connection, _CHARSET, schema, name, column)
        # Of another one the server may have to convert the column, and then uses no index.
        if table.types[column] not in _TYPES or charset != [("utf8mb4",)]:
            return ProbeWay(why_not="no plain text column in utf8mb4")
        indexes = {i for (i,) in await fetch(self._connection, _INDEXES, schema, name, column)}
        if not indexes:
            return ProbeWay(why_not="no index")
        estimate = await fetch(self._connection, _ROWS, schema, name)
        rows = int(estimate[0][0]) if estimate and estimate[0][0] is not None else None
        if naming.is_much_of(len(values), rows):
            return ProbeWay(why_not="quicker for so few rows")
        cursor = await self._connection.cursor(aiomysql.DictCursor)
        await cursor.execute(f"EXPLAIN {_query(table, read, values[:CHUNK])}")
        plan = await cursor.fetchall()
        # `index` and `ALL` read it as a whole.
        by_value = len(plan) == 1 and plan[0]["type"] in ("const", "ref", "range")
        if by_value and plan[0]["key"] in indexes:
            return ProbeWay(index=str(plan[0]["key"]))
        return ProbeWay(why_not="the planner does not use the index")


def _query(table: Table, read: TableRead, values: Sequence[str]) -> str:
    plain = select(table, TableRead(read.table, read.columns))
    # In hexadecimal they mean the same under every sql_mode.
    literals = [f"_utf8mb4 X'{v.encode().hex()}'" for v in values if naming.is_utf8(v)]
    # The operator's condition may end with a comment, so that it comes last.
    more = "" if read.where is None else f" AND ({read.where}\n)"
    name = f"{table.sql_name}.{quote(read.columns[0])}"
    return f"{plain} WHERE {name} IN ({', '.join(literals) or 'NULL'}){more}"
