"""One batch is backed up while the one before it is judged again and deleted; nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.clock import ShiftedClock
from s3gc_core.collection import execute, overlap
from s3gc_core.collection.backup import Backups
from s3gc_core.collection.execute import Execution
from s3gc_core.collection.overlap import LASTS, Ahead, batches, is_fresh
from s3gc_core.errors import GuardBlocked, VaultFull
from s3gc_core.judgement import PlanItem
from s3gc_core.vault import BackupFiles, CopyDamaged, Outcome, Result
from tests.core.collection.backups import day, intent
from tests.core.jobs.journals import until
from tests.core.judgement.controlled import put, rows
from tests.core.judgement.evidence import item
from tests.core.vault.builders import noise
from tests.world import World

BATCH = [item("a"), item("b")]


async def paged(items: Sequence[PlanItem], size: int) -> AsyncIterator[Sequence[PlanItem]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@given(
    sizes=st.lists(st.integers(0, 30), max_size=20),
    done=st.sets(st.integers(0, 19)),
    objects=st.integers(1, 4),
    page=st.integers(1, 7),
)
async def test_batches_hold_what_is_left_in_order_and_within_their_limits(
    sizes: list[int], done: set[int], objects: int, page: int
) -> None:
    items = [msgspec.structs.replace(item(f"{n:02}"), size=s) for n, s in enumerate(sizes)]
    finished = frozenset(f"{n:02}" for n in done)
    pairs = [p async for p in batches(paged(items, page), finished, objects=objects, size=40)]
    assert [one.key for batch, _ in pairs for one in batch] == [
        one.key for one in items if one.key not in finished
    ]
    assert all(0 < len(batch) <= objects for batch, _ in pairs)
    assert all(sum(one.size for one in batch) <= 40 for batch, _ in pairs)
    assert [following for _, following in pairs[:-1]] == [batch for batch, _ in pairs[1:]]
    assert not pairs or pairs[-1][1] == []


def test_a_backup_lasts_a_minute_and_never_into_the_past() -> None:
    assert is_fresh(day(1), day(1))
    assert is_fresh(day(1), day(1) + LASTS)
    assert not is_fresh(day(1), day(1) + LASTS + timedelta(microseconds=1))
    assert not is_fresh(day(1), day(1) - timedelta(microseconds=1))


class Counted:
    """Backups that are only counted; `a` cannot be backed up."""

    def __init__(self) -> None:
        self.clock = ShiftedClock()
        self.made: list[list[str]] = []
        self.forgotten: list[list[str]] = []
        self.error: Exception | None = None

    def ahead(self) -> Ahead:
        return Ahead(self.clock, self.back_up, self.forget)

    async def back_up(self, batch: Sequence[PlanItem]) -> Backups:
        await asyncio.sleep(0)
        self.made.append([one.key for one in batch])
        if self.error is not None:
            raise self.error
        changed = [Result(one.key, Outcome.CHANGED) for one in batch if one.key == "a"]
        return Backups([intent(one.key) for one in batch if one.key != "a"], changed)

    async def forget(self, backups: Backups) -> None:
        await asyncio.sleep(0)
        self.forgotten.append([one.key for one in backups.intents])


async def test_what_was_begun_ahead_is_not_made_twice() -> None:
    counted = Counted()
    async with counted.ahead() as ahead:
        ahead.begin(BATCH)
        backups = await ahead.turn_of(BATCH)
        ahead.begin([])
        assert await ahead.turn_of([item("c")]) == Backups([intent("c")], [])
    assert backups == Backups([intent("b")], [Result("a", Outcome.CHANGED)])
    assert (counted.made, counted.forgotten) == ([["a", "b"], ["c"]], [])


async def test_what_waited_too_long_is_made_anew_and_none_ahead_after_it() -> None:
    counted = Counted()
    async with counted.ahead() as ahead:
        ahead.begin(BATCH)
        await until(lambda: counted.made)
        await asyncio.sleep(0)
        counted.clock.advance(LASTS + timedelta(seconds=1))
        backups = await ahead.turn_of(BATCH)
        ahead.begin([item("c")])
    assert backups == Backups([intent("b")], [Result("a", Outcome.CHANGED)])
    assert (counted.made, counted.forgotten) == ([["a", "b"], ["b"]], [["b"]])


async def test_an_error_is_told_at_its_turn_and_to_nobody_without_one() -> None:
    counted = Counted()
    counted.error = VaultFull("full")
    async with counted.ahead() as ahead:
        ahead.begin(BATCH)
        await until(lambda: counted.made)
    async with counted.ahead() as ahead:
        ahead.begin(BATCH)
        with pytest.raises(VaultFull):
            await ahead.turn_of(BATCH)
    assert counted.made == [["a", "b"]] * 2


async def test_what_was_found_at_either_time_is_told() -> None:
    """Alarms, remarks and results of backups that waited too long are as true as those anew."""
    clock = ShiftedClock()
    made: list[str] = []

    async def back_up(batch: Sequence[PlanItem]) -> Backups:
        await asyncio.sleep(0)
        made.append(when := ("later" if made else "ahead"))
        return Backups(
            [intent(one.key) for one in batch],
            [Result(when, Outcome.CHANGED)],
            [CopyDamaged(when, "operation", f"backups/{when}", "other bytes")],
            {"b": f"damaged, {when}", when: "damaged"},
        )

    async def forget(backups: Backups) -> None:
        await asyncio.sleep(0)

    async with Ahead(clock, back_up, forget) as ahead:
        ahead.begin(BATCH)
        await until(lambda: made)
        await asyncio.sleep(0)
        clock.advance(LASTS + timedelta(seconds=1))
        backups = await ahead.turn_of(BATCH)
    assert made == ["ahead", "later"]
    assert backups == Backups(
        [intent("a"), intent("b")],
        [Result("ahead", Outcome.CHANGED), Result("later", Outcome.CHANGED)],
        [
            CopyDamaged("ahead", "operation", "backups/ahead", "other bytes"),
            CopyDamaged("later", "operation", "backups/later", "other bytes"),
        ],
        {"ahead": "damaged", "later": "damaged", "b": "damaged, later"},
    )


async def test_leaving_ends_what_is_under_way() -> None:
    """It is neither waited for, nor does it go on beside what comes next."""
    counted, ends = Counted(), asyncio.Event()
    told: list[str] = []

    async def endless(_: Sequence[PlanItem]) -> Backups:
        told.append("begun")
        try:
            await ends.wait()
        finally:
            told.append("ended")
        raise AssertionError

    async with asyncio.timeout(5):
        async with Ahead(counted.clock, endless, counted.forget) as ahead:
            ahead.begin(BATCH)
            await until(lambda: told)
        assert told == ["begun", "ended"]


async def test_one_batch_ahead_and_no_other() -> None:
    counted = Counted()
    async with counted.ahead() as ahead:
        ahead.begin(BATCH)
        with pytest.raises(ValueError, match="one batch ahead"):
            ahead.begin([item("c")])
        with pytest.raises(ValueError, match="another batch"):
            await ahead.turn_of([item("c")])
        # The same keys, and not the same batch.
        with pytest.raises(ValueError, match="another batch"):
            await ahead.turn_of(list(BATCH))


async def five_orphans(world: World, monkeypatch: pytest.MonkeyPatch, *, once: bool) -> str:
    """A plan of three batches, of packed and of loose backups."""
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 2)
    await rows(world, "used")
    world.track({"t": ["k"]}, deduplicate=once)
    await put(world, "a", "b", "c")
    await put(world, "d", "e", body=noise(200_000))
    world.days(10)
    summary = await world.scan()
    assert (summary.orphans, summary.plan_id is None) == (5, False)
    return str(summary.plan_id)


def folders(world: World) -> dict[str, int]:
    """How many loose backups each operation has."""
    places = (world.config.vault_path / "backups").iterdir()
    return {p.name: sum("pack" not in f.name for f in p.iterdir()) for p in places}


async def test_a_blocked_batch_leaves_nothing_of_the_one_ahead(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await five_orphans(world, monkeypatch, once=False)
    judge, settle = Execution._judge_again, BackupFiles.settle
    settled: list[int] = []
    judged: list[list[str]] = []

    async def counting(files: BackupFiles, operation_id: str, backups: Sequence[object]) -> object:
        found = await settle(files, operation_id, backups)  # type: ignore[arg-type]
        settled.append(len(backups))
        return found

    async def blocked(execution: Execution, batch: Sequence[PlanItem]) -> object:
        judged.append([one.key for one in batch])
        await until(lambda: len(settled) == len(judged) + 1)
        if len(judged) == 2:
            raise GuardBlocked("registry-stale: on purpose", ["registry-stale"])
        return await judge(execution, batch)

    with monkeypatch.context() as patch:
        patch.setattr(BackupFiles, "settle", counting)
        patch.setattr(Execution, "_judge_again", blocked)
        with pytest.raises(GuardBlocked):
            await world.execute(plan_id)
    assert judged == [["a", "b"], ["c", "d"]]
    assert await world.keys() == {"c", "d", "e"}
    # Of "e", backed up ahead in a file of its own, nothing is left; "d" was recorded.
    assert list(folders(world).values()) == [2]  # and the manifest
    async with world.collector() as collector:
        plan, _ = await collector.plan(plan_id)
        done = await collector.execute(plan_id, confirm=plan.confirmation)
    assert done.counts == {"deleted": 3}
    assert (await world.restore("a", "b", "c", "d", "e")).counts == {"restored": 5}
    assert (await world.contents("e"))[0] == noise(200_000)


async def test_what_is_given_up_leaves_the_packs_of_others_alone(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backups made ahead that point to the bytes of an earlier operation are only forgotten."""
    world = sqlite_world
    plan_id = await five_orphans(world, monkeypatch, once=True)
    first = await world.execute(plan_id)
    assert (await world.restore(operation_id=first.operation_id)).counts == {"restored": 5}
    world.days(10)
    summary = await world.scan()
    monkeypatch.setattr(overlap, "LASTS", timedelta(seconds=-1))
    second = await world.execute(str(summary.plan_id))
    assert (second.outcome, second.counts) == ("done", {"deleted": 5})
    assert (await world.restore(operation_id=second.operation_id)).counts == {"restored": 5}
    assert (await world.contents("e"))[0] == noise(200_000)
    assert (await world.contents("c"))[0] == b"some bytes"


async def test_backups_made_anew_are_as_good(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await five_orphans(world, monkeypatch, once=True)
    monkeypatch.setattr(overlap, "LASTS", timedelta(seconds=-1))
    done = await world.execute(plan_id)
    assert (done.outcome, done.counts) == ("done", {"deleted": 5})
    assert (await world.restore(operation_id=done.operation_id)).counts == {"restored": 5}
    assert (await world.contents("e"))[0] == noise(200_000)
    assert (await world.contents("c"))[0] == b"some bytes"
