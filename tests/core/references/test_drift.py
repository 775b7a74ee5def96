"""Comparing the registry with real databases: exact in both directions, and nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3gc_core.config import Codec, DatabaseConfig, SourceConfig
from s3gc_core.databases import Database, open_database
from s3gc_core.errors import DatabaseUnreachable
from s3gc_core.references import (
    BucketNames,
    Drift,
    DriftKind,
    Registry,
    drift,
    find_drift,
    key_hash,
    refresh,
)
from tests.core.references.test_reading import FailingMidway
from tests.servers.app_database import AppDatabase

NAMES = BucketNames("photos")
AT = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = SourceConfig("t", ("k",))
BODIES = SourceConfig("t", ("body",), Codec.TEXT)
SOURCES = (KEYS, BODIES)
MISSING, SURPLUS = DriftKind.MISSING, DriftKind.SURPLUS


@pytest.fixture
async def database(app_database: AppDatabase) -> Database:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, body TEXT)")
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?, ?)",
        [(n, f"K/{n}.jpg", f"see a/{n}.png and b/{n % 3}.png") for n in range(2_500)],
    )
    return open_database(DatabaseConfig(app_database.url))


async def differences(
    registry: Registry, database: Database, sources: Sequence[SourceConfig] = SOURCES
) -> set[tuple[DriftKind, str, object, int, str | None]]:
    found: list[Drift] = []
    async for page in find_drift(registry, [database], sources, NAMES):
        assert 0 < len(page) <= 20_000
        found += page
    assert len(set(found)) == len(found)
    return set(found)


def stored(path: Path) -> tuple[object, ...]:
    with closing(sqlite3.connect(path / "registry.db")) as file:
        return tuple(file.iterdump())


def missing(source: SourceConfig, row: object, key: str) -> tuple[object, ...]:
    return (MISSING, source.name, row, key_hash(key), key)


def surplus(source: SourceConfig, row: object, key: str) -> tuple[object, ...]:
    return (SURPLUS, source.name, row, key_hash(key), None)


async def test_no_drift_after_a_reading(registry: Registry, database: Database) -> None:
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    assert await differences(registry, database) == set()


async def test_every_difference_is_told(
    registry: Registry, database: Database, app_database: AppDatabase, tmp_path: Path
) -> None:
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    before = stored(tmp_path)
    await app_database.execute("DELETE FROM t WHERE id = 7")
    await app_database.execute("UPDATE t SET k = 'K/8.jpg' WHERE id = 9")
    await app_database.execute("UPDATE t SET body = 'b/1.png' WHERE id = 1000")
    await app_database.execute("INSERT INTO t VALUES (3000, 'https://photos/x', NULL)")
    assert await differences(registry, database) == {
        surplus(KEYS, 7, "K/7.jpg"),
        *(surplus(BODIES, 7, key) for key in ("see a/7.png and b/1.png", "a/7.png", "b/1.png")),
        surplus(KEYS, 9, "K/9.jpg"),
        missing(KEYS, 9, "K/8.jpg"),
        *(surplus(BODIES, 1_000, key) for key in ("see a/1000.png and b/1.png", "a/1000.png")),
        *(missing(KEYS, 3_000, key) for key in ("https://photos/x", "x")),
    }
    assert stored(tmp_path) == before
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    assert await differences(registry, database) == set()


async def test_what_one_source_holds_says_nothing_of_another(
    registry: Registry, database: Database, app_database: AppDatabase
) -> None:
    """The same row and the same key, once in each of two columns."""
    await app_database.execute("UPDATE t SET body = 'K/5.jpg' WHERE id = 5")
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    await app_database.execute("UPDATE t SET body = NULL WHERE id = 5")
    assert await differences(registry, database) == {surplus(BODIES, 5, "K/5.jpg")}


async def test_digests_are_not_trusted(
    registry: Registry, database: Database, tmp_path: Path
) -> None:
    """The chunks say that nothing changed since; the edges themselves say otherwise."""
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute("DELETE FROM edge WHERE h = ?", (key_hash("K/5.jpg"),))
        file.execute(
            "INSERT INTO edge (src, row, h, seen) SELECT id, 5, ?, 1 FROM source WHERE name = ?",
            (key_hash("made up"), KEYS.name),
        )
        file.commit()
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    assert await differences(registry, database) == {
        missing(KEYS, 5, "K/5.jpg"),
        surplus(KEYS, 5, "made up"),
    }
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT, trust=False)
    assert await differences(registry, database) == set()


async def test_sources_that_only_one_of_them_knows(registry: Registry, database: Database) -> None:
    where = SourceConfig("t", ("k",), where="id < 2")
    await refresh(registry, [database], [where], NAMES, began_at=AT)
    assert await differences(
        registry, database, [SourceConfig("t", ("body",), where="id = 1")]
    ) == {
        (SURPLUS, where.name, 0, key_hash("K/0.jpg"), None),
        (SURPLUS, where.name, 1, key_hash("K/1.jpg"), None),
        *(missing(BODIES, 1, key) for key in ("see a/1.png and b/1.png", "a/1.png", "b/1.png")),
    }


async def test_an_empty_registry_lacks_everything(registry: Registry, database: Database) -> None:
    few = SourceConfig("t", ("k",), where="id < 3")
    assert await differences(registry, database, [few]) == {
        missing(few, n, f"K/{n}.jpg") for n in range(3)
    }


async def test_a_comparison_that_cannot_be_finished_fails(
    registry: Registry, database: Database
) -> None:
    await refresh(registry, [database], SOURCES, NAMES, began_at=AT)
    with pytest.raises(DatabaseUnreachable):
        await differences(registry, FailingMidway(database, "main"))


async def test_the_registry_is_seen_as_of_one_moment(
    registry: Registry, database: Database, app_database: AppDatabase
) -> None:
    """A reading that ends meanwhile changes nothing in what is being compared."""
    await app_database.execute("UPDATE t SET k = 'gone.jpg' WHERE id = 1")
    await refresh(registry, [database], [KEYS], NAMES, began_at=AT)
    await app_database.execute("UPDATE t SET k = 'K/1.jpg' WHERE id = 1")
    found: list[Drift] = []
    async for page in find_drift(registry, [database], [KEYS], NAMES):
        if not found:
            await refresh(registry, [database], [KEYS], NAMES, began_at=AT)
        found += page
    assert set(found) == {missing(KEYS, 1, "K/1.jpg"), surplus(KEYS, 1, "gone.jpg")}
    assert await differences(registry, database, [KEYS]) == set()


def test_pages_are_bounded() -> None:
    assert drift._PAGE <= 1_000
