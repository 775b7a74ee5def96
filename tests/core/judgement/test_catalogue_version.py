"""A catalogue of another version of s3gc: an older one is made anew, a later one is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.errors import (
    CatalogueTooNew,
    ExitCode,
    PlanGone,
    ScanGone,
    VaultBusy,
    VaultUnreachable,
)
from s3gc_core.judgement import (
    CandidateBrowser,
    Catalogue,
    Conditions,
    Layers,
    LayerVerdict,
    Plan,
    PlanItem,
    ScanSummary,
    Tripped,
    catalogue_version,
    plan_tables,
    scan_tables,
)
from s3gc_core.judgement.catalogue_version import VERSION, make_ours
from s3gc_core.local_store import LocalStore
from s3gc_core.references import Finding
from tests.core.jobs.test_lease import held_elsewhere
from tests.core.judgement.catalogue_file import begin, candidate, finish, finished_scan, writing
from tests.core.judgement.controlled import put, rows
from tests.core.judgement.evidence import NOW
from tests.core.judgement.test_browsing import everything
from tests.world import World

TABLES = {
    "scan", "listing", "unreferenced", "hit", "candidate", "conclusion", "folder", "plan",
    "plan_item", "near_form", "listed", "explained", "finding",
    "canary", "sighting", "upload", "mention",
}  # fmt: skip

# Each makes a file of ours one that an older version may have written.
OLDER = {
    "the tables of today": "SELECT 1",
    "a column less": "ALTER TABLE candidate DROP COLUMN storage_class",
    "a column less in the tree": "ALTER TABLE folder DROP COLUMN orphan_bytes",
    "a table that is no more": "CREATE TABLE progress (done INTEGER)",
    "tables that SQLite made": "ANALYZE",
    "items without their content": "ALTER TABLE plan_item DROP COLUMN item",
    "another kind of plan": "UPDATE plan SET head = x'7b7d'",
    "another kind of summary": "UPDATE scan SET summary = x'7b7d'",
}


def change(vault: Path, *statements: str) -> None:
    with closing(sqlite3.connect(vault / "catalogue.db", isolation_level=None)) as file:
        for statement in statements:
            file.execute(statement)


def aged(vault: Path, *statements: str) -> None:
    """What an older version, which did not number its files, may have left."""
    change(vault, *statements, "PRAGMA user_version = 0")


def stored(vault: Path) -> tuple[int, dict[str, list[tuple[object, ...]]]]:
    """The version that stands in the file, and all rows of all tables."""
    with closing(sqlite3.connect(vault / "catalogue.db")) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        names = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return version, {name: file.execute(f"SELECT * FROM {name}").fetchall() for name in names}


async def opened_and_closed(vault: Path) -> None:
    await (await Catalogue.open(vault)).close()


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[CandidateBrowser]:
    opened = CandidateBrowser(tmp_path)
    yield opened
    await opened.close()


async def test_a_new_file_has_its_version(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    assert stored(tmp_path) == (VERSION, {name: [] for name in TABLES})
    await opened_and_closed(tmp_path)
    assert stored(tmp_path) == (VERSION, {name: [] for name in TABLES})


@pytest.mark.parametrize("content", [b"", None])
async def test_a_file_without_tables_is_a_new_one(tmp_path: Path, content: bytes | None) -> None:
    """Left by who died between creating the file and its tables. Nobody has to be waited for."""
    path = tmp_path / "catalogue.db"
    if content is None:
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA journal_mode = WAL")
    else:
        path.write_bytes(content)
    with held_elsewhere(tmp_path):
        await opened_and_closed(tmp_path)
    assert stored(tmp_path) == (VERSION, {name: [] for name in TABLES})


@pytest.mark.parametrize("older", OLDER)
async def test_an_older_file_is_made_anew(tmp_path: Path, older: str) -> None:
    finished_scan(tmp_path, [candidate("a"), candidate("b")])
    aged(tmp_path, OLDER[older])
    await opened_and_closed(tmp_path)
    assert stored(tmp_path) == (VERSION, {name: [] for name in TABLES})


async def test_a_file_that_cannot_be_made_anew_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    aged(tmp_path)
    before = stored(tmp_path)
    monkeypatch.setattr(plan_tables, "SCHEMA", plan_tables.SCHEMA + "CREATE TABLE broken")
    with pytest.raises(VaultUnreachable, match="syntax error"):
        await Catalogue.open(tmp_path)
    assert stored(tmp_path) == before
    monkeypatch.undo()
    await opened_and_closed(tmp_path)
    assert stored(tmp_path)[0] == VERSION


async def test_a_later_file_is_refused_and_left_alone(
    tmp_path: Path, browser: CandidateBrowser
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await browser.open()
    assert snapshot is not None
    change(
        tmp_path,
        "ALTER TABLE candidate DROP COLUMN storage_class",
        f"PRAGMA user_version = {VERSION + 1}",
    )
    before = stored(tmp_path)
    for ask in (
        lambda: Catalogue.open(tmp_path),
        lambda: browser.open(),
        lambda: browser.rows(snapshot, [1]),
    ):
        with pytest.raises(CatalogueTooNew, match=f"format {VERSION + 1}") as refused:
            await ask()
        assert refused.value.exit_code is ExitCode.BLOCKED
        assert refused.value.name == "catalogue-too-new"
    assert stored(tmp_path) == before


@pytest.mark.parametrize("older", OLDER)
async def test_looking_at_an_older_file_is_looking_at_none(
    tmp_path: Path, browser: CandidateBrowser, older: str
) -> None:
    finished_scan(tmp_path, [candidate("a")])
    snapshot = await browser.open()
    assert snapshot is not None
    aged(tmp_path, OLDER[older])
    before = stored(tmp_path)
    assert await browser.open() is None
    assert await browser.open(snapshot.scan_id) is None
    assert set(map(str, await everything(browser, snapshot))) == {str(ScanGone)}
    # Looking changes nothing; who writes makes it anew, and it can be looked at again.
    assert stored(tmp_path) == before
    await opened_and_closed(tmp_path)
    assert await browser.open() is None
    finished_scan(tmp_path, [candidate("b")], "S2")
    assert set(map(str, await everything(browser, snapshot))) == {str(ScanGone)}
    newer = await browser.open()
    assert newer is not None
    assert newer.scan_id == "S2"


async def test_an_older_file_that_may_be_in_use_is_kept(tmp_path: Path) -> None:
    """An operation of the older version may have outlived the installation of this one."""
    finished_scan(tmp_path, [candidate("a")])
    aged(tmp_path)
    before = stored(tmp_path)
    with held_elsewhere(tmp_path) as holder:
        with pytest.raises(VaultBusy, match="execute OP1") as busy:
            await Catalogue.open(tmp_path)
        assert str(holder.pid) in busy.value.next_step
        assert stored(tmp_path) == before
    await opened_and_closed(tmp_path)
    assert stored(tmp_path)[0] == VERSION


async def test_our_own_file_is_opened_while_others_write(tmp_path: Path) -> None:
    finished_scan(tmp_path, [candidate("a")])
    with held_elsewhere(tmp_path), writing(tmp_path) as scan:
        scan.execute("BEGIN IMMEDIATE")
        # A store would wait for the scan for half a minute, and then give up.
        await asyncio.wait_for(opened_and_closed(tmp_path), 20)
        scan.execute("ROLLBACK")


@pytest.mark.parametrize("older", [True, False])
async def test_who_comes_second_keeps_what_the_first_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    """Both have seen the older (or the empty) file before one of them made it ours."""
    if older:
        finished_scan(tmp_path, [candidate("a")])
        aged(tmp_path)
    waits = asyncio.Event()
    run = LocalStore.run

    async def seen(store: LocalStore, *args: object) -> object:
        waits.set()
        return await run(store, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalStore, "run", seen)
    path = tmp_path / "catalogue.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("PRAGMA journal_mode = WAL")
        first.execute("BEGIN IMMEDIATE")
        make_ours(first, tmp_path)
        scan_tables.begin_scan(first, "S9", NOW)
        second = asyncio.create_task(Catalogue.open(tmp_path))
        await asyncio.wait_for(waits.wait(), 20)
        first.execute("COMMIT")
        await (await second).close()
    version, tables = stored(tmp_path)
    assert version == VERSION
    assert [row[1] for row in tables["scan"]] == ["S9"]


OPENER = """
import asyncio, sys
from pathlib import Path
from s3gc_core.judgement import Catalogue
from tests.core.judgement.evidence import NOW

