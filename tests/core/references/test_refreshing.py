"""Reading sources into the registry: what did not change is recognised, and nothing else is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3gc_core.config import Codec, DatabaseConfig, SourceConfig
from s3gc_core.databases import Database, DatabaseUrl, Engine, Role, Snapshot, open_database
from s3gc_core.databases.protocol import Page, TableRead
from s3gc_core.errors import DatabaseUnreachable
from s3gc_core.references import BucketNames, Edge, Registry, chunks, key_hash, refresh, refreshing
from s3gc_core.references.derivation import derive
from tests.core.references.delegating import Delegating, page_of
from tests.core.references.test_reading import FailingMidway
from tests.servers.app_database import AppDatabase

NAMES = BucketNames("photos")
AT = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = SourceConfig("t", ("k",))


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppDatabase]:
    opened = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handful of rows in each, so that small tables have many."""
    monkeypatch.setattr(chunks, "MEAN_ROWS", 5)
    monkeypatch.setattr(chunks, "MOST_ROWS", 12)


@pytest.fixture
def derived_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each chunk had that was derived."""
    counts: list[int] = []

    def counting(source: SourceConfig, ids: Sequence[int | str], *rest: object) -> object:
        counts.append(len(ids))
        return derive(source, ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(refreshing, "derive", counting)
    return counts


def opened(app: AppDatabase) -> Database:
    return open_database(DatabaseConfig(app.url))


def contents(path: Path) -> list[tuple[object, ...]]:
    """Every edge with what belongs to it, but not since when it is known."""
    with closing(sqlite3.connect(path / "registry.db")) as file:
        query = "SELECT name, row, typeof(row), h, form, spelling FROM edge JOIN source ON src = id"
        return sorted(file.execute(query), key=repr)


async def fresh(database: Database, sources: Sequence[SourceConfig], path: Path) -> list[object]:
    """What a registry holds that has never seen anything else."""
    path.mkdir()
    registry = await Registry.open(path)
    await refresh(registry, [database], sources, NAMES, began_at=AT)
    await registry.close()
    return [*contents(path)]


async def many_rows(app: AppDatabase, rows: int = 1_000) -> None:
    await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await app.executemany("INSERT INTO t VALUES (?, ?)", ((n, f"k/{n}.jpg") for n in range(rows)))


async def test_what_did_not_change_is_not_derived(
    app: AppDatabase, registry: Registry, tmp_path: Path, derived_rows: list[int]
) -> None:
    await many_rows(app)
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert sum(derived_rows) == 1_000
    stats, before = await registry.stats(), contents(tmp_path)
    derived_rows.clear()
    for day in (1, 2):
        later = AT + timedelta(days=day)
        changes = await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=later)
        assert changes == {SOURCE.name: (0, 0)}
        assert derived_rows == []
        assert contents(tmp_path) == before
        assert await registry.stats() == [replace(one, last_read=later) for one in stats]
    await app.execute("UPDATE t SET k = 'other.jpg' WHERE id = 500")
    changes = await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=later)
    assert changes == {SOURCE.name: (1, 1)}
    assert 0 < sum(derived_rows) <= 12
    assert [edge.row for edge in await registry.edges_of("other.jpg")] == [500]


async def test_a_source_without_keys_is_recognised_as_well(
    app: AppDatabase, registry: Registry, derived_rows: list[int]
) -> None:
    await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await app.executemany("INSERT INTO t VALUES (?, NULL)", ((n,) for n in range(100)))
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert sum(derived_rows) == 100
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert sum(derived_rows) == 100
    await app.execute("UPDATE t SET k = 'a.jpg' WHERE id = 50")
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert await registry.edges_of("a.jpg") == [Edge(SOURCE.name, 50)]
    assert [(one.rows, one.keyed, one.keys) for one in await registry.stats()] == [(100, 1, 1)]
    assert sum(derived_rows) <= 112


async def test_other_settings_read_everything_anew(
    app: AppDatabase, registry: Registry, derived_rows: list[int]
) -> None:
    await many_rows(app, 50)
    await app.execute("INSERT INTO t VALUES (50, 'https://cdn.example.org/x/a.jpg#k/1.jpg')")
    other_names = BucketNames("photos", cdn_bases=("https://cdn.example.org/x/",))
    for source, names, key, held in (
        (SOURCE, NAMES, "a.jpg", False),
        (SOURCE, other_names, "a.jpg", True),
        (replace(SOURCE, codec=Codec.KEY), other_names, "a.jpg", False),
        (replace(SOURCE, where="id > 0"), other_names, "a.jpg", True),
        (replace(SOURCE, where="id < 50"), other_names, "a.jpg", False),
    ):
        derived_rows.clear()
        await refresh(registry, [opened(app)], [source], names, began_at=AT)
        expected = {None: 51, "id > 0": 50, "id < 50": 50}[source.where]
        assert sum(derived_rows) == expected
        assert bool(await registry.edges_of(key)) is held
        assert [edge.row for edge in await registry.edges_of("k/7.jpg")] == [7]


async def test_without_trust_nothing_is_recognised(
    app: AppDatabase, registry: Registry, tmp_path: Path, derived_rows: list[int]
) -> None:
    """An edge that was lost or made up in the file itself is found by a rebuild only."""
    await many_rows(app, 200)
    database = opened(app)
    await refresh(registry, [database], [SOURCE], NAMES, began_at=AT)
    right = contents(tmp_path)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute("DELETE FROM edge WHERE row = 7")
        file.execute("INSERT INTO edge (src, row, h, seen) VALUES (1, 8, 42, 1)")
        file.commit()
    derived_rows.clear()
    await refresh(registry, [database], [SOURCE], NAMES, began_at=AT)
    assert derived_rows == []
    changes = await refresh(registry, [database], [SOURCE], NAMES, began_at=AT, trust=False)
    assert changes == {SOURCE.name: (1, 1)}
    assert sum(derived_rows) == 200
    assert contents(tmp_path) == right
    assert [(one.keyed, one.keys) for one in await registry.stats()] == [(200, 200)]


Step = Callable[[random.Random], Iterator[str]]


def with_key(chance: random.Random) -> Iterator[str]:
    """Random changes of a table with a key, some of it text."""
    for _ in range(chance.choice([0, 1, 3, 40])):
        row, key = chance.randrange(150), f"'{chance.choice('aAbB')}/{chance.randrange(20)}.jpg'"
        yield chance.choice(
            [
                f"INSERT OR REPLACE INTO t VALUES ({row}, {key})",
                f"INSERT OR REPLACE INTO t VALUES ('x{row}', {key})",
                f"UPDATE t SET k = {key} WHERE id = {row}",
                f"UPDATE OR REPLACE t SET id = {chance.randrange(150)} WHERE id = {row}",
                f"DELETE FROM t WHERE id = {row}",
                f"UPDATE t SET k = NULL WHERE id = {row}",
                f"DELETE FROM t WHERE abs(id) % 7 = {row}",
            ]
        )


def without_key(chance: random.Random) -> Iterator[str]:
    """Random changes of a view without a key, whose equal rows have one identity."""
    for _ in range(chance.choice([0, 1, 3, 20])):
        key = f"'{chance.choice('aAbB')}/{chance.randrange(5)}.jpg'"
        yield chance.choice(
            [f"INSERT INTO u VALUES ({key})"] * 3
            + [f"DELETE FROM u WHERE rowid = {chance.randrange(60)}"]
            + [f"UPDATE u SET k = {key} WHERE rowid = {chance.randrange(60)}"]
        )


@pytest.mark.parametrize("trial", range(6))
@pytest.mark.parametrize(
    ("table", "steps"), [("t", with_key), ("v", without_key)], ids=["key", "no key"]
)
async def test_any_changes_lead_where_a_fresh_registry_is(
    app: AppDatabase, registry: Registry, tmp_path: Path, table: str, steps: Step, trial: int
) -> None:
    """Whatever order the rows come in; releases are the keys that the registry no longer holds."""
    chance = random.Random(trial)
    await app.execute("CREATE TABLE t (id PRIMARY KEY NOT NULL, k TEXT) WITHOUT ROWID")
    await app.execute("CREATE TABLE u (k TEXT)")
    await app.execute("CREATE VIEW v AS SELECT k FROM u")
    sources = [SourceConfig(table, ("k",))]
    in_order: Database = opened(app)
    shuffled: Database = Shuffled(in_order, "main", chance)
    keys = [f"{c}/{n}.jpg" for c in "aAbB" for n in range(20)]
    held: set[int] = set()
    for number in range(12):
        for statement in steps(chance):
            await app.execute(statement)
        database = chance.choice([in_order, shuffled])
        at = AT + timedelta(days=number)
        await refresh(registry, [database], sources, NAMES, began_at=at)
        assert contents(tmp_path) == await fresh(in_order, sources, tmp_path / str(number))
        now = await registry.referenced(map(key_hash, keys))
        released = await registry.released(map(key_hash, keys))
        assert {h for h, when in released.items() if when == at} == held - now
        assert not released.keys() & now
        held = now


@dataclass
class Shuffled:
    """A real database that tells its rows in any order, in pages of any size."""

    database: Database
    name: str
    chance: random.Random

    @property
    def address(self) -> str:
        return self.database.address

    async def identity(self) -> str:
        return await self.database.identity()

    async def role(self) -> Role:
        return await self.database.role()

    async def oldest_transaction(self) -> datetime | None:
        return await self.database.oldest_transaction()

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        @asynccontextmanager
        async def shuffled() -> AsyncIterator[Snapshot]:
            async with self.database.snapshot() as snapshot:
                yield _ShuffledSnapshot(snapshot, self.chance)

        return shuffled()


@dataclass
class _ShuffledSnapshot(Delegating):
    chance: random.Random

    async def rows(self, read: TableRead) -> AsyncIterator[Page]:
        found = [row async for page in self.snapshot.rows(read) for row in page]
        self.chance.shuffle(found)
        while found:
            size = self.chance.randrange(1, 60)
            yield page_of(found[:size])
            del found[:size]


async def test_an_interrupted_reading_and_then_again(
    app: AppDatabase, registry: Registry, tmp_path: Path
) -> None:
    await many_rows(app, 6_000)
    whole = opened(app)
    with pytest.raises(DatabaseUnreachable):
        await refresh(registry, [FailingMidway(whole, "main")], [SOURCE], NAMES, began_at=AT)
    assert contents(tmp_path) == []
    assert await registry.valid_at() is None
    await refresh(registry, [whole], [SOURCE], NAMES, began_at=AT)
    before = contents(tmp_path)
    await app.execute("UPDATE t SET k = 'new.jpg' WHERE id < 100")
    with pytest.raises(DatabaseUnreachable):
        await refresh(registry, [FailingMidway(whole, "main")], [SOURCE], NAMES, began_at=AT)
    assert contents(tmp_path) == before
    changes = await refresh(registry, [whole], [SOURCE], NAMES, began_at=AT)
    assert changes == {SOURCE.name: (100, 100)}
    assert contents(tmp_path) == await fresh(whole, [SOURCE], tmp_path / "fresh")


async def test_a_caller_that_stops_the_reading(
    app: AppDatabase, registry: Registry, tmp_path: Path
) -> None:
    """A cancelled operation raises out of the listener of the rows read."""
    await many_rows(app, 6_000)

    class StoppedError(Exception):
        pass

    def stop(rows: int) -> None:
        if rows > 1_000:
            raise StoppedError

    with pytest.raises(StoppedError):
        await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT, rows_read=stop)
    assert contents(tmp_path) == []
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert len(contents(tmp_path)) == 6_000


async def test_many_new_rows_beside_many_old_ones(
    app: AppDatabase, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The indexes are made anew then, and are there afterwards."""
    monkeypatch.setattr("s3gc_core.references.loading._MANY", 100)
    await many_rows(app, 50)
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    await app.executemany(
        "INSERT INTO t VALUES (?, ?)", ((n, f"K/{n}.jpg") for n in range(50, 9_000))
    )
    await app.execute("DELETE FROM t WHERE id < 10")
    await refresh(registry, [opened(app)], [SOURCE], NAMES, began_at=AT)
    assert contents(tmp_path) == await fresh(opened(app), [SOURCE], tmp_path / "fresh")
    gone = await registry.released(key_hash(f"k/{n}.jpg") for n in range(20))
    assert gone.keys() == {key_hash(f"k/{n}.jpg") for n in range(10)}
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        assert {name for (name,) in file.execute(indexes)} == {"edge_h", "edge_form"}
