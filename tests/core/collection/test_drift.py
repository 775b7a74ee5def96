"""What changed since the approval leaves the plan before anything is backed up, and is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from s3gc_core.bucket import Bucket, ListedObject, ObjectState, ObjectUnreadable
from s3gc_core.collection import drift
from s3gc_core.collection.backup import BackupRun
from s3gc_core.collection.drift import _folder_around
from s3gc_core.jobs import EventKind, job_events
from s3gc_core.judgement import PlanItem
from s3gc_core.vault import Intent, Result
from tests.stories.staging import ORPHANS, USED, ready_plan
from tests.world import World

FIRST, SECOND, *OTHERS = sorted(ORPHANS)
# What tells whether the store honours conditions.
PROBE = ".s3gc-probe"


@pytest.mark.parametrize(
    ("keys", "folder"),
    [
        ("a", ""),
        ("a/b", "a/"),
        ("a/b a/c", "a/"),
        ("a/b/1 a/b/2 a/c", "a/"),
        ("a/bc a/bd", "a/"),
        ("a/ a/b", "a/"),
        ("a/b ab", ""),
        ("a/b/c a/b/c/d", "a/b/"),
        ("x/1 y/1", ""),
    ],
)
def test_only_the_folder_around_the_plan_is_listed(keys: str, folder: str) -> None:
    assert _folder_around(dict.fromkeys(keys.split(), "e")) == folder


class Seen:
    """What was asked of the bucket, and what came to be backed up, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heads: list[str] = []
        self.listings: list[str] = []
        self.backed_up: set[str] = set()
        head, list_pages, back_up = Bucket.head, Bucket.list_pages, BackupRun.back_up

        async def asked(bucket: Bucket, key: str) -> ObjectState | None:
            # Afterwards some of what is said to be deleted is looked at.
            if not self.backed_up and not key.startswith(PROBE):
                self.heads.append(key)
            return await head(bucket, key)

        def listed(bucket: Bucket, prefix: str = "") -> AsyncIterator[list[ListedObject]]:
            if not prefix.startswith(PROBE):
                self.listings.append(prefix)
            return list_pages(bucket, prefix)

        async def backing_up(run: BackupRun, items: list[PlanItem]) -> object:
            self.backed_up |= {item.key for item in items}
            return await back_up(run, items)

        monkeypatch.setattr(Bucket, "head", asked)
        monkeypatch.setattr(Bucket, "list_pages", listed)
        monkeypatch.setattr(BackupRun, "back_up", backing_up)


async def changed_since(world: World) -> str:
    """A plan of which one object was overwritten since, and one is gone."""
    plan_id = await ready_plan(world)
    await world.put(FIRST, b"another body")
    await world.remove(SECOND)
    return plan_id


def comparisons(world: World, operation_id: str) -> list[tuple[str, str]]:
    events = job_events(world.config.vault_path, operation_id).events
    return [(e.subject, e.reason) for e in events if e.kind is EventKind.COMPARED]


@pytest.mark.parametrize("heads_per_page", [10, 0])
async def test_what_changed_leaves_the_plan_before_the_first_backup(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, heads_per_page: int
) -> None:
    """Asked for one by one where there are few, else by a listing and only where that differs."""
    world = sqlite_world
    plan_id = await changed_since(world)
    monkeypatch.setattr(drift, "HEADS_PER_PAGE", heads_per_page)
    seen = Seen(monkeypatch)
    done = await world.execute(plan_id)
    assert await world.outcomes(done.operation_id) == {
        FIRST: "changed",
        SECOND: "vanished",
        **dict.fromkeys(OTHERS, "deleted"),
    }
    assert done.planned == len(ORPHANS) == sum(done.counts.values())
    assert done.outcome == "partial"
    assert seen.backed_up == set(OTHERS)
    listed = heads_per_page == 0
    assert seen.listings == (["p/"] if listed else [])
    assert set(seen.heads) == ({FIRST, SECOND} if listed else ORPHANS)
    assert (await world.contents(FIRST))[0] == b"another body"
    assert await world.keys() == {FIRST, USED}
    # It is told at the start, and in the log before anything is intended.
    assert comparisons(world, done.operation_id) == [
        (f"{len(ORPHANS)} objects with the plan", "1 changed, 1 vanished since, left alone")
    ]
    async with world.collector() as collector:
        records = [
            entry.record
            async for page in collector.audit.entries(done.operation_id)
            for entry in page
            if isinstance(entry.record, Intent | Result)
        ]
    assert {record.key for record in records[:2]} == {FIRST, SECOND}
    assert all(isinstance(record, Intent) for record in records[2 : 2 + len(OTHERS)])


async def test_where_nothing_changed_that_is_told_as_well(sqlite_world: World) -> None:
    done = await sqlite_world.execute(await ready_plan(sqlite_world))
    assert done.counts == {"deleted": len(ORPHANS)}
    assert comparisons(sqlite_world, done.operation_id) == [
        (f"{len(ORPHANS)} objects with the plan", "all are as approved")
    ]


async def test_a_listing_that_lacks_an_object_proves_nothing(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = await ready_plan(sqlite_world)

    async def nothing(bucket: Bucket, prefix: str = "") -> AsyncIterator[list[ListedObject]]:
        yield []

    monkeypatch.setattr(drift, "HEADS_PER_PAGE", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "list_pages", nothing)
        done = await sqlite_world.execute(plan_id)
    assert done.counts == {"deleted": len(ORPHANS)}


async def test_what_cannot_be_looked_at_is_left_to_its_backup(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = await ready_plan(sqlite_world)
    head, first = Bucket.head, True

    async def refused(bucket: Bucket, key: str) -> ObjectState | None:
        nonlocal first
        if key == FIRST and first:
            first = False
            raise ObjectUnreadable("looking at it: denied")
        return await head(bucket, key)

    monkeypatch.setattr(Bucket, "head", refused)
    done = await sqlite_world.execute(plan_id)
    assert not first
    assert done.counts == {"deleted": len(ORPHANS)}