async def main(vault, name):
    print("ready", flush=True)
    sys.stdin.readline()
    catalogue = await Catalogue.open(Path(vault))
    await catalogue.begin_scan(name, NOW)
    await catalogue.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("older", [True, False])
def test_processes_that_open_it_at_once_lose_nothing(tmp_path: Path, older: bool) -> None:
    if older:
        finished_scan(tmp_path, [candidate("a")])
        aged(tmp_path, OLDER["a column less"])
    names = ["S1", "S2", "S3"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    version, tables = stored(tmp_path)
    assert version == VERSION
    assert sorted(str(row[1]) for row in tables["scan"]) == names


async def test_a_scan_goes_on_where_another_collector_opens_the_file(tmp_path: Path) -> None:
    with writing(tmp_path) as scan:
        begin(scan, "S1")
        await opened_and_closed(tmp_path)
        finish(scan, "S1")
    assert [row[1] for row in stored(tmp_path)[1]["scan"]] == ["S1"]


ORPHANS = {"gone/1", "gone/2", "gone/3"}
VERDICTS = dict.fromkeys(ORPHANS, "orphan") | {"kept/1": "keep"}


async def small(world: World) -> None:
    await rows(world, "used/1")
    world.track({"t": ["k"]}, exclude_prefixes=["kept/"])
    await put(world, "used/1", "kept/1", *ORPHANS)
    world.days(10)


async def approved(world: World) -> Plan:
    summary = await world.scan()
    assert summary.plan_id is not None
    assert await world.verdicts() == VERDICTS
    async with world.collector() as collector:
        return await collector.approve(summary.plan_id, reason="a test")


async def is_gone(world: World, plan: Plan) -> None:
    """Nothing can be done with a plan any more, and nobody is left in the dark about it."""
    async with world.collector() as collector:
        for ask in (
            lambda: collector.execute(plan.plan_id, confirm=plan.confirmation),
            lambda: collector.approve(plan.plan_id, reason="once more"),
            lambda: collector.approve(plan.plan_id, reason="a part", prefixes=["gone/"]),
            lambda: collector.reject(plan.plan_id, reason="a test"),
            lambda: collector.plan(plan.plan_id),
        ):
            with pytest.raises(PlanGone, match=plan.plan_id) as refused:
                await ask()
            assert refused.value.exit_code is ExitCode.NOT_FOUND
            assert "scan again" in refused.value.next_step
        assert plan.plan_id not in {kept.plan_id for kept, _ in await collector.plans()}


async def test_an_approved_plan_does_not_outlive_its_version(sqlite_world: World) -> None:
    world = sqlite_world
    await small(world)
    there = await world.keys()
    plan = await approved(world)
    for statement in OLDER.values():
        aged(world.config.vault_path, statement)
        await is_gone(world, plan)
        async with world.collector() as collector:
            assert await collector.last_scan() is None
            assert await collector.plans() == []
            assert await collector.approved_plan() is None
            assert (await collector.status()).waiting == []
            assert [page async for page in collector.candidates()] == []
        # The next scan finds what the last one found, and a person decides anew.
        before, plan = plan, await approved(world)
        assert plan.plan_id != before.plan_id
        await is_gone(world, before)
    assert await world.keys() == there
    async with world.collector() as collector:
        run = await collector.execute(plan.plan_id, confirm=plan.confirmation)
    assert run.counts == {"deleted": 3}
    assert await world.keys() == there - ORPHANS
    # What was done does not depend on the catalogue.
    aged(world.config.vault_path)
    await world.restore(operation_id=run.operation_id)
    assert await world.keys() == there


async def test_a_later_catalogue_ends_every_command(sqlite_world: World) -> None:
    world = sqlite_world
    await small(world)
    plan = await approved(world)
    there = await world.keys()
    change(world.config.vault_path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(CatalogueTooNew):
        await world.scan()
    with pytest.raises(CatalogueTooNew):
        await world.execute(plan.plan_id)
    assert await world.keys() == there
    # As the refusal says.
    for file in world.config.vault_path.glob("catalogue.db*"):
        file.unlink()
    await is_gone(world, plan)
    assert (await world.collect()).counts == {"deleted": 3}


def test_the_version_changes_with_what_it_stands_for() -> None:
    """Where this fails: raise `VERSION`, then write it and the new digest here."""
    kept = (Plan, PlanItem, Conditions, Layers, LayerVerdict, ScanSummary, Tripped, Finding)
    fields = {one.__name__: one.__annotations__ for one in kept}
    shape = "".join(one.SCHEMA for one in catalogue_version._TABLES) + json.dumps(fields)
    digest = hashlib.sha256(shape.encode()).hexdigest()[:16]
    assert (VERSION, digest) == (7, "9985fd31f15117fb")
