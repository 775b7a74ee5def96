"""How a search of a whole database goes along: its rate, and how it is left and taken up again."""

from __future__ import annotations

import asyncio

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import Engine, TableRead, open_database
from s3gc_core.references import Course, DatabaseSearch, KeySearch, to_search
from s3gc_core.references.examining import all_tables
from tests.servers.app_database import AppDatabase


def search(app: AppDatabase | None, course: Course) -> DatabaseSearch:
    databases = [open_database(DatabaseConfig(app.url))] if app else []
    return DatabaseSearch(databases, KeySearch(["a/first.jpg", "z/last.jpg"]), (), (), course)


async def found(searching: DatabaseSearch) -> set[tuple[str, object]]:
    return {(one.text, one.row) async for some in searching.mentions() for one in some}


async def with_keys(app: AppDatabase) -> None:
    for table, key in (("a", "a/first.jpg"), ("z", "z/last.jpg")):
        await app.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k VARCHAR(99))")
        await app.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(n, key) for n in (1, 2)])


EVERYTHING = {(key, row) for key in ("a/first.jpg", "z/last.jpg") for row in (1, 2)}


@pytest.mark.parametrize("limit", [1_000_000, 0])
async def test_no_more_is_read_than_the_rate_allows(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """By a clock that only moves while the search waits, as long as it wants to."""
    now, looks, waits = 0.0, [0], []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    course = Course(went_on=looks.append, bytes_per_second=limit)
    searching = search(None, course)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        patch.setattr(asyncio, "sleep", sleep)
        for size in (300_000, 1_000, 2_000_000):
            before = now
            await searching._pass(size)
            assert now - before == pytest.approx(size / limit if limit else 0)
    assert looks[-1] == 2_301_000
    # A wish is not kept waiting for a page of many seconds.
    assert all(seconds <= 0.5 for seconds in waits)
    assert len(waits) == (6 if limit else 0)


@pytest.mark.parametrize("app_server", ["postgres", "mariadb"], indirect=True)
async def test_a_key_that_is_a_uuid_is_found_in_a_column_of_uuids(
    app_database: AppDatabase,
) -> None:
    app = app_database
    key, other = (f"6f1f9c6e-5f0e-4f0b-9b8e-0d6a3f2b1c5{n}" for n in (5, 6))
    await app.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, k UUID)")
    await app.executemany("INSERT INTO u VALUES (?, ?)", [(1, other), (2, key), (3, None)])
    databases = [open_database(DatabaseConfig(app.url))]
    searching = DatabaseSearch(databases, KeySearch([key]), (), (), Course())
    assert await found(searching) == {(key, 2)}
    async with databases[0].snapshot() as snapshot:
        sample = await snapshot.sample(TableRead("u", ("k",)), 10)
    assert {row.values for row in sample} == {(key,), (other,)}


async def test_what_is_left_for_a_while_is_searched_from_its_beginning(
    app_database: AppDatabase,
) -> None:
    await with_keys(app_database)
    wishes, waits = [False, True], [0]

    async def may_go_on() -> None:
        waits[0] += 1

    course = Course(shall_leave=lambda: bool(wishes) and wishes.pop(0), may_go_on=may_go_on)
    assert await found(search(app_database, course)) == EVERYTHING
    assert wishes == []
    assert waits[0] >= 2


async def test_what_is_cancelled_ends_with_the_page(app_database: AppDatabase) -> None:
    await with_keys(app_database)

    class Cancelled(Exception):
        pass

    def cancel(read: int) -> None:
        raise Cancelled(read)

    searching = search(app_database, Course(went_on=cancel))
    # Two keys; of a server that sends lines, with the rows' numbers and what is between.
    size = 28 if app_database.engine is Engine.POSTGRESQL else 22
    with pytest.raises(Cancelled, match=str(size)):
        await found(searching)
    # Its snapshot is closed: the table can be altered.
    await app_database.execute("DROP TABLE a")
    assert await found(search(app_database, Course())) == {
        (key, row) for key, row in EVERYTHING if key == "z/last.jpg"
    }


async def test_names_to_skip_are_matched_with_tables(app_database: AppDatabase) -> None:
    await with_keys(app_database)
    tables = await all_tables([open_database(DatabaseConfig(app_database.url))])
    [canonical] = [table.canonical for _, table in tables if table.table == "z"]
    skip = ["a", f"main:{canonical}", "b", "other:a"]
    sorted_out = to_search(tables, skip)
    assert sorted_out.columns == set()
    assert len(sorted_out.skipped) == 2
    assert sorted_out.unmatched == ["b", "other:a"]
    assert {column.column for column in to_search(tables, []).columns} == {"k"}
