"""The application: tables that refer to objects, and what its writers do with both."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from tests.follow.application import without_jit
from tests.servers.app_database import AppDatabase
from tests.soak.events import Event, Kind

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

# By an index, and in one pass: both ways of the last check.
TRACKED: dict[str, object] = {"files": ["path"], "links": ["url"]}
_COLUMNS = {"files": "path", "links": "url"}
_CREATE = (
    "CREATE TABLE files (id bigint PRIMARY KEY, path varchar(100))",
    "CREATE INDEX files_by_path ON files (path)",
    "CREATE TABLE links (id bigint PRIMARY KEY, url varchar(300))",
)
# Each writer numbers its rows from here on, times its own number.
ROWS_OF_A_WRITER = 10_000_000
# A writer works on some keys for a while, and then leaves them alone.
_WORKING_SET, _SECONDS_AT_IT = 0.15, 1.0
_MOST_ROWS, _STILL_ROWS = 0.6, 3
# So many rows come, or go, in one statement.
_ALBUMS = (1, 2, 8, 20)
_LATE_SECONDS, _LATE_ROWS = 0.3, 10


def all_keys(number: int) -> list[str]:
    """The keys of a run."""
    return [f"media/{n % 7}/{n:05}.bin" for n in range(number)]


def body(key: str, version: int) -> bytes:
    """What is uploaded there as that version."""
    return f"{key} {version} ".encode() * (1 + (len(key) + version) % 40)


async def make_tables(app: AppDatabase) -> None:
    """The application's tables, empty."""
    await without_jit(app)
    for create in _CREATE:
        await app.execute(create)


def written(table: str, key: str) -> str:
    """How a table writes a key."""
    return key if table == "files" else f"/{key}"


class Rows:
    """The rows of one writer, each through its own connection. Every change is in the log."""

    def __init__(self, app: AppDatabase, log: list[Event], number: int) -> None:
        self._app = app
        self._log = log
        self._numbers = count(number * ROWS_OF_A_WRITER)
        self.held: dict[tuple[str, int], str] = {}

    async def insert(self, kind: Kind, table: str, *keys: str, late: bool = False) -> None:
        """New rows in one statement; `late`: its transaction goes on for a while before it is
        committed.
        """
        rows = [(next(self._numbers), key) for key in keys]
        values = [value for row, key in rows for value in (row, written(table, key))]
        places = ", ".join("(?, ?)" for _ in rows)
        sql = f"INSERT INTO {table} (id, {_COLUMNS[table]}) VALUES {places}"
        if late:
            await self._app.execute("BEGIN")
            await self._app.execute(sql, *values)
            await asyncio.sleep(_LATE_SECONDS)
            await self._do(kind, table, rows, "COMMIT")
        else:
            await self._do(kind, table, rows, sql, *values)
        self.held |= {(table, row): key for row, key in rows}

    async def move(self, table: str, row: int, key: str) -> None:
        """The row refers to another key."""
        sql = f"UPDATE {table} SET {_COLUMNS[table]} = ? WHERE id = ?"
        await self._do(Kind.MOVE, table, [(row, key)], sql, written(table, key), row)
        self.held[table, row] = key

    async def renumber(self, table: str, row: int) -> None:
        """The row has another identity."""
        key, new = self.held.pop((table, row)), next(self._numbers)
        sql = f"UPDATE {table} SET id = ? WHERE id = ?"
        await self._do(Kind.RENUMBER, table, [(new, key)], sql, new, row, was=f"{table} {row}")
        self.held[table, new] = key

    async def delete(self, table: str, *rows: int) -> None:
        """The rows go, in one statement."""
        sql = f"DELETE FROM {table} WHERE id IN ({', '.join('?' for _ in rows)})"
        await self._do(Kind.DELETE, table, [(row, "") for row in rows], sql, *rows)
        for row in rows:
            del self.held[table, row]

    async def _do(
        self,
        kind: Kind,
        table: str,
        rows: Sequence[tuple[int, str]],
        sql: str,
        *values: object,
        was: str = "",
    ) -> None:
        began = time.monotonic()
        await self._app.execute(sql, *values)
        ended = time.monotonic()
        self._log += [
            Event(kind, f"{table} {row}", key, began, ended, was=was) for row, key in rows
        ]


