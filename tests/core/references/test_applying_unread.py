"""Rows of which the stream told too little: what they hold is not known until they were read, and
meanwhile keys pass from one row to another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.clock import utc_now
from s3gc_core.databases.changes import UNCHANGED, UNTOLD, Beat, Change, Commit, Untold
from s3gc_core.databases.protocol import RowId
from s3gc_core.references import BucketNames, key_hash
from s3gc_core.references.applying import Applying
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.stream_tables import StreamState
from tests.core.references.readings import day
from tests.core.references.told_database import BY_NAME, DOCS, IMAGE, PICS, Op, ToldDatabase
from tests.core.references.told_registry import DATABASE, ToldRegistry, told_registry


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[ToldRegistry]:
    """Followed since before there were any rows; beat 6 has come."""
    database = ToldDatabase()
    async with told_registry(tmp_path, database) as told:
        await told.begin()
        await told.load(*BY_NAME)
        await told.open()
        await told.deliver(1_000)
        assert (await told.registry.shortfall(DATABASE, 6)).is_none
        yield told


def image(
    kind: str, row: RowId, key: str | None = "=", told: Untold | None = None, to: RowId = 0
) -> Op:
    """A change of a picture: only its image matters."""
    others = None if told is None or kind == "insert" else UNCHANGED
    return Op(kind, PICS, row, to, [key, "=", "="], [told, others, others])


async def is_known(told: ToldRegistry, key: str) -> bool:
    return await told.registry.referenced([key_hash(key)]) != set()


async def is_true(told: ToldRegistry, counter: int) -> bool:
    return (await told.registry.shortfall(DATABASE, counter)).is_none


async def tell(told: ToldRegistry, *ops: Op) -> None:
    """Committed, and delivered with all that came before."""
    told.database.commit(ops)
    await told.deliver(1_000)


async def beat(told: ToldRegistry) -> int:
    counter = told.database.beat().counter
    await told.deliver(1_000)
    return counter


async def test_a_row_that_was_told_after_the_settling_began_waits_for_the_next(
    told: ToldRegistry,
) -> None:
    """What was told since may not be visible yet; and nothing is left of what was told before."""
    await tell(told, image("insert", 1, "k1", UNTOLD))
    await told.settle()
    await tell(told, image("update", 1, "k2"))
    await tell(told, image("insert", 2, "k3", UNTOLD))
    await told.read_again(0, 1_000)
    assert await told.unread() > 0
    at = await beat(told)
    assert not await is_true(told, at)
    await told.to_the_end()
    assert await is_known(told, "k3")


@pytest.mark.parametrize("how", [UNCHANGED, UNTOLD])
async def test_a_row_that_moves_unread_is_unknown_since_it_was_first(
    told: ToldRegistry, how: Untold
) -> None:
    await tell(told, image("insert", 1, "k1", UNTOLD))
    at = await beat(told)
    await beat(told)
    assert not await is_true(told, at)
    await tell(told, image("move", 1, "=", how, to=2))
    assert not await is_true(told, at)
    await told.to_the_end()
    assert await is_true(told, at)


async def test_an_unread_row_may_have_given_its_key_to_another_that_is_not_read(
    told: ToldRegistry,
) -> None:
    await tell(told, image("insert", 1, "k1", UNTOLD))
    at = await beat(told)
    await tell(told, image("delete", 1), image("insert", 2, "k1", UNTOLD))
    assert not await is_true(told, at)


async def test_a_key_does_not_go_while_a_row_that_may_have_it_is_not_read(
    told: ToldRegistry,
) -> None:
    await tell(told, image("insert", 1, "k1"))
    at = await beat(told)
    assert await is_true(told, at)
    await tell(told, image("delete", 1), image("insert", 2, "k1", UNTOLD))
    assert await is_known(told, "k1")
    await told.to_the_end()
    assert await told.registry.released([key_hash("k1")]) == {}


async def test_a_row_is_known_only_when_the_stream_has_come_to_where_it_was_read(
    told: ToldRegistry,
) -> None:
    """Read later than told: its key may have passed to a row that the stream has yet to tell."""
    await tell(told, image("insert", 1, "k1", UNTOLD))
    at = await beat(told)
    await told.settle()
    told.database.commit([image("delete", 1), image("insert", 2, "k1")])
    await told.read_again(1_000, 1_000)
    assert not await is_true(told, at)
    await told.deliver(1_000)
    assert await is_true(told, at)
    assert await is_known(told, "k1")


async def test_a_beat_of_one_database_lets_nothing_of_another_leave(told: ToldRegistry) -> None:
    """Each database counts its own beats."""
    await tell(told, image("insert", 1, "k1"))
    await tell(told, image("update", 1, "k2", UNTOLD))
    at = await beat(told)
    await told.settle()
    told.database.commit([image("update", 1, "k3")])
    await told.read_again(1_000, 1_000)
    assert await told.unread() == 0
    other = StreamState("other", "other", "history", "1", "1", 99, "token 99", anchored=False)
    await told.registry.begin_stream(other)
    async with OwnConnection.durable(told.registry.path) as own:
        applying = await own.run(Applying, other, {}, BucketNames("bucket"), utc_now)
        await own.run(lambda _: applying.begin())
        changes: list[Change] = [Beat(100, "token 100", "token 99", "2"), Commit("2", utc_now())]
        await own.run(lambda _: applying.take(changes))
        assert (await told.registry.streams())["other"].counter == 100
    assert await is_known(told, "k1")
    assert not await is_true(told, at)


async def test_what_was_true_before_a_load_is_not_true_by_itself_after_it(
    told: ToldRegistry,
) -> None:
    """Between the two a key may have passed from a row that was loaded to one that is not read."""
    await tell(told, image("insert", 1, "k1"))
    at = await beat(told)
    assert await told.registry.valid_at() == day(at)
    give = Op("update", DOCS, "a", "a", ["k1", "="], [UNTOLD, UNCHANGED])
    await tell(told, Op("insert", DOCS, "a", "a", [None, None], [None, None]))
    told.database.commit([image("update", 1, None), give])
    await told.die()
    await told.load(IMAGE.name)
    await told.open()
    assert not await is_known(told, "k1")
    await told.deliver(1_000)
    assert not await is_true(told, at)
    assert await told.registry.valid_at() is None
    await told.to_the_end()
    assert await is_known(told, "k1")
