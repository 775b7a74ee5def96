"""Makes a world real: rows in a database server, objects in a bucket, through plain drivers."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.clock import ShiftedClock
from s3gc_core.config import Config
from tests import world as real
from tests.servers.app_database import AppDatabase
from tests.worlds.columns import TYPES
from tests.worlds.model import (
    CDN_BASE,
    ENDPOINT_HOST,
    PROTECTED_PATTERN,
    PROTECTED_PREFIX,
    RETENTION_DAYS,
    Identity,
    Life,
    Row,
    Table,
    Value,
    World,
)

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_DELETED = "2026-01-31 12:00:00"


class StoreClock(ShiftedClock):
    """Real time plus a shift; with `boundary` the store's time is that moment plus the shift.

    Objects that were written up to the boundary are then as old as the shift, later ones younger.
    """

    boundary: datetime | None = None

    def bucket_now(self, server_date: datetime) -> datetime:
        """The server's `Date`, or the boundary, plus the shift."""
        return super().bucket_now(self.boundary or server_date)


class Ground:
    """One bucket and one database an engine, filled anew for each world."""

    def __init__(
        self, config: Config, s3: S3Client, databases: dict[str, AppDatabase], folder: Path
    ) -> None:
        self._config = config
        self._s3 = s3
        self._databases = databases
        self._folder = folder
        self._host = config.endpoint_url.partition("//")[2]
        self._present: set[str] = set()
        self._tables: dict[str, list[str]] = {engine: [] for engine in databases}

    async def build(self, world: World) -> Built:
        """Fill bucket and database for the first scan."""
        database = self._databases[world.engine]
        vault = Path(tempfile.mkdtemp(dir=self._folder))
        clock = StoreClock()
        app = real.World(replace(self._config, vault_path=vault), database, clock)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._fill(world, clock))
            both.create_task(self._create(database, world))
        app.track(
            {table.name: list(table.sources) for table in world.tables},
            retention_days=RETENTION_DAYS,
            # What these worlds compare is the question to the tracked columns. The search of
            # everything would keep what stands there in a way that a codec does not read.
            database_search="tracked",
            exclude_prefixes=[PROTECTED_PREFIX],
            exclude_patterns=[PROTECTED_PATTERN],
            cdn_bases=[CDN_BASE],
            url_patterns=list(world.url_patterns),
        )
        app.days(RETENTION_DAYS)
        return Built(world, app, vault, self._host)

    async def _fill(self, world: World, clock: StoreClock) -> None:
        if self._present:
            await self._delete(self._present)
        old = [stored.key for stored in world.objects if not stored.young]
        young = [stored.key for stored in world.objects if stored.young]
        self._present = {*old, *young}
        await self._put(old)
        if young:
            # The store dates objects to the second: the young ones belong into a later one.
            second = int(time.time())
            clock.boundary = datetime.fromtimestamp(second, UTC)
            await asyncio.sleep(second + 1 - time.time())
            await self._put(young)
        listed = {
            entry["Key"]
            for entry in (await self._s3.list_objects_v2(Bucket=self._config.bucket))["Contents"]
        }
        assert listed == self._present, "the store keeps other keys than it was given"

    async def _create(self, database: AppDatabase, world: World) -> None:
        """Drop the tables of the world before, and make this one's."""
        made = self._tables[world.engine]
        while made:
            await database.execute(f"DROP TABLE {made[-1]}")
            made.pop()
        for table in world.tables:
            name = database.quoted(table.name)
            await database.execute(f"CREATE TABLE {name} ({', '.join(_columns(database, table))})")
            made.append(name)
            there = [row for row in table.rows if table.soft or row.life.there(1)]
            await _insert(database, table, there, self._host, scan=1)

    async def _put(self, keys: Iterable[str]) -> None:
        bucket = self._config.bucket
        await asyncio.gather(
            *(self._s3.put_object(Bucket=bucket, Key=key, Body=b"some bytes") for key in keys)
        )

    async def _delete(self, keys: Iterable[str]) -> None:
        answer = await self._s3.delete_objects(
            Bucket=self._config.bucket,
            Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
        )
        assert "Errors" not in answer, answer


class Built:
    """A world that is real, until `change` makes it the next one."""

    def __init__(self, world: World, app: real.World, vault: Path, host: str) -> None:
        self.app = app
        self._world = world
        self._vault = vault
        self._host = host

    async def change(self, scan: int) -> None:
        """What happens before the scan of that number: rows come and go, then days pass."""
        if scan == 2:
            for table in self._world.tables:
                await _change(self.app.app, table, self._host)
        else:
            self.app.days(RETENTION_DAYS + 1)

    async def remove(self) -> None:
        """Remove the vault. Bucket and tables are emptied for the next world."""
        await asyncio.to_thread(shutil.rmtree, self._vault)


def _columns(database: AppDatabase, table: Table) -> list[str]:
    types = TYPES[database.engine]
    columns = [
        *_identity(table.identity),
        "n integer",
        "deleted_at varchar(40)",
        *(f"{database.quoted(column.name)} {types[column.holds]}" for column in table.columns),
    ]
    if table.identity is Identity.COMPOSITE:
        columns.append("PRIMARY KEY (part_1, part_2)")
    return columns


def _identity(identity: Identity) -> list[str]:
    match identity:
        case Identity.INTEGER:
            return ["id integer PRIMARY KEY"]
        case Identity.TEXT:
            return ["id varchar(40) PRIMARY KEY"]
        case Identity.COMPOSITE:
            return ["part_1 integer", "part_2 varchar(40)"]
        case Identity.NONE:
            return []


def _identity_values(identity: Identity, number: int) -> list[object]:
    match identity:
        case Identity.INTEGER:
            return [number]
        case Identity.TEXT:
            return [f"r\u00f6w/{number}"]
        case Identity.COMPOSITE:
            return [number // 2, f"b {number}"]
        case Identity.NONE:
            return []


async def _insert(
    database: AppDatabase, table: Table, rows: Sequence[Row], host: str, *, scan: int
) -> None:
    if not rows:
        return
    values = [
        (
            *_identity_values(table.identity, row.number),
            row.number,
            None if row.life.there(scan) else _DELETED,
            *(_stored(cell.value, host) for cell in row.cells),
        )
        for row in rows
    ]
    marks = ", ".join("?" * len(values[0]))
    await database.executemany(
        f"INSERT INTO {database.quoted(table.name)} VALUES ({marks})",
        values,
    )


def _stored(value: Value, host: str) -> object:
    """The value for the driver, with the store's real address in it."""
    match value:
        case str():
            return value.replace(ENDPOINT_HOST, host)
        case bytes():
            return value.replace(ENDPOINT_HOST.encode(), host.encode())
        case tuple():
            return list(value)
        case None:
            return None


async def _change(database: AppDatabase, table: Table, host: str) -> None:
    """Rows leave and return: softly by a date, otherwise for good."""
    name = database.quoted(table.name)
    leaving = [row for row in table.rows if row.life is Life.LEAVES]
    returning = [row for row in table.rows if row.life is Life.RETURNS]
    if table.soft:
        dates: list[tuple[str | None, int]] = [(_DELETED, row.number) for row in leaving]
        dates += [(None, row.number) for row in returning]
        if dates:
            await database.executemany(
                f"UPDATE {name} SET deleted_at = ? WHERE n = ?",
                dates,
            )
        return
    for row in leaving:
        await database.execute(f"DELETE FROM {name} WHERE n = ?", row.number)
    await _insert(database, table, returning, host, scan=2)
