"""Restore drills: what they restore is compared in everything, and nothing of it stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from s3gc_core.actions.drilling import DrillSummary
from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import SystemClock
from s3gc_core.collection.drill import FOLDER, ScratchPrefix, draw
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    Drilled,
    OperationStarted,
    Outcome,
    Result,
)
from tests.core.collection.backups import backed_up, vault
from tests.servers.proxy import Exchange, running_proxy
from tests.world import World

PREFIX = ".s3gc-drill/"
FULL = ObjectHeaders(
    content_type="text/plain",
    cache_control="max-age=60",
    content_disposition="attachment",
    metadata={"owner": "somebody"},
    tags={"team": "a"},
)
# Keys that a scratch place must not take for paths of its own.
BODIES = {"a.txt": b"a" * 10, "..b": b"b" * 3000, "c/d": b"", "e f/\u00e9.bin": bytes(range(256))}


async def collected(world: World) -> None:
    """Delete all of `BODIES`; one object in use stays."""
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t (k) VALUES ('used.jpg')")
    world.track({"t": ["k"]})
    await world.put("used.jpg")
    for key, body in BODIES.items():
        await world.put(key, body, FULL)
    world.days(10)
    assert (await world.collect()).counts == {"deleted": len(BODIES)}


async def drilled(
    world: World, to: str | None = None, sample: int = 10, seed: int = 1
) -> tuple[DrillSummary, dict[str, str]]:
    """A drill, and what it found to differ."""
    async with world.collector() as collector:
        found = await collector.drill(sample=sample, to=to, seed=seed)
        pages = collector.drill_differences(found.operation_id)
        return found, {one.key: one.reason async for page in pages for one in page}


async def last(world: World) -> Drilled:
    async with world.collector() as collector:
        status = await collector.status()
    assert status.drill is not None
    return status.drill.record


@pytest.mark.parametrize("place", ["bucket", "folder"])
async def test_what_was_backed_up_comes_back_and_nothing_of_it_stays(
    sqlite_world: World, tmp_path: Path, place: str
) -> None:
    world = sqlite_world
    await collected(world)
    folder = tmp_path / "scratch"
    to = PREFIX if place == "bucket" else str(folder)
    found, differing = await drilled(world, to)
    assert (found.outcome, found.checked, found.differing, found.left) == ("done", 4, 0, ())
    assert differing == {}
    assert await world.keys() == {"used.jpg"}
    assert place == "bucket" or list(folder.iterdir()) == []
    where = f"s3://{world.config.bucket}/{PREFIX}" if place == "bucket" else str(folder)
    record = await last(world)
    assert record == Drilled(10, 1, 4, 0, record.seconds, where)
    assert record.seconds > 0
    async with world.collector() as collector:
        operation = await collector.audit.operation(found.operation_id)
    assert operation.started.what == "drill"
    assert operation.started.arguments == {"sample": "10", "seed": "1", "to": to}
    assert operation.finished is not None
    assert operation.finished.counts == {"identical": 4, "differing": 0}


async def test_a_damaged_backup_fails_the_drill_by_its_key(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    await collected(world)
    async with world.collector() as collector:
        [found] = [f async for p in collector.audit.deleted_objects(keys=("..b",)) for f in p]
    backup = found.intent.backup
    stored = world.config.vault_path / backup.path
    data = bytearray(stored.read_bytes())
    data[(backup.offset or 0) + backup.stored_size // 2] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)
    for to in (str(tmp_path / "scratch"), PREFIX):
        summary, differing = await drilled(world, to)
        assert (summary.outcome, summary.checked, summary.differing) == ("partial", 4, 1)
        assert set(differing) == {"..b"}
        assert await world.keys() == {"used.jpg"}
        assert (await last(world)).differing == 1


@asynccontextmanager
async def losing(world: World, header: str) -> AsyncIterator[None]:
    """The store behind a proxy for which it forgets one header of every object."""

    async def drop(exchange: Exchange) -> None:
        kept = {n: v for n, v in exchange.answer_headers.items() if n.lower() != header}
        exchange.answer_headers = kept

    direct = world.config.endpoint_url
    async with running_proxy(direct) as proxy:
        proxy.after = drop
        world.change(endpoint_url=proxy.endpoint)
        yield
    world.change(endpoint_url=direct)


async def test_a_lost_header_is_told(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    await collected(world)
    config = world.config
    async with AuditLogOf(world) as audit, losing(world, "cache-control"):
        files = BackupFiles(config.vault_path)
        async with Bucket.open(world.config, SystemClock()) as bucket:
            scratch = ScratchPrefix(bucket, files, PREFIX, "01K0000000000000000000000A", 4)
            backups = await draw(audit, 10, 1)
            found = {b.intent.key: await scratch.differs(n, b) for n, b in enumerate(backups)}
    assert set(found) == set(BODIES)
    assert {key: "differs in cache_control" in (why or "") for key, why in found.items()} == (
        dict.fromkeys(BODIES, True)
    )
    assert await world.keys() == {"used.jpg"}


class AuditLogOf:
    """The audit log of a world's vault, opened by itself."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __aenter__(self) -> AuditLog:
        self._log = await AuditLog.open(self._world.config.vault_path, SystemClock())
        return self._log

    async def __aexit__(self, *_: object) -> None:
        await self._log.close()


