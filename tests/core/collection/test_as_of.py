"""Restoring the state of a time: what lived then comes back, what came later is left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from s3gc_core.actions.restoring import OtherBucket
from s3gc_core.clock import SystemClock
from s3gc_core.collection import REPLACES, Selection
from s3gc_core.errors import ConfigurationError, NoSuchKey
from s3gc_core.vault import AuditLog, BackupFiles, Outcome, Result
from tests.core.collection.backups import backed_up, day
from tests.world import World

OPERATIONS = ["01K000000000000000000000" + tail for tail in ("1A", "2B", "3C")]
FAR = 100_000  # days: after everything


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.time = day(0)

    def now(self) -> datetime:
        return self.time

    def bucket_now(self, server_date: datetime) -> datetime:
        return server_date


# By operation: when it ran, and the objects it backed up: modified on a day, and what became of it.
HISTORY: list[tuple[float, dict[str, tuple[float, Outcome]]]] = [
    (
        2,
        {
            "a": (1, Outcome.DELETED),
            "b": (1, Outcome.KEPT),
            "c": (1, Outcome.CHANGED),
            "e": (1, Outcome.DELETED),
            "f": (1, Outcome.DELETED),
        },
    ),
    (
        20,
        {
            "a": (12, Outcome.DELETED),
            "d": (12, Outcome.DELETED),
            "g": (12, Outcome.DELETED),
        },
    ),
    (FAR, {"a": (30, Outcome.DELETED)}),
]


def body(key: str, modified: float) -> bytes:
    return f"{key} of day {modified}".encode()


@pytest.fixture
async def told(sqlite_world: World) -> World:
    """A vault with a long history. In the bucket: `e` as it was, and newer `f`, `g`."""
    world = sqlite_world
    world.track({})
    vault = world.config.vault_path
    clock = SetClock()
    log = await AuditLog.open(vault, clock)
    as_it_was: dict[str, Any] = {}
    for operation_id, (ran, objects) in zip(OPERATIONS, HISTORY, strict=True):
        bodies = {key: body(key, modified) for key, (modified, _) in objects.items()}
        made = await backed_up(BackupFiles(vault), bodies, operation_id)
        clock.time = day(ran)
        await log.append(
            operation_id,
            [
                msgspec.structs.replace(one.intent, last_modified=day(objects[key][0]))
                for key, one in made.items()
            ],
        )
        clock.time = day(ran + 1)  # results are heard of a day later
        results = [Result(key, outcome) for key, (_, outcome) in objects.items()]
        await log.append(operation_id, results)
        as_it_was |= {key: one.intent.headers for key, one in made.items()}
    await log.close()
    await world.put("e", body("e", 1), as_it_was["e"])
    await world.put("f", b"newer")
    await world.put("g", b"newer")
    return world


def just_now() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("as_of", "outcomes", "contents"),
    [
        (
            lambda: day(1.5),
            {
                "a": "restored",
                "b": "restored",
                "c": "restored",
                "d": "no-backup",
                "e": "already-there",
                "f": "newer-kept",
                "g": "no-backup",
            },
            {"a": 1, "b": 1, "c": 1, "e": 1},
        ),
        # Between backup and result: overwritten some time in between, or deleted at its end.
        (
            lambda: day(2.5),
            {
                "a": "restored",
                "b": "restored",
                "c": "no-backup",
                "d": "no-backup",
                "e": "already-there",
                "f": "newer-kept",
                "g": "no-backup",
            },
            {"a": 1, "b": 1, "e": 1},
        ),
        (
            lambda: day(15),
            {
                "a": "restored",
                "b": "no-backup",
                "c": "no-backup",
                "d": "restored",
                "e": "no-backup",
                "f": "no-backup",
                "g": "newer-kept",
            },
            {"a": 12, "d": 12, "e": 1},
        ),
        # What was not modified since is what lived then, whoever put it there.
        (
            just_now,
            {
                "a": "restored",
                "b": "no-backup",
                "c": "no-backup",
                "d": "no-backup",
                "e": "already-there",
                "f": "already-there",
                "g": "already-there",
            },
            {"a": 30, "e": 1},
        ),
    ],
)
async def test_what_lived_then_comes_back_and_the_preview_says_so(
    told: World,
    as_of: Callable[[], datetime],
    outcomes: dict[str, str],
    contents: dict[str, float],
) -> None:
    selection = Selection(prefix="", as_of=as_of())
    async with told.collector() as collector:
        seen = [one async for page in collector.foresee(selection) for one in page]
        assert {one.key: one.outcome.value for one in seen} == outcomes
        assert await told.keys() == {"e", "f", "g"}
        done = await collector.restore(selection)
    assert await told.outcomes(done.operation_id) == outcomes
    assert done.outcome == ("partial" if "newer-kept" in outcomes.values() else "done")
    found = {key: (await told.contents(key))[0] for key in await told.keys()}
    assert found == {
        "f": b"newer",
        "g": b"newer",
        **{key: body(key, modified) for key, modified in contents.items()},
    }


async def test_overwriting_brings_the_state_of_then_over_what_came_later(told: World) -> None:
    selection = Selection(prefix="", as_of=day(1.5))
    async with told.collector() as collector:
        pages = collector.foresee(selection, overwrite=True)
        foreseen = [one async for page in pages for one in page]
        done = await collector.restore(selection, overwrite=True)
    seen = {one.key: one.outcome.value for one in foreseen}
    # Said of what is overwritten, and of nothing else that is written.
    assert {one.key for one in foreseen if one.reason.startswith(REPLACES)} == {"f"}
    assert seen == await told.outcomes(done.operation_id)
    # The same object is not written again, and what has no backup of then is not touched.
    assert seen == dict.fromkeys("abcf", "restored") | dict.fromkeys("dg", "no-backup") | {
        "e": "already-there"
    }
    assert (await told.contents("f"))[0] == body("f", 1)
    assert (await told.contents("g"))[0] == b"newer"


@pytest.mark.parametrize(
    "selection",
    [
        Selection(prefix="", as_of=day(0.5)),
        Selection(prefix="", as_of=day(FAR + 2)),
        Selection(prefix="h", as_of=day(1.5)),
        Selection(keys=("d",), as_of=day(1.5)),
    ],
)
async def test_a_time_of_which_nothing_is_known(told: World, selection: Selection) -> None:
    async with told.collector() as collector:
        with pytest.raises(NoSuchKey):
            await collector.restore(selection)
        with pytest.raises(NoSuchKey):
            _ = [page async for page in collector.foresee(selection)]
    assert await told.keys() == {"e", "f", "g"}


async def other(world: World) -> OtherBucket:
    """A second bucket in the same store."""
    name = f"{world.config.bucket}-2"
    async with world.bucket() as bucket:
        await bucket.connection.s3.create_bucket(Bucket=name)
    return OtherBucket(name, prefix="back/")


async def test_another_bucket_gets_everything_and_ours_nothing(told: World) -> None:
    to = await other(told)
    config = told.config
    there = World(config, told.app)
    there.change(bucket=to.name)
    await there.put("back/a", b"theirs")
    selection = Selection(prefix="")
    expected = {
        "a": "newer-kept",
        "d": "exported",
        "e": "exported",
        "f": "exported",
        "g": "exported",
    }
    async with told.collector() as collector:
        pages = collector.foresee(selection, to=to)
        seen = {one.key: one.outcome.value async for page in pages for one in page}
        assert seen == {k: v.replace("exported", "restored") for k, v in expected.items()}
        assert await there.keys() == {"back/a"}
        done = await collector.restore_to_bucket(selection, to)
        again = await collector.restore_to_bucket(selection, to)
        operation = await collector.audit.operation(done.operation_id)
        pages_of = collector.results(done.operation_id)
        reasons = {one.key: one.reason async for page in pages_of for one in page}
    assert (done.outcome, again.counts) == ("partial", {"newer-kept": 1, "already-there": 4})
    assert await told.outcomes(done.operation_id) == expected
    assert operation.started.arguments == {"to_name": to.name, "to_prefix": "back/"}
    assert reasons["d"] == f"written to s3://{to.name}/back/d"
    assert await told.keys() == {"e", "f", "g"}
    assert await there.keys() == {f"back/{key}" for key in expected}
    assert (await there.contents("back/a"))[0] == b"theirs"
    assert (await there.contents("back/f"))[0] == body("f", 1)
    assert (await there.contents("back/e")) == (await told.contents("e"))


async def test_our_own_bucket_is_not_another_one(told: World) -> None:
    async with told.collector() as collector:
        for to in (
            OtherBucket(told.config.bucket),
            OtherBucket("Not A Name"),
            OtherBucket("other", "ftp://x/"),
            OtherBucket("other", None, "/x"),
        ):
            with pytest.raises(ConfigurationError):
                await collector.restore_to_bucket(Selection(prefix=""), to)
        assert [o.started.what for o in await collector.audit.operations()] == []
    assert await told.keys() == {"e", "f", "g"}


async def test_a_key_that_is_too_long_there_fails_alone(sqlite_world: World) -> None:
    world = sqlite_world
    world.track({})
    vault = world.config.vault_path
    # Parts of 200 bytes: file systems behind a store refuse longer ones.
    long = "/".join(["\u00e9" * 100] * 5)
    log = await AuditLog.open(vault, SystemClock())
    made = await backed_up(BackupFiles(vault), {"k": b"1", long: b"2"}, OPERATIONS[0])
    await log.append(OPERATIONS[0], [one.intent for one in made.values()])
    await log.append(OPERATIONS[0], [Result(key, Outcome.DELETED) for key in made])
    await log.close()
    to = msgspec.structs.replace(await other(world), prefix="x" * 30 + "/")
    async with world.collector() as collector:
        done = await collector.restore_to_bucket(Selection(prefix=""), to)
    assert await world.outcomes(done.operation_id) == {"k": "exported", long: "failed"}
    assert await world.keys() == set()
