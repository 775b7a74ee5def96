"""A connection of its own to the registry: who writes waits, and what is written stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.references import Registry, own_connection
from s3gc_core.references.own_connection import OwnConnection
from tests.core.references.readings import day, load


def pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def add(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO reading VALUES (?, 'now')", (number,))


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as file:
        return [n for (n,) in file.execute("SELECT number FROM reading ORDER BY 1")]


async def test_writing_waits_for_another_writer(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than SQLite itself waits, and without an error."""
    monkeypatch.setattr(own_connection, "_BUSY_SECONDS", 0.01)
    asked = 0
    often = asyncio.Event()
    loop = asyncio.get_running_loop()
    begin = own_connection._begin_to_write

    def counted(connection: sqlite3.Connection) -> bool:
        nonlocal asked
        asked += 1
        if asked == 4:
            loop.call_soon_threadsafe(often.set)
        return begin(connection)

    monkeypatch.setattr(own_connection, "_begin_to_write", counted)

    async def second() -> None:
        async with OwnConnection.writing(registry.path) as own:
            await own.run(add, 2)

    async with OwnConnection.writing(registry.path) as first:
        waiting = asyncio.create_task(second())
        async with asyncio.timeout(30):
            await often.wait()
        assert not waiting.done()
        await first.run(add, 1)
    async with asyncio.timeout(30):
        await waiting
    assert numbers(registry.path) == [1, 2]


async def test_writing_does_not_wait_for_what_is_no_other_writer(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(sqlite3.DatabaseError):
        async with OwnConnection.writing(tmp_path / "no.db"):
            raise AssertionError("opened")


async def test_the_registry_waits_for_a_load(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a follower says of its stream meanwhile is written after it, however long it takes."""
    await registry._store.read(lambda c: c.execute("PRAGMA busy_timeout = 10"))
    asked = 0
    often = asyncio.Event()
    run = registry._store.run

    async def counted(function: Callable[..., object], *args: object) -> object:
        nonlocal asked
        asked += 1
        if asked == 4:
            often.set()
        return await run(function, *args)

    monkeypatch.setattr(registry._store, "run", counted)
    async with registry.load(day(0), None, keep=None):
        forgetting = asyncio.create_task(registry.forget_stream("main"))
        async with asyncio.timeout(30):
            await often.wait()
        assert not forgetting.done()
    async with asyncio.timeout(30):
        await forgetting


async def test_durable_survives_a_power_cut_and_waits_for_nobody(registry: Registry) -> None:
    async with OwnConnection.durable(registry.path) as durable:
        assert await durable.run(pragma, "synchronous") == 2  # FULL
        assert await durable.run(pragma, "busy_timeout") == 0
        async with OwnConnection.writing(registry.path) as other:
            assert await other.run(pragma, "synchronous") == 1  # NORMAL
            with pytest.raises(sqlite3.OperationalError) as busy:
                await durable.run(lambda c: c.execute("BEGIN IMMEDIATE"))
            assert busy.value.sqlite_errorcode == sqlite3.SQLITE_BUSY
        await durable.run(lambda c: c.execute("BEGIN IMMEDIATE"))
        await durable.run(add, 1)
        assert numbers(registry.path) == []
        await durable.run(lambda c: c.execute("COMMIT"))
        assert numbers(registry.path) == [1]
        await durable.run(lambda c: c.execute("BEGIN IMMEDIATE"))
        await durable.run(add, 2)
    assert numbers(registry.path) == [1]  # what its user did not commit is not written


async def test_a_load_goes_on_where_a_follower_has_the_file_open(registry: Registry) -> None:
    async with OwnConnection.durable(registry.path):
        await load(registry, {"s": {(1, "a")}}, day(0))
    assert await registry.valid_at() == day(0)
