"""`s3gc follow` as its user runs it, and what status and doctor say of it."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.databases import open_database
from s3gc_core.references import table_read
from tests.tui.command_line import CommandLine, Record, ended, toml
from tests.world import World


@pytest.fixture
async def world(world: World) -> World:
    """A followed database with one row."""
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, database={"url": world.app.url, "cdc": True})
    return world


@pytest.fixture
def cli(world: World, tmp_path: Path) -> CommandLine:
    folder = tmp_path / "operator"
    folder.mkdir()
    cli = CommandLine(folder)
    cli.config.write_text(toml(world.config))
    return cli


def checks(records: list[Record]) -> dict[str, bool]:
    """What the doctor says of streams. What others left in a server of several is not ours."""
    found = {r["name"]: r["ok"] for r in records if r["name"].startswith("stream of")}
    return {name: ok for name, ok in found.items() if name != "stream of main, left"}


async def test_a_life_of_following(world: World, cli: CommandLine) -> None:
    before = await cli.batch("status")
    assert [(r["database"], r["state"]) for r in before.of("stream")] == [("main", "not begun")]
    assert checks((await cli.batch("doctor")).of("check")) == {
        "stream of main": True,
        f"stream of main, {await canonical(world)}": True,
    }
    process = await cli.start("--batch", "follow")
    assert process.stdout is not None
    heard = [await process.stdout.readline() for _ in range(2)]
    assert [b'"loading"' in heard[0], b'"following"' in heard[1]] == [True, True], heard
    # A row that is written now is known at once, and without any scan.
    await world.app.execute("INSERT INTO t VALUES (2, 'new')")
    async with world.collector() as collector, asyncio.timeout(20):
        while [edge.row for edge in await collector.registry.edges_of("new")] != [2]:
            assert process.returncode is None
    [stream] = (await cli.batch("status")).of("stream")
    assert (stream["state"], stream["detail"], stream["reading"]) == ("following", "", [])
    assert stream["true_at"] is not None
    assert 0 < stream["seconds"] < 60
    assert stream["transactions"] is not None
    # One process follows a vault.
    assert (await cli.batch("follow")).code == 5
    assert (await cli.batch("registry", "rebuild")).code == 5
    stopped = await cli.batch("follow", "--stop")
    assert (stopped.code, stopped.summary["dropped"]) == (0, [])
    assert (await ended(process)).code == 143
    [stream] = (await cli.batch("status")).of("stream")
    assert stream["state"] == "waiting"
    # The registry is compared with the database: nothing is missing, nothing is too much.
    assert (await cli.batch("registry", "verify")).code == 0
    name = await stream_name(world)
    dropped = await cli.batch("follow", "--stop", "--drop-slot")
    assert (dropped.code, dropped.summary["dropped"]) == (0, ["main"])
    [stream] = (await cli.batch("status")).of("stream")
    assert stream["state"] == "not begun"
    await nothing_is_left(world, name)


async def test_a_reload_begins_anew(world: World, cli: CommandLine) -> None:
    summary = await world.scan()
    assert summary.blocked == []
    async with world.collector() as collector:
        registry = collector.registry
        name = (await registry.streams())["main"].name
        await registry.lose_stream("main", name, "slot-missing", "somebody dropped the slot")
    lost = await cli.batch("follow")
    assert (lost.code, lost.summary["blocked"]) == (3, ["stream-lost"])
    assert [(r["event"], r["detail"]) for r in lost.of("stream")] == [
        ("lost", "somebody dropped the slot")
    ]
    assert not checks((await cli.batch("doctor")).of("check"))["stream of main"]
    process = await cli.start("--batch", "follow", "--reload")
    assert process.stdout is not None
    events = [await process.stdout.readline() for _ in range(2)]
    assert b'"following"' in events[1], events
    process.send_signal(signal.SIGTERM)
    assert (await ended(process)).code == 143
    summary = await world.scan()
    assert summary.blocked == []
    name = await stream_name(world)
    await cli.batch("follow", "--stop", "--drop-slot")
    await nothing_is_left(world, name)


@pytest.mark.parametrize("how", ["not followed any more", "not configured any more"])
async def test_what_a_server_keeps_is_named_until_it_is_taken_away(
    world: World, cli: CommandLine, how: str, tmp_path: Path
) -> None:
    assert (await world.scan()).blocked == []
    name = await stream_name(world)
    configured = world.config.databases
    changed = [replace(database, cdc=False) for database in configured]
    if how == "not configured any more":
        other = tmp_path / "other.db"
        sqlite3.connect(other).close()
        changed = [replace(changed[0], name="other", url=f"sqlite:///{other}")]
    world.change(databases=tuple(changed))
    async with world.collector() as collector:
        dropped = await collector.stop_following(drop_slot=True)
    if how == "not configured any more":
        assert dropped == []
        assert await stream_name(world) == name
        world.change(databases=configured)
        async with world.collector() as collector:
            dropped = await collector.stop_following(drop_slot=True)
    assert dropped == ["main"]
    await nothing_is_left(world, name)


async def test_a_unit_for_systemd(world: World, cli: CommandLine) -> None:
    printed = await cli("follow", "--print-unit")
    assert printed.code == 0
    lines = printed.text.splitlines()
    assert f"WorkingDirectory={cli.folder}" in lines
    [start] = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(f"--config {cli.config} --batch follow")


async def test_what_does_not_go_together(world: World, cli: CommandLine) -> None:
    for wrong in (["--drop-slot"], ["--stop", "--reload"], ["--print-unit", "--stop"]):
        assert (await cli.batch("follow", *wrong)).code == 2
    cli.config.write_text(toml(world.config).replace("cdc = true\n", ""))
    nothing = await cli.batch("follow")
    assert (nothing.code, nothing.summary["blocked"]) == (3, ["nothing-followed"])


async def canonical(world: World) -> str:
    """How the database calls the table `t`."""
    async with open_database(world.config.databases[0]).snapshot() as snapshot:
        return (await snapshot.describe(table_read(world.config.sources[0]))).canonical


async def stream_name(world: World) -> str:
    async with world.collector() as collector:
        return (await collector.registry.streams())["main"].name


async def nothing_is_left(world: World, name: str) -> None:
    """No slot, no publication, no row of ours, and on a server of our own no table."""
    if world.app.engine == "postgresql":
        for query in (
            "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()",
            "SELECT pubname FROM pg_publication",
            "SELECT nspname FROM pg_namespace WHERE nspname = 's3gc'",
        ):
            assert await world.app.execute(query) == []
    elif await world.app.execute("SHOW DATABASES LIKE 's3gc'"):
        # Other databases of the server are followed by other registries.
        rows = await world.app.execute("SELECT name FROM s3gc.heartbeat")
        assert name not in [row for (row,) in rows]
