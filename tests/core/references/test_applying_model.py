"""Any history that a stream may tell, with anything that may happen to who follows it, against a
model: no key that is referred to is missing where the registry says that it is true.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.databases.changes import Untold
from tests.core.references.readings import stored
from tests.core.references.told_database import BY_NAME, DOCS, PICS, Op, ToldDatabase, held
from tests.core.references.told_registry import ToldRegistry, told_registry

KEYS = ["k0", "k1", "k2", "K2", "k3"]
VALUE = st.sampled_from([*KEYS, "=", "=", "=", None])
TOLD = st.sampled_from([None, None, Untold.UNCHANGED, Untold.UNCHANGED, Untold.UNTOLD])
KIND = st.sampled_from(
    ["insert", "insert", "insert", "update", "update", "move", "move", "delete", "empty"]
    + ["hand"] * 4
)


def ops(table: str, rows: list[int] | list[str]) -> st.SearchStrategy[Op]:
    row: st.SearchStrategy[int | str] = st.sampled_from(rows)
    three = [st.lists(one, min_size=3, max_size=3) for one in (VALUE, TOLD)]
    return st.builds(Op, KIND, st.just(table), row, row, three[0], three[1])


TRANSACTION = st.lists(ops(PICS, [1, 2, 3]) | ops(DOCS, ["a", "b"]), min_size=1, max_size=5)
COMMIT = st.tuples(st.just("commit"), TRANSACTION)
STEP = st.one_of(
    COMMIT,
    COMMIT,
    COMMIT,
    st.tuples(st.just("beat")),
    st.tuples(st.just("deliver"), st.sampled_from([1, 2, 3, 5, 1_000])),
    st.tuples(st.just("deliver"), st.sampled_from([1, 2, 3, 5, 1_000])),
    st.tuples(st.just("deliver"), st.just(1_000)),
    st.tuples(st.just("settle")),
    st.tuples(st.just("read again"), st.sampled_from([0, 1, 1_000]), st.sampled_from([1, 1_000])),
    st.tuples(st.just("settle and read again"), st.sampled_from([0, 1, 1_000])),
    st.tuples(st.just("die")),
    st.tuples(st.just("load"), st.sampled_from(sorted(BY_NAME))),
)
Step = tuple[object, ...]


async def play(told: ToldRegistry, step: Step) -> None:
    match step:
        case ("commit", list(transaction)):
            told.database.commit(transaction)
        case ("beat",):
            told.database.beat()
        case ("deliver", int(most)):
            await told.deliver(most)
        case ("settle",):
            await told.settle()
        case ("read again", int(later), int(most)):
            await told.read_again(later, most)
        case ("settle and read again", int(later)):
            await told.settle()
            await told.read_again(later, 1_000)
        case ("die",):
            await told.die()
            await told.open()
        case ("load", str(source)):
            await told.die()
            await told.load(source)
            await told.open()
        case _:
            raise AssertionError(step)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    before=st.lists(TRANSACTION, max_size=2),
    meanwhile=st.lists(TRANSACTION, max_size=2),
    steps=st.lists(STEP, max_size=30),
)
async def test_any_history(
    before: list[list[Op]],
    meanwhile: list[list[Op]],
    steps: list[Step],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("registry")
    database = ToldDatabase()
    for transaction in before:
        database.commit(transaction)
    async with told_registry(path, database) as told:
        await told.begin()
        for transaction in meanwhile:
            database.commit(transaction)
        await told.load(*BY_NAME)
        await told.open()
        for step in steps:
            await play(told, step)
        await told.to_the_end()
        await check_end(told)
        # Told all over again from the anchor, it changes nothing.
        whole = stored(path)
        await told.die()
        await told.open()
        while await told.deliver(3):
            pass
        assert stored(path) == whole


async def check_end(told: ToldRegistry) -> None:
    edges = await told.edges()
    assert edges == held(told.database.rows)
    assert await told.ask("SELECT * FROM leaving") == []
    assert await told.ask("SELECT * FROM reread") == []
    rows = Counter(name for name, _ in {(name, row) for name, row, _ in edges})
    keys = Counter(name for name, _, _ in edges)
    assert {one.name: (one.keys, one.keyed) for one in await told.registry.stats()} == {
        name: (keys[name], rows[name]) for name in BY_NAME
    }
    released = {h for (h,) in await told.ask("SELECT h FROM released")}
    assert released == told.ever - {h for _, _, h in edges}
