"""Reading the sources of real databases: exact edges and holders, all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3gc_core.config import Codec, DatabaseConfig, SourceConfig
from s3gc_core.databases import Database, DatabaseUrl, Engine, Role, Snapshot, open_database
from s3gc_core.databases.protocol import Page, TableRead
from s3gc_core.errors import DatabaseUnreachable, SourceMissing
from s3gc_core.references import (
    BucketNames,
    Edge,
    Found,
    Registry,
    find_references,
    key_hash,
    refresh,
)
from tests.core.references.delegating import Delegating
from tests.servers.app_database import AppDatabase

NAMES = BucketNames("photos")
AT = datetime(2026, 1, 1, tzinfo=UTC)
AVATAR = SourceConfig("users", ("avatar",))
BIO = SourceConfig("users", ("bio",), Codec.TEXT)
FILES = SourceConfig("files", ("id", "kind"), Codec.TEMPLATE, "files/{id:.2}/{id}.{kind}")
IMAGES = SourceConfig("posts", ("image",), Codec.KEY, where="deleted = 0")
SOURCES = (AVATAR, BIO, FILES, IMAGES)


async def make_tables(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar TEXT, bio TEXT)")
    await app.execute("CREATE TABLE files (id VARCHAR(20) PRIMARY KEY, kind VARCHAR(9))")
    await app.execute("CREATE TABLE posts (slug VARCHAR(20) PRIMARY KEY, image TEXT, deleted INT)")
    await app.executemany(
        "INSERT INTO users VALUES (?, ?, ?)",
        [
            (1, "https://photos.s3.amazonaws.com/u/1%20a.jpg", "see ![x](img/bio.png)"),
            (2, "u/2.jpg", None),
            (3, "u/2.jpg", ""),
            (4, None, "nothing here"),
            (5, '{"src": "u\\/5.jpg"}', None),
            (6, "U/Six.JPG", None),
        ],
    )
    await app.executemany("INSERT INTO files VALUES (?, ?)", [("abc", "pdf"), ("def", None)])
    await app.executemany(
        "INSERT INTO posts VALUES (?, ?, ?)",
        [("one", "p/1.jpg", 0), ("two", "p/2.jpg", 1), ("three", '["p/3.jpg"]', 0)],
    )


def opened(app: AppDatabase, name: str = "main") -> Database:
    return open_database(DatabaseConfig(app.url, name))


EDGES = {
    "u/1 a.jpg": [Edge(AVATAR.name, 1)],
    "u/2.jpg": [Edge(AVATAR.name, 2), Edge(AVATAR.name, 3)],
    "u/5.jpg": [Edge(AVATAR.name, 5)],
    "U/Six.JPG": [Edge(AVATAR.name, 6)],
    "u/six.jpg": [],
    "img/bio.png": [Edge(BIO.name, 1)],
    "files/ab/abc.pdf": [Edge(FILES.name, "abc")],
    "p/1.jpg": [Edge(IMAGES.name, "one")],
    "p/2.jpg": [],
    "p/3.jpg": [],
    "u/3.jpg": [],
}


async def counted(registry: Registry) -> dict[str, tuple[int, int, int]]:
    """Rows, rows with keys, and keys of each source."""
    return {one.name: (one.rows, one.keyed, one.keys) for one in await registry.stats()}


async def edges(registry: Registry) -> dict[str, list[Edge]]:
    return {key: await registry.edges_of(key) for key in EDGES}


async def test_refresh_on_every_engine(app_database: AppDatabase, registry: Registry) -> None:
    await make_tables(app_database)
    told: list[int] = []
    database = opened(app_database)
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT, rows_read=told.append)
    assert await edges(registry) == EDGES
    assert await registry.valid_at() == AT
    counts = await counted(registry)
    assert {name: rows for name, (rows, _, _) in counts.items()} == {
        AVATAR.name: 6,
        BIO.name: 6,
        FILES.name: 2,
        IMAGES.name: 2,
    }
    assert counts[FILES.name] == (2, 1, 1)
    assert told[-1] == sum(rows for rows, _, _ in counts.values())
    assert told == sorted(told)
    assert await registry.near([key_hash("u/six.jpg")]) == {key_hash("u/six.jpg")}
    assert await registry.edges_near("u/six.jpg") == [Edge(AVATAR.name, 6)]


async def test_refresh_follows_changes(app_database: AppDatabase, registry: Registry) -> None:
    await make_tables(app_database)
    database = opened(app_database)
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    await app_database.execute("DELETE FROM users WHERE id = 1")
    await app_database.execute("UPDATE users SET avatar = 'u/3.jpg' WHERE id = 2")
    await app_database.execute("INSERT INTO users VALUES (7, 'u/2.jpg', NULL)")
    await app_database.execute("UPDATE posts SET deleted = 1 WHERE slug = 'one'")
    await app_database.execute("UPDATE posts SET deleted = 0 WHERE slug = 'two'")
    later = AT + timedelta(days=1)
    await refresh(registry, [database], SOURCES, NAMES, began_at=later)
    assert await edges(registry) == {
        **EDGES,
        "u/1 a.jpg": [],
        "img/bio.png": [],
        "u/2.jpg": [Edge(AVATAR.name, 3), Edge(AVATAR.name, 7)],
        "u/3.jpg": [Edge(AVATAR.name, 2)],
        "p/1.jpg": [],
        "p/2.jpg": [Edge(IMAGES.name, "two")],
    }
    gone = await registry.released([key_hash(key) for key in EDGES])
    assert gone == {key_hash(key): later for key in ("u/1 a.jpg", "img/bio.png", "p/1.jpg")}


HOLDERS = {
    "u/1 a.jpg": {(AVATAR.name, 1)},
    "u/2.jpg": {(AVATAR.name, 2), (AVATAR.name, 3)},
    "img/bio.png": {(BIO.name, 1)},
    "files/ab/abc.pdf": {(FILES.name, "abc")},
    # The codec of posts.image is `key`; asked directly, its JSON is read all the same.
    "p/3.jpg": {(IMAGES.name, "three")},
    "p/2.jpg": set(),
    "u/six.jpg": set(),
    "nowhere.jpg": set(),
}


async def find(
    databases: Sequence[Database], sources: Sequence[SourceConfig], *keys: str
) -> dict[str, set[tuple[str, int | str]]]:
    wanted = {key_hash(key): key for key in keys}

    async def is_wanted(hashes: list[int]) -> set[int]:
        return wanted.keys() & set(hashes)

    found: dict[str, set[tuple[str, int | str]]] = {key: set() for key in keys}
    async for page in find_references(databases, sources, NAMES, is_wanted):
        assert page
        for one in page:
            assert isinstance(one, Found)
            found[wanted[one.hash]].add((one.source, one.row))
    return found


async def test_find_references_on_every_engine(app_database: AppDatabase) -> None:
    await make_tables(app_database)
    assert await find([opened(app_database)], SOURCES, *HOLDERS) == HOLDERS


async def test_more_rows_than_a_page(app_database: AppDatabase, registry: Registry) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(40))")
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?)", [(n, f"k/{n % 4_500}.jpg") for n in range(9_000)]
    )
    source = SourceConfig("t", ("k",))
    await refresh(registry, [opened(app_database)], [source], NAMES, began_at=AT)
    assert await counted(registry) == {source.name: (9_000, 9_000, 9_000)}
    hashes = [key_hash(f"k/{n}.jpg") for n in range(4_501)]
    assert await registry.referenced(hashes) == set(hashes[:4_500])
    assert await find([opened(app_database)], [source], "k/7.jpg", "k/4500.jpg") == {
        "k/7.jpg": {(source.name, 7), (source.name, 4_507)},
        "k/4500.jpg": set(),
    }


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[AppDatabase, AppDatabase]]:
    """Two SQLite databases."""
    made = [
        AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / name)).render())
        for name in ("one.db", "two.db")
    ]
    for app, key in zip(made, ("1.jpg", "2.jpg"), strict=True):
        await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
        await app.executemany("INSERT INTO t VALUES (?, ?)", [(1, key), (2, "both.jpg")])
    yield made[0], made[1]
    for app in made:
        await app.close()


ONE = SourceConfig("t", ("k",), database="one")
TWO = SourceConfig("t", ("k",), database="two")


async def test_two_databases(two: tuple[AppDatabase, AppDatabase], registry: Registry) -> None:
    databases = [opened(two[0], "one"), opened(two[1], "two")]
    await refresh(registry, databases, [ONE, TWO], NAMES, began_at=AT)
    assert {key: await registry.edges_of(key) for key in ("1.jpg", "2.jpg", "both.jpg")} == {
        "1.jpg": [Edge("one:t.k", 1)],
        "2.jpg": [Edge("two:t.k", 1)],
        "both.jpg": [Edge("one:t.k", 2), Edge("two:t.k", 2)],
    }
    assert await find(databases, [ONE, TWO], "2.jpg", "both.jpg") == {
        "2.jpg": {("two:t.k", 1)},
        "both.jpg": {("one:t.k", 2), ("two:t.k", 2)},
    }


@dataclass
class FailingMidway:
    """A real database whose connection is lost after the first page of each read."""

    database: Database
    name: str

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
        async def opened() -> AsyncIterator[Snapshot]:
            async with self.database.snapshot() as snapshot:
                yield _FailingSnapshot(snapshot)

        return opened()


class _FailingSnapshot(Delegating):
    async def rows(self, read: TableRead) -> AsyncIterator[Page]:
        async for page in self.snapshot.rows(read):
            yield page
            raise DatabaseUnreachable("the connection was lost")


async def test_a_refresh_that_fails_midway_leaves_the_registry_as_it_was(
    two: tuple[AppDatabase, AppDatabase], registry: Registry
) -> None:
    first, second = opened(two[0], "one"), opened(two[1], "two")
    await refresh(registry, [first, second], [ONE, TWO], NAMES, began_at=AT)
    keys = ("1.jpg", "2.jpg", "both.jpg", "new.jpg")
    before = {key: await registry.edges_of(key) for key in keys}
    stats = await registry.stats()
    for app in two:
        await app.execute("DELETE FROM t")
        await app.executemany("INSERT INTO t VALUES (?, 'new.jpg')", [(n,) for n in range(500)])
    with pytest.raises(DatabaseUnreachable):
        await refresh(
            registry,
            [first, FailingMidway(second, "two")],
            [ONE, TWO],
            NAMES,
            began_at=AT + timedelta(days=1),
        )
    assert {key: await registry.edges_of(key) for key in keys} == before
    assert await registry.stats() == stats
    assert await registry.valid_at() == AT
    assert await registry.released([key_hash(key) for key in keys]) == {}


async def test_asking_fails_as_a_whole(two: tuple[AppDatabase, AppDatabase]) -> None:
    """An answer of one database is no answer when the other does not come to its end."""
    failing = FailingMidway(opened(two[1], "two"), "two")
    databases: list[Database] = [opened(two[0], "one"), failing]
    with pytest.raises(DatabaseUnreachable):
        await find(databases, [ONE, TWO], "1.jpg")


async def test_a_missing_table_leaves_the_registry_as_it_was(
    two: tuple[AppDatabase, AppDatabase], registry: Registry
) -> None:
    database = opened(two[0], "one")
    await refresh(registry, [database], [ONE], NAMES, began_at=AT)
    missing = SourceConfig("gone", ("k",), database="one")
    with pytest.raises(SourceMissing):
        await refresh(registry, [database], [ONE, missing], NAMES, began_at=AT + timedelta(days=1))
    assert await counted(registry) == {ONE.name: (2, 2, 2)}
    assert await registry.valid_at() == AT


async def test_a_row_whose_key_is_not_utf_8(
    two: tuple[AppDatabase, AppDatabase], registry: Registry
) -> None:
    """SQLite stores any bytes as text; such a row is a row, and its reference counts."""
    await two[0].execute("CREATE TABLE odd (id TEXT PRIMARY KEY, k TEXT) WITHOUT ROWID")
    await two[0].execute("INSERT INTO odd VALUES (CAST(x'61FF62' AS TEXT), 'odd.jpg')")
    source = SourceConfig("odd", ("k",), database="one")
    database = opened(two[0], "one")
    await refresh(registry, [database], [source], NAMES, began_at=AT)
    assert [edge.source for edge in await registry.edges_of("odd.jpg")] == [source.name]
    found = await find([database], [source], "odd.jpg")
    assert [name for name, _ in found["odd.jpg"]] == [source.name]


async def test_a_value_that_is_not_utf_8(
    two: tuple[AppDatabase, AppDatabase], registry: Registry
) -> None:
    await two[0].execute("INSERT INTO t VALUES (3, CAST(x'61FF2E6A7067' AS TEXT))")
    await two[0].execute("INSERT INTO t VALUES (4, x'622E6A7067')")
    await refresh(registry, [opened(two[0], "one")], [ONE], NAMES, began_at=AT)
    assert await registry.edges_of("b.jpg") == [Edge(ONE.name, 4)]
    assert (await registry.stats())[0].rows == 4


async def test_a_hash_collision_only_keeps(
    two: tuple[AppDatabase, AppDatabase], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were all hashes equal, every key would look referenced, and none an orphan."""
    for module in ("registry", "derivation"):
        monkeypatch.setattr(f"s3gc_core.references.{module}.key_hash", lambda _: 42)
    for module in ("reading", "derivation"):
        monkeypatch.setattr(
            f"s3gc_core.references.{module}.key_hashes", lambda keys: [42 for _ in keys]
        )
    database = opened(two[0], "one")
    await refresh(registry, [database], [ONE], NAMES, began_at=AT)
    assert await registry.referenced([42]) == {42}
    assert await registry.edges_of("no such key") == [Edge(ONE.name, 1), Edge(ONE.name, 2)]
    assert await counted(registry) == {ONE.name: (2, 2, 2)}
    await two[0].execute("DELETE FROM t WHERE id = 1")
    await refresh(registry, [database], [ONE], NAMES, began_at=AT + timedelta(days=1))
    assert await registry.referenced([42]) == {42}
    assert await registry.released([42]) == {}
