"""Setting a scene: many objects at once, whole pictures of a bucket, events at chosen moments."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.config import DatabaseConfig, SourceConfig
from s3gc_core.databases import Database, Following, Role, Snapshot, open_database
from s3gc_core.parallel import in_parallel
from s3gc_core.references import Followable, followable
from tests.world import PLAIN, World

Picture = dict[str, tuple[bytes, ObjectHeaders]]
Event = Callable[[], Awaitable[None]]

USED = "p/used.jpg"
# SeaweedFS keeps every type but `application/octet-stream`, for which it guesses another.
SENT = ObjectHeaders(content_type="application/x-photo", metadata={"as": "sent"})
ORPHANS = {f"p/{name}.jpg" for name in "abcd"}


def body_of(key: str) -> bytes:
    """Bytes that no other key has."""
    return f"the bytes of {key}".encode()


async def upload(world: World, keys: Iterable[str], headers: ObjectHeaders = PLAIN) -> None:
    """New objects, each with bytes of its own."""
    await upload_bodies(world, {key: (body_of(key), headers) for key in keys})


async def upload_bodies(world: World, objects: Mapping[str, tuple[bytes, ObjectHeaders]]) -> None:
    """New objects as given."""
    async with world.bucket() as bucket:
        await in_parallel(
            bucket.put(key, _once(body), len(body), headers)
            for key, (body, headers) in objects.items()
        )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


async def picture(world: World) -> Picture:
    """Every object of the bucket with its bytes, headers and tags."""
    async with world.bucket() as bucket:
        keys = [entry.key async for page in bucket.list_pages() for entry in page]
        return dict(await in_parallel(_object(bucket, key) for key in keys))


async def _object(bucket: Bucket, key: str) -> tuple[str, tuple[bytes, ObjectHeaders]]:
    state = await bucket.head(key)
    assert state is not None, key
    async with bucket.read(key, if_match=state.etag) as body:
        data = b"".join([chunk async for chunk in body.chunks()])
    tags = await bucket.tags(key)
    return key, (data, msgspec.structs.replace(body.state.headers, tags=tags))


async def rows(world: World, table: str, values: Iterable[str]) -> None:
    """A new table with an id and a text column `k`, one row for each value."""
    await world.app.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k VARCHAR(4000))")
    await world.app.executemany(f"INSERT INTO {table} VALUES (?, ?)", enumerate(values, start=1))


def backup_files(world: World) -> dict[str, bytes]:
    """Every file of backups below `backups/`, by its path relative to the vault."""
    vault = world.config.vault_path
    return {
        str(path.relative_to(vault)): path.read_bytes()
        for path in (vault / "backups").glob("*/*")
        if path.is_file() and path.name != "manifest.jsonl"
    }


def stored_backups(world: World) -> dict[str, bytes]:
    """Stored bytes of every backup, those in packs too, by its place; whatever is recorded."""
    found = {}
    for path, data in backup_files(world).items():
        if path.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(data)) as pack:
                for member in pack:
                    content = pack.extractfile(member)
                    assert content is not None
                    if not member.name.startswith("_batch/"):
                        found[f"{path}/{member.name}"] = content.read()
        else:
            found[path] = data
    return found


async def flip_bit(world: World, operation_id: str, key: str) -> None:
    """One bit in the middle of a stored backup is another."""
    async with world.collector() as collector:
        intent = await collector.audit.intent(operation_id, key)
    assert intent is not None
    backup = intent.backup
    path = world.config.vault_path / backup.path
    path.chmod(0o600)
    with path.open("r+b") as file:
        position = (backup.offset or 0) + backup.stored_size // 2
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


async def file_of(world: World, operation_id: str, key: str) -> Path:
    """The backup that an operation made of a key."""
    async with world.collector() as collector:
        intent = await collector.audit.intent(operation_id, key)
    assert intent is not None
    return world.config.vault_path / intent.backup.path


class WatchedDatabase:
    """The real database; besides, an event happens whenever its rows are about to be read."""

    def __init__(self, real: Database, before_reading: Event) -> None:
        self.name = real.name
        self.real = real
        self._before_reading = before_reading

    @property
    def address(self) -> str:
        """The real one's."""
        return self.real.address

    async def identity(self) -> str:
        """The real one's; it reads no rows, so nothing happens."""
        return await self.real.identity()

    async def role(self) -> Role:
        """The real one's."""
        return await self.real.role()

    async def oldest_transaction(self) -> datetime | None:
        """The real one's."""
        return await self.real.oldest_transaction()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """The event, then a snapshot of the real database, which sees what the event did."""
        await self._before_reading()
        async with self.real.snapshot() as snapshot:
            yield snapshot


def before_reading(monkeypatch: pytest.MonkeyPatch, event: Event) -> None:
    """Let `event` happen before each reading of a database from now on.

    Set up between approval and execution, that is before the last judgement of each batch.
    """

    def opened(config: DatabaseConfig) -> Database:
        return WatchedDatabase(open_database(config), event)

    async def looked_at(
        database: Database, following: Following, sources: Sequence[SourceConfig]
    ) -> Followable:
        # Whether a table can be followed is a question to the catalogue: no row is read.
        real = database.real if isinstance(database, WatchedDatabase) else database
        return await followable(real, following, sources)

    monkeypatch.setattr("s3gc_core.collector.open_database", opened)
    monkeypatch.setattr("s3gc_core.references.catching_up.followable", looked_at)
    monkeypatch.setattr("s3gc_core.references.follower.followable", looked_at)


async def collected(world: World, objects: Picture) -> str:
    """Upload orphans and one object in use; collect the orphans. Returns the operation's id."""
    await upload_bodies(world, {**objects, USED: (b"in use", SENT)})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]})
    world.days(30)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(objects, "deleted")
    assert await world.keys() == {USED}
    return executed.operation_id


async def comes_back_exactly(world: World, objects: Picture) -> None:
    """Collect and restore: identical bytes, headers, metadata and tags."""
    operation = await collected(world, objects)
    restored = await world.restore(operation_id=operation)
    assert (restored.outcome, restored.counts) == ("done", {"restored": len(objects)})
    assert await picture(world) == {**objects, USED: (b"in use", SENT)}


async def ready_plan(world: World, orphans: Iterable[str] = ORPHANS) -> str:
    """Orphans, an object in use, thirty days later a plan that waits."""
    orphans = {*orphans}
    await upload(world, orphans | {USED})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert (summary.orphans, summary.blocked) == (len(orphans), [])
    assert summary.plan_id is not None
    return summary.plan_id


async def go_on(world: World, plan_id: str) -> OperationSummary:
    """Execute an approved plan whose execution ended early."""
    async with world.collector() as collector:
        plan, _ = await collector.plan(plan_id)
        return await collector.execute(plan_id, confirm=plan.confirmation)


async def results(world: World, operation_id: str) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each object of an operation."""
    async with world.collector() as collector:
        return {
            result.key: (result.outcome.value, result.reason)
            async for page in collector.results(operation_id)
            for result in page
        }


async def claimed(world: World) -> set[str]:
    """Keys that the vault says were deleted."""
    async with world.collector() as collector:
        return {b.intent.key async for page in collector.audit.deleted_objects() for b in page}
