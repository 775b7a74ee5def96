"""Columns of types that are not called text hold keys: the scan finds them, and they keep."""

from __future__ import annotations

import pytest

from s3gc_core.databases import DatabaseUrl, Engine
from tests.stories.staging import upload
from tests.world import World

DARK, GOLD = "themes/dark-2021.css", "badges/gold-1.png"
GONE = {"themes/light-2019.css", "badges/bronze-3.png"}
NUMBERS = "n INTEGER, price DECIMAL(9, 2), at DATE"
SETS = f"a ENUM('{DARK}', 'plain'), b SET('new', '{GOLD}')"
# By engine: what makes a table `users`, and its rows, of which the last has both keys.
TABLES = {
    Engine.POSTGRESQL: [
        f"CREATE TYPE theme AS ENUM ('{DARK}', 'plain')",
        f"CREATE TABLE users (id INTEGER PRIMARY KEY, a theme, b tsvector, {NUMBERS})",
    ],
    Engine.MYSQL: [
        f"CREATE TABLE users (id INTEGER PRIMARY KEY, {SETS}, {NUMBERS})",
    ],
    # They held numbers and dates once, and SQLite took what came later.
    Engine.SQLITE: [f"CREATE TABLE users (id INTEGER PRIMARY KEY, a INTEGER, b DATE, {NUMBERS})"],
}
VALUES = {
    Engine.POSTGRESQL: f"'plain', 'new' | '{DARK}', 'new {GOLD}'",
    Engine.MYSQL: f"'plain', 'new' | '{DARK}', 'new,{GOLD}'",
    Engine.SQLITE: f"17, 20100203 | '{DARK}', '{GOLD}'",
}


@pytest.mark.parametrize("tracked", [False, True])
async def test_columns_of_other_types_are_accounted_for_and_searched(
    world: World, tracked: bool
) -> None:
    engine = DatabaseUrl.parse(world.app.url).engine
    for statement in TABLES[engine]:
        await world.app.execute(statement)
    for row, values in enumerate(VALUES[engine].split(" | ")):
        numbers = "3, 4.5, '2024-01-01'" if engine is not Engine.SQLITE else "3, 4.5, 20240101"
        await world.app.execute(f"INSERT INTO users VALUES ({row}, {values}, {numbers})")
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(99))")
    await world.app.execute("INSERT INTO files VALUES (1, 'a/used.jpg')")
    await upload(world, {"a/used.jpg", DARK, GOLD, *GONE})
    world.track({"files": ["path"]} | ({"users": ["a"]} if tracked else {}))
    world.days(8)
    summary = await world.scan()
    async with world.collector() as collector:
        covered = await collector.coverage()
    assert {column.id.column: column.standing.value for column in covered} == {
        "path": "tracked",
        "a": "tracked" if tracked else "unknown",
        "b": "unknown",
    }
    assert summary.not_searched == []
    judged = await world.judged()
    assert {key: one.verdict.value for key, one in judged.items()} == {
        **({} if tracked else {DARK: "keep"}),
        GOLD: "keep",
        **dict.fromkeys(GONE, "orphan"),
    }
    assert "users.b row 1" in judged[GOLD].layers.database.reason
    if not tracked:
        assert "users.a row 1" in judged[DARK].layers.database.reason