class Uploads:
    """Uploads of one writer, to keys that nobody else uploads to."""

    def __init__(self, s3: S3Client, bucket: str, log: list[Event]) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._log = log
        self._versions: dict[str, int] = {}

    async def upload(self, key: str, *, same: bool = False) -> None:
        """The next version, or the same once more."""
        before = self._versions.get(key)
        version = before if same and before is not None else (before or 0) + 1
        kind = Kind.UPLOAD if before is None else Kind.OVERWRITE
        if version == before:
            kind = Kind.UPLOAD_AGAIN
        began = time.monotonic()
        await self._s3.put_object(Bucket=self._bucket, Key=key, Body=body(key, version))
        self._versions[key] = version
        self._log.append(Event(kind, "", key, began, time.monotonic(), version))


class Writer:
    """One of the application's writers: it uploads to `own` keys, and refers to any of `keys`."""

    def __init__(
        self, rows: Rows, uploads: Uploads, chance: Random, own: Sequence[str], keys: Sequence[str]
    ) -> None:
        self._rows = rows
        self._uploads = uploads
        self._chance = chance
        self._own = own
        self._keys = keys
        self._most_rows = int(len(own) * _MOST_ROWS)
        self._left: deque[str] = deque(maxlen=50)
        self._working_set: Sequence[str] = own[:1]
        self._until = 0.0

    async def begin(self) -> None:
        """Every object of its own, half of them referred to. Some rows are left alone for ever, as
        most of an application's are: a scan's canaries have to outlive it.
        """
        for table in TRACKED:
            await self._rows.insert(Kind.INSERT, table, *self._own[:_STILL_ROWS])
        self._rows.held.clear()
        for key in self._own:
            await self._uploads.upload(key)
            if self._chance.random() < 0.5:
                await self._rows.insert(Kind.INSERT, self._table(), key)

    async def write(self) -> None:
        """One or two events."""
        if time.monotonic() > self._until:
            self._until = time.monotonic() + _SECONDS_AT_IT
            size = max(1, int(len(self._own) * _WORKING_SET))
            first = self._chance.randrange(len(self._own))
            self._working_set = [self._own[(first + n) % len(self._own)] for n in range(size)]
        what = self._chance.random()
        if what < 0.08:
            await self._upload()
        elif what < 0.1:
            await self._refer_to_any()
        elif what < 0.15 and self._left:
            # What was given up just now is used again.
            await self._rows.insert(Kind.INSERT_AGAIN, self._table(), self._left.pop())
        elif what < 0.5:
            await self._insert_or_delete()
        else:
            await self._change()

    async def write_late(self) -> None:
        """A reference that is seen long after it was written."""
        key = self._chance.choice(self._keys)
        await self._rows.insert(Kind.INSERT_LATE, self._table(), key, late=True)
        if len(self._rows.held) > _LATE_ROWS:
            await self._rows.delete(*next(iter(self._rows.held)))

    async def _upload(self) -> None:
        """As applications do: first the object, then the row that refers to it."""
        key = self._chance.choice(self._working_set)
        await self._uploads.upload(key, same=self._chance.random() < 0.3)
        if self._chance.random() < 0.5:
            await self._rows.insert(Kind.INSERT, self._table(), key)

    async def _refer_to_any(self) -> None:
        """A key that nobody worked on for a while, whether its object is there or not."""
        await self._rows.insert(Kind.INSERT, self._table(), self._chance.choice(self._keys))

    async def _insert_or_delete(self) -> None:
        """An album, or all there is of it in one table."""
        size = self._chance.choice(_ALBUMS)
        if len(self._rows.held) < self._most_rows:
            keys = self._chance.choices(self._working_set, k=size)
            await self._rows.insert(Kind.INSERT, self._table(), *keys)
            return
        table, _ = self._any_row()
        rows = [row for of, row in self._rows.held if of == table]
        rows = self._chance.sample(rows, min(size, len(rows)))
        self._left += [self._rows.held[table, row] for row in rows]
        await self._rows.delete(table, *rows)

    async def _change(self) -> None:
        if not self._rows.held:
            return
        table, row = self._any_row()
        if self._chance.random() < 0.3:
            await self._rows.renumber(table, row)
            return
        self._left.append(self._rows.held[table, row])
        await self._rows.move(table, row, self._chance.choice(self._working_set))

    def _any_row(self) -> tuple[str, int]:
        return self._chance.choice(list(self._rows.held))

    def _table(self) -> str:
        return self._chance.choice(("files", "links"))


async def keys_in_rows(app: AppDatabase) -> set[str]:
    """Every key that a row refers to, in plain SQL."""
    files = await app.execute("SELECT path FROM files")
    links = await app.execute("SELECT url FROM links")
    return {path for (path,) in files} | {url.removeprefix("/") for (url,) in links}
