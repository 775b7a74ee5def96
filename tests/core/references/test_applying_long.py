"""A transaction that is told in many parts: readers see all of it, or nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.clock import utc_now
from s3gc_core.databases.changes import (
    UNCHANGED,
    UNTOLD,
    Change,
    Commit,
    RowChange,
    TableAltered,
    TableEmptied,
)
from s3gc_core.references import BucketNames, Registry, key_hash
from s3gc_core.references.applying import Applying
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.stream_tables import FollowedSource, StreamState
from tests.core.references.readings import chunks, day
from tests.core.references.told_database import FILE, IMAGE, PICS, SOURCES, TABLES, THUMB

NAMES = BucketNames("bucket")
TAKES, ROWS = 50, 2_000
BEGUN = StreamState("main", "name", "history", "0", "0", 1, "token 1", anchored=False)


@pytest.fixture
async def followed(registry: Registry) -> Registry:
    """With the picture 0, whose image is `old`."""
    await registry.begin_stream(BEGUN)
    async with registry.load(day(0), None, trust=False, keep=None) as load:
        for placed in SOURCES.values():
            for source, _ in placed:
                await load.begin_source(source.name)
                pairs = {(0, "old")} if source is IMAGE else set()
                await load.add(chunks(pairs))
                await load.end_source(len(pairs), len(pairs), {c.digest for c in chunks(pairs)})
                told = FollowedSource(source.name, TABLES[source.name], b"", "", complete_at=1)
                await load.follow("main", [told])
    return registry


def part(number: int) -> list[Change]:
    first = 1 + number * ROWS
    return [
        RowChange(PICS, None, row, (f"image-{row}", None, None))
        for row in range(first, first + ROWS)
    ]


def seen(path: Path) -> tuple[object, ...]:
    """What another connection sees of everything that is written."""
    with closing(sqlite3.connect(path)) as file:
        tables = ("edge", "reread", "leaving", "released", "reading", "source", "stream")
        counts = [file.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables]
        sums = file.execute("SELECT sum(keys), sum(keyed), sum(rows) FROM source").fetchone()
        [position] = file.execute("SELECT position FROM stream").fetchone()
        return (*counts, *sums, position)


async def test_a_long_transaction_is_seen_as_a_whole(followed: Registry) -> None:
    path = followed.path
    before = seen(path)
    async with OwnConnection.durable(path) as own:
        applying = await own.run(Applying, BEGUN, SOURCES, NAMES, utc_now)
        old = RowChange(PICS, 0, None, ())
        untold = RowChange(PICS, None, -1, (UNTOLD, None, None))
        for number in range(TAKES):
            changes = [*([old, untold] if number == 0 else []), *part(number)]
            await own.run(lambda _: applying.begin())
            applied = await own.run(lambda _, changes=changes: applying.take(changes))  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
            assert not applied.is_whole
            assert applied.state == BEGUN
            assert seen(path) == before
        last = [Commit("1", utc_now())]
        applied = await own.run(lambda _: applying.take(last))
        assert applied.is_whole
        assert (applied.state.position, applied.rereads) == ("1", 1)
    total = TAKES * ROWS
    # The old picture's key stays while another row is unread.
    assert await followed.referenced([key_hash("old")]) == {key_hash("old")}
    hashes = [key_hash(f"image-{row}") for row in range(1, total + 1)]
    assert await followed.referenced(hashes) == set(hashes)
    stats = {one.name: one for one in await followed.stats()}
    image = stats[IMAGE.name]
    assert (image.rows, image.keys, image.keyed) == (total + 1, total + 1, total + 1)
    assert (await followed.streams())["main"].position == "1"


async def test_a_long_transaction_whose_process_ends_leaves_no_trace(followed: Registry) -> None:
    before = seen(followed.path)
    async with OwnConnection.durable(followed.path) as own:
        applying = await own.run(Applying, BEGUN, SOURCES, NAMES, utc_now)
        await own.run(lambda _: applying.begin())
        await own.run(lambda _: applying.take(part(0)))
        await own.run(lambda _: applying.close())
        await own.run(lambda _: applying.begin())
        await own.run(lambda _: applying.close())
    assert seen(followed.path) == before


async def test_a_long_transaction_that_was_applied_is_told_again_for_nothing(
    followed: Registry,
) -> None:
    """The stream begins before it: written in parts again, and thrown away."""
    changes = [*part(0), Commit("1", utc_now())]
    async with OwnConnection.durable(followed.path) as own:
        applying = await own.run(Applying, BEGUN, SOURCES, NAMES, utc_now)
        await own.run(lambda _: applying.begin())
        await own.run(lambda _: applying.take(changes))
        # Since then the first row was given up.
        await own.run(lambda _: applying.begin())
        gone: list[Change] = [RowChange(PICS, 1, None, ()), Commit("2", utc_now())]
        state = (await own.run(lambda _: applying.take(gone))).state
    before = seen(followed.path)
    async with OwnConnection.durable(followed.path) as own:
        again = await own.run(Applying, state, SOURCES, NAMES, utc_now)
        await own.run(lambda _: again.begin())
        await own.run(lambda _: again.take(changes[:1_000]))
        await own.run(lambda _: again.begin())
        assert (await own.run(lambda _: again.take([*changes[1_000:], *gone]))).is_whole
    assert seen(followed.path) == before
    assert await followed.referenced([key_hash("image-1")]) == set()


async def test_emptying_and_altering(followed: Registry) -> None:
    async with OwnConnection.durable(followed.path) as own:
        applying = await own.run(Applying, BEGUN, SOURCES, NAMES, utc_now)
        await own.run(lambda _: applying.begin())
        changes: list[Change] = [TableEmptied(PICS), TableAltered(PICS, "why"), *part(0)[:1]]
        applied = await own.run(lambda _: applying.take([*changes, Commit("1", utc_now())]))
        assert applied.soiled
        await own.run(lambda _: applying.begin())
        moved: list[Change] = [RowChange(PICS, 1, 5, (UNCHANGED, "t", None))]
        applied = await own.run(lambda _: applying.take([*moved, Commit("2", utc_now())]))
        assert not applied.soiled
    dirty = {name: one.dirty for name, one in (await followed.followed("main")).items()}
    assert dirty[IMAGE.name] == dirty[THUMB.name] == "why"
    assert dirty[FILE.name] is None
    edges = await followed.edges_of("image-1")
    assert [(one.source, one.row) for one in edges] == [(IMAGE.name, 1), (IMAGE.name, 5)]
    assert set(await followed.released([key_hash("old")])) == {key_hash("old")}
