"""The application's side of a database: what tests use to make tables and change rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import aiomysql
import asyncpg

from s3gc_core.database_url import DatabaseUrl, Engine

# Strings and quoted names stay as they are; a `?` outside of them is a placeholder.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\?|%")


class AppDatabase:
    """One database of the application, spoken to in one simple SQL dialect with `?` placeholders.

    Each statement commits at once. The connection is made when it is needed, and made again after
    the server went away. Names that need quotes take the engine's own (`"x"` or backticks).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._parsed = DatabaseUrl.parse(url)
        self._connection: Any = None

    @property
    def engine(self) -> Engine:
        """postgresql, mysql or sqlite."""
        return self._parsed.engine

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        assert self.engine is Engine.SQLITE
        return Path(self._parsed.database)

    def quoted(self, name: str) -> str:
        """The name as this engine quotes it."""
        mark = "`" if self.engine is Engine.MYSQL else '"'
        return f"{mark}{name.replace(mark, mark * 2)}{mark}"

    async def execute(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Run one statement and commit; returns the rows it gives, if any."""
        match self.engine:
            case Engine.POSTGRESQL:
                connection = await self._postgres()
                return [tuple(row) for row in await connection.fetch(self._sql(sql), *params)]
            case Engine.MYSQL:
                cursor = await (await self._mysql()).cursor()
                plain = [param.hex() if isinstance(param, bytes) else param for param in params]
                await cursor.execute(self._sql(sql, params), plain)
                return list(await cursor.fetchall() or ())
            case Engine.SQLITE:
                with closing(self._sqlite()) as sqlite:
                    return sqlite.execute(sql, params).fetchall()

    async def executemany(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement for many rows, in one transaction."""
        match self.engine:
            case Engine.POSTGRESQL:
                await (await self._postgres()).executemany(self._sql(sql), rows)
            case Engine.MYSQL:
                await self._executemany_mysql(sql, list(rows))
            case Engine.SQLITE:
                with closing(self._sqlite()) as sqlite:
                    sqlite.execute("BEGIN")
                    sqlite.executemany(sql, rows)
                    sqlite.execute("COMMIT")

    async def close(self) -> None:
        """Close the connection; the next statement would open another."""
        connection, self._connection = self._connection, None
        if isinstance(connection, asyncpg.Connection):
            await connection.close()
        elif connection is not None and not connection.closed:
            await connection.ensure_closed()

    async def _executemany_mysql(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        connection = await self._mysql()
        await connection.begin()
        if any(isinstance(value, bytes) for row in rows for value in row):
            for row in rows:
                await self.execute(sql, *row)
        else:
            cursor = await connection.cursor()
            await cursor.executemany(self._sql(sql), rows)
        await connection.commit()

    def _sql(self, sql: str, params: Sequence[object] = ()) -> str:
        count = -1

        def translated(match: re.Match[str]) -> str:
            nonlocal count
            token = match[0]
            if token != "?":
                return token.replace("%", "%%") if self.engine is Engine.MYSQL else token
            count += 1
            if self.engine is Engine.POSTGRESQL:
                return f"${count + 1}"
            # aiomysql 0.3.2 cannot escape bytes with the PyMySQL of today: they go as hex.
            return "UNHEX(%s)" if params and isinstance(params[count], bytes) else "%s"

        return _TOKEN.sub(translated, sql)

    async def _postgres(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.url, statement_cache_size=0)
        return self._connection

    async def _mysql(self) -> Any:
        if self._connection is None or self._connection.closed:
            url = self._parsed
            self._connection = await aiomysql.connect(
                host=url.host,
                port=url.port,
                user=url.user,
                password=url.password,
                db=url.database,
                charset="utf8mb4",
                autocommit=True,
            )
        return self._connection

    def _sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._parsed.database, isolation_level=None, timeout=10)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection
