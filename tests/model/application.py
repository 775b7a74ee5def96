"""The application: it uploads, and writes keys into rows, and the model is told of each step."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from s3gc_core.clock import ShiftedClock
from s3gc_core.database_url import Engine
from tests.model.world_model import PROTECTED, Row, RowName, Stored, WorldModel
from tests.servers.app_database import AppDatabase

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

CDN = "https://cdn.example.org/static/"
ANCHOR = "anchor.bin"
TRACKED: dict[str, object] = {
    "files": [{"column": "v", "may_be_empty": True}],
    "posts": [{"column": "v", "codec": "text", "may_be_empty": True}],
    "albums": [{"column": "v", "codec": "json", "may_be_empty": True}],
}
KEYS = tuple(
    [f"img/{n:03}.jpg" for n in range(40)]
    + [f"doc/year 20{n:02}/ü ({n}).pdf" for n in range(24)]
    + [f"{PROTECTED}{n}.bin" for n in range(4)]
    + [f"new/{n:02}+a&b.png" for n in range(12)]
)
ROWS = range(1, 21)

Spelling = Callable[[str], str]
PLAIN: Spelling = str
SPELLINGS: tuple[Spelling, ...] = (
    PLAIN,
    lambda key: "/" + key,
    quote,
    lambda key: quote(key, safe=""),
    lambda key: CDN + quote(key),
)


def written(chance: Random, table: str, keys: Sequence[str]) -> Row:
    """A row of that table which refers to the keys, in any spelling that the table takes."""
    some = frozenset(keys)
    if table == "posts":
        images = "".join(f'<img src="{CDN}{quote(key)}">' for key in keys)
        return Row(some, value=f"<p>some words</p>{images}<p>and more</p>")
    if table == "albums":
        spelled = [chance.choice(SPELLINGS)(key) for key in keys]
        return Row(some, value=json.dumps(spelled, ensure_ascii=chance.random() < 0.5))
    if chance.random() < 0.04:
        return Row(nearly=frozenset(keys[:1]), value=keys[0].upper())
    return Row(frozenset(keys[:1]), value=chance.choice(SPELLINGS)(keys[0]))


class Rows:
    """The application's connection, and statements that are counted and remembered."""

    def __init__(self, database: AppDatabase) -> None:
        self._database = database
        self._sqlite: sqlite3.Connection | None = None
        if database.engine is Engine.SQLITE:
            self._sqlite = sqlite3.connect(database.path, isolation_level=None)
            self._sqlite.execute("PRAGMA journal_mode = WAL")
            # No power is cut here.
            self._sqlite.execute("PRAGMA synchronous = OFF")

    async def execute(self, sql: str, *values: object) -> None:
        """Run one statement; transactions are the caller's."""
        if self._sqlite is not None:
            self._sqlite.execute(sql, values)
        else:
            await self._database.execute(sql, *values)

    async def empty(self) -> None:
        """Make the tables anew."""
        for table in TRACKED:
            await self.execute(f"DROP TABLE IF EXISTS {table}")
            await self.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, v TEXT)")

    def close(self) -> None:
        """Close what was opened here."""
        if self._sqlite is not None:
            self._sqlite.close()


@dataclass(slots=True)
class Application:
    """Everything that is not s3gc. `uploaded_at_shift`: where on the time line a key was put."""

    model: WorldModel
    rows: Rows
    s3: S3Client
    bucket: str
    clock: ShiftedClock
    counts: Counter[str]
    uploaded_at_shift: dict[str, timedelta] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    _bodies: int = 0

    def note(self, kind: str, what: object = "") -> None:
        """One operation more."""
        self.counts[kind] += 1
        self.last.append(f"{kind} {what}".rstrip())

    def now(self) -> float:
        """The world's time."""
        return self.clock.now().timestamp()

    # Rows

    async def transactions(self, chance: Random, statements: int) -> None:
        """So many statements, in transactions of a few; some are rolled back."""
        # A few keys and rows at a time: the others stay as they are for days.
        keys = chance.sample(KEYS, 12)
        names = [(chance.choice(tuple(TRACKED)), chance.choice(ROWS)) for _ in range(12)]
        done = 0
        while done < statements:
            before = dict(self.model.rows)
            await self.rows.execute("BEGIN")
            several = chance.randrange(1, 6)
            for _ in range(several):
                await self._write(chance, names, keys)
            done += several
            if chance.random() < 0.15:
                await self.rows.execute("ROLLBACK")
                self.model.rows = before
                self.note("transaction rolled back")
            else:
                await self.rows.execute("COMMIT")

    async def _write(self, chance: Random, names: list[RowName], keys: list[str]) -> None:
        name = chance.choice(names)
        row = self.model.rows.get(name)
        some = chance.sample(keys, chance.randrange(1, 4))
        if row is None:
            await self.set_row("insert", name, written(chance, name[0], some))
            return
        match chance.randrange(6):
            case 0:
                await self.delete_row(name)
            case 1:
                await self.set_row("unlink", name, Row())
            case 2 if row.keys:
                again = written(chance, name[0], sorted(row.keys))
                await self.set_row("link in another spelling", name, again)
            case 3 if row.keys:
                other = chance.choice(names)
                if other != name and other in self.model.rows:
                    moved = written(chance, other[0], sorted(row.keys))
                    await self.set_row("move from", name, Row())
                    await self.set_row("move to", other, moved)
            case _:
                await self.set_row("link", name, written(chance, name[0], some))

    async def set_row(self, kind: str, name: RowName, row: Row) -> None:
        """Insert or update one row."""
        table, number = name
        if name in self.model.rows:
            await self.rows.execute(f"UPDATE {table} SET v = ? WHERE id = ?", row.value, number)
        else:
            await self.rows.execute(f"INSERT INTO {table} (id, v) VALUES (?, ?)", number, row.value)
        self.model.rows[name] = row
        self.note(kind, f"{name} {row.value!r}")

    async def delete_row(self, name: RowName) -> None:
        """Delete one row."""
        await self.rows.execute(f"DELETE FROM {name[0]} WHERE id = ?", name[1])
        del self.model.rows[name]
        self.note("delete row", name)

    # Objects

    async def uploads(self, chance: Random, count: int) -> None:
        """So many uploads of every kind, and now and then a key removed by the application."""
        for key in chance.sample(KEYS, count):
            there = self.model.objects.get(key)
            match chance.randrange(6):
                case 0 if there is not None:
                    await self.put("upload the same again", key, there.body, like=there)
                case 1:
                    await self.put_parts(key)
                case 2 if there is not None:
                    await self.remove(key)
                case _:
                    await self.put("overwrite" if there else "upload", key, self.body())

    def body(self) -> bytes:
        """Bytes that no object had before."""
        self._bodies += 1
        return f"body {self._bodies} ".encode() * (1 + self._bodies % 40)

    async def put(self, kind: str, key: str, body: bytes, like: Stored | None = None) -> None:
        """Upload over whatever is there; `like` an object, in as many parts as it was."""
        if like is not None and "-" in like.etag:
            await self._put_parts(key, body)
        else:
            await self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **_HEADERS)
        await self._stored(key, body)
        self.note(kind, key)

    async def put_parts(self, key: str) -> None:
        """A multipart upload, of one part."""
        body = self.body()
        await self._put_parts(key, body)
        await self._stored(key, body)
        self.note("multipart upload", key)

    async def remove(self, key: str) -> None:
        """The application deletes an object itself."""
        await self.s3.delete_object(Bucket=self.bucket, Key=key)
        del self.model.objects[key]
        self.note("remove", key)

    async def restored(self, key: str, body: bytes) -> None:
        """s3gc wrote the object back."""
        await self._stored(key, body)

    async def _put_parts(self, key: str, body: bytes) -> None:
        where: Any = {"Bucket": self.bucket, "Key": key}
        begun = await self.s3.create_multipart_upload(**where, **_HEADERS)
        upload: Any = {**where, "UploadId": begun["UploadId"]}
        part = await self.s3.upload_part(**upload, PartNumber=1, Body=body)
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        await self.s3.complete_multipart_upload(**upload, MultipartUpload=parts)

    async def _stored(self, key: str, body: bytes) -> None:
        head = await self.s3.head_object(Bucket=self.bucket, Key=key)
        self.uploaded_at_shift[key] = self.clock.shift
        at = int(time.time()) + self.clock.shift.total_seconds()
        self.model.objects[key] = Stored(body, head["ETag"], at)


_HEADERS: Any = {"ContentType": "application/x-thing", "Metadata": {"as": "sent"}}