async def test_leftovers_of_our_drills_go_and_nothing_else_does(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    await collected(world)
    dead, foreign = "01K0000000000000000000000A", "01K0000000000000000000000B"
    async with AuditLogOf(world) as audit:
        started = OperationStarted("drill", "me", "execute")
        other = OperationStarted("restore", "me", "execute")
        await audit.append(dead, [started])
        await audit.append(foreign, [other])
    theirs = {
        f"{PREFIX}{foreign}/00000001",
        f"{PREFIX}{dead}/00000001.jpg",
        f"{PREFIX}{dead}/x/00000001",
        f"{PREFIX}mine.txt",
        f"{dead}/00000001",
    }
    for key in (*theirs, f"{PREFIX}{dead}/00000000", f"{PREFIX}{dead}/00000017"):
        await world.put(key)
    scratch = tmp_path / "scratch"
    for name in (f"{FOLDER}{dead}", f"{FOLDER}{foreign}", "mine"):
        (scratch / name / "00000000").mkdir(parents=True)
    found, _ = await drilled(world, PREFIX)
    assert (found.outcome, found.left) == ("done", ())
    assert await world.keys() == {"used.jpg", *theirs}
    await drilled(world, str(scratch))
    assert {path.name for path in scratch.iterdir()} == {f"{FOLDER}{foreign}", "mine"}


async def test_no_scan_lets_scratch_objects_go(sqlite_world: World) -> None:
    world = sqlite_world
    await collected(world)
    for key in (f"{PREFIX}x", ".s3gc-drillx", "s/.s3gc-drill/x"):
        await world.put(key)
    world.days(30)
    summary = await world.scan()
    assert summary.blocked == []
    assert await world.verdicts() == {
        f"{PREFIX}x": "keep",
        ".s3gc-drillx": "orphan",
        "s/.s3gc-drill/x": "orphan",
    }
    # Nobody wrote it down, so nobody misspelled it.
    assert summary.unmatched_exclusions == []


async def test_an_empty_vault_proves_nothing(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    world.track({})
    found, _ = await drilled(world, str(tmp_path / "scratch"))
    assert (found.outcome, found.checked) == ("nothing-to-do", 0)
    async with world.collector() as collector:
        assert (await collector.status()).drill is None


async def test_the_seed_draws_the_same_and_chance_leaves_none_out(tmp_path: Path) -> None:
    files = vault(tmp_path / "vault")
    keys = [f"{number:02}" for number in range(40)]
    made = await backed_up(files, {key: key.encode() for key in keys})
    operation_id = made["00"].operation_id
    log = await AuditLog.open(tmp_path / "vault", SystemClock())
    try:
        await log.append(operation_id, [one.intent for one in made.values()])
        await log.append(operation_id, [Result(key, Outcome.DELETED) for key in keys])
        seen: Counter[str] = Counter()
        for seed in range(60):
            drawn = [backup.intent.key for backup in await draw(log, 10, seed)]
            assert len(set(drawn)) == 10
            assert drawn == [backup.intent.key for backup in await draw(log, 10, seed)]
            seen.update(drawn)
        assert set(seen) == set(keys)
        everything = [backup.intent.key for backup in await draw(log, 41, 0)]
        assert sorted(everything) == keys
    finally:
        await log.close()
