"""Canaries: a scan that does not tell living from dead is void, wherever on the way it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from s3gc_core.databases.protocol import Page
from s3gc_core.judgement import Judge, Judged, LayerVerdict, ObjectVerdict, Verdict
from s3gc_core.judgement.canaries import DEAD, Canary, dead_object, misjudged
from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.judgement.layers import Evidence, Rules, judge_object
from s3gc_core.references import (
    ColumnId,
    Found,
    KeySearch,
    Mention,
    MentionKind,
    Registry,
    find_references,
)
from tests.core.judgement.controlled import GUARDS, LAYERS, planned, put, rows, silent
from tests.core.judgement.evidence import NOW, WEEK, listed
from tests.world import World

LIVE, LATER = Canary("main:t.k", 1, listed("live")), Canary("main:t.k", 2, listed("later"))
OTHER = Canary("main:u.k", 3, listed("other"))
CORPSE = Canary(DEAD, 4, dead_object(WEEK, NOW))
ROW = ("main:t.k row 1",)


def judged(canary: Canary, *, edges: bool, holders: bool, rules: Rules = WEEK) -> Judged:
    evidence = Evidence(ROW if edges else (), None, (), True, ROW if holders else (), True)
    return judge_object(canary.object, evidence, rules, now=NOW, bucket_now=NOW)


def found(*verdicts: Judged, unreferenced: set[int] | None = None, rules: Rules = WEEK) -> set[str]:
    """Sources ('' stands for the dead one) of canaries that were misjudged; the others are not."""
    by_key = {
        c.object.key: judged(c, edges=c is not CORPSE, holders=c is not CORPSE)
        for c in (LIVE, OTHER, CORPSE)
    } | {one.object.key: one for one in verdicts}
    canaries = [LIVE, OTHER, CORPSE] + [LATER] * (LATER.object.key in by_key)
    return set(misjudged(canaries, unreferenced or {4}, by_key, rules))


def test_living_and_dead_are_told_apart() -> None:
    assert found() == set()


def test_each_layer_must_keep_what_is_alive() -> None:
    assert found(judged(LIVE, edges=False, holders=True)) == {"main:t.k"}
    assert found(judged(LIVE, edges=True, holders=False)) == {"main:t.k"}
    let_go = judged(OTHER, edges=True, holders=True)
    assert found(Judged(let_go.object, ObjectVerdict.HELD, let_go.layers)) == {"main:u.k"}


def test_one_that_is_right_is_enough_for_its_source_and_for_no_other() -> None:
    gone, there = judged(LIVE, edges=True, holders=False), judged(LATER, edges=True, holders=True)
    assert found(gone, there) == set()
    assert found(judged(OTHER, edges=True, holders=False), there) == {"main:u.k"}


def test_the_dead_one_must_be_let_go_of() -> None:
    assert found(judged(CORPSE, edges=True, holders=False)) == {DEAD}
    assert found(judged(CORPSE, edges=False, holders=True)) == {DEAD}


def test_the_comparison_counts_by_itself() -> None:
    assert found(unreferenced={1, 4}) == {"main:t.k"}
    assert found(unreferenced={9}) == {DEAD}
    assert misjudged([LIVE, CORPSE], {4}, None, WEEK) == {}
    assert set(misjudged([LIVE, CORPSE], {1}, None, WEEK)) == {"main:t.k", DEAD}


def test_where_the_operator_protects_everything_the_dead_one_is_protected() -> None:
    for rules in (Rules(WEEK.retention, ("s3gc-",), ()), Rules(WEEK.retention, (), ("?*",))):
        kept = judged(CORPSE, edges=False, holders=False, rules=rules)
        assert found(kept, rules=rules) == set()
        assert found(kept) == {DEAD}


def test_the_dead_one_is_old_enough_whatever_the_clocks_say() -> None:
    rules = Rules(timedelta(days=36_500), (), ())
    dead = Canary(DEAD, 4, dead_object(rules, NOW + timedelta(days=30)))
    verdict = judged(dead, edges=False, holders=False, rules=rules)
    assert verdict.verdict is ObjectVerdict.ORPHAN


async def ready(world: World) -> None:
    await rows(world, "used", "also used")
    world.track({"t": ["k"]})
    await put(world, "used", "also used", "orphan")
    world.days(10)


async def test_canaries_are_no_candidates_and_none_is_put_into_the_bucket(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    await ready(world)
    summary = await world.scan()
    assert summary.blocked == []
    assert await planned(world, summary) == {"orphan"}
    assert (summary.listed, summary.candidates, summary.orphans) == (3, 1, 1)
    assert await world.verdicts() == {"orphan": "orphan"}
    assert await world.keys() == {"used", "also used", "orphan"}


def keeps(*_: object) -> LayerVerdict:
    return LayerVerdict(Verdict.KEEP, "always")


def lets_go(*_: object) -> LayerVerdict:
    return LayerVerdict(Verdict.PASS, "always")


async def answers_nothing(*_: object, **__: object) -> AsyncIterator[list[Found]]:
    nothing: tuple[list[Found], ...] = ()
    for found in nothing:
        yield found


async def wants_nothing(_: Catalogue, hashes: Sequence[int]) -> set[int]:
    return set()


async def forgets(_: Catalogue, found: Sequence[Found]) -> None:
    """Hits of the databases that are lost on the way to the judge."""


async def refers_to_nothing(_: Registry, hashes: Iterable[int]) -> set[int]:
    return set()


async def refers_to_all(_: Registry, hashes: Iterable[int]) -> set[int]:
    return set(hashes)


def always(verdict: ObjectVerdict) -> Callable[..., Any]:
    judge_page = Judge.judge_page

    async def broken(self: Judge, *args: Any, **kwargs: Any) -> list[Judged]:
        judged = await judge_page(self, *args, **kwargs)
        return [Judged(one.object, verdict, one.layers) for one in judged]

    return broken


def finds_nothing(*_: object) -> list[Mention]:
    return []


def finds_all(search: KeySearch, columns: Sequence[ColumnId], page: Page) -> list[Mention]:
    place, row = str(columns[0]), page.ids[0]
    return [Mention(h, MentionKind.CHANCE, place, row, "found") for h in search.hashes]


CATALOGUE, REGISTRY = "s3gc_core.judgement.catalogue.Catalogue.", "s3gc_core.references.Registry."
JUDGE = "s3gc_core.judgement.judge.Judge.judge_page"
SCAN = "s3gc_core.judgement.scan."
SEARCH = "s3gc_core.references.KeySearch.page_mentions"
ALIVE, BOTH = ["canary:main:t.k"], ["canary:main:t.k", "canary"]


@pytest.mark.parametrize(
    ("broken", "how", "labels"),
    [
        (LAYERS + "registry_layer", lets_go, ALIVE),
        (LAYERS + "registry_layer", keeps, ["canary"]),
        (LAYERS + "database_layer", lets_go, ALIVE),
        (LAYERS + "database_layer", keeps, ["canary"]),
        (LAYERS + "retention_layer", keeps, ["canary"]),
        (LAYERS + "exclusion_layer", keeps, ["canary"]),
        (JUDGE, always(ObjectVerdict.ORPHAN), ALIVE),
        (JUDGE, always(ObjectVerdict.KEEP), ["canary"]),
        (JUDGE, always(ObjectVerdict.HELD), BOTH),
        (SEARCH, finds_nothing, ALIVE),
        (SEARCH, finds_all, ["canary"]),
        (SCAN + "find_references", answers_nothing, ALIVE),
        (CATALOGUE + "wanted", wants_nothing, ALIVE),
        (CATALOGUE + "add_hits", forgets, ALIVE),
        (REGISTRY + "referenced", refers_to_nothing, ALIVE),
        (REGISTRY + "referenced", refers_to_all, ["canary"]),
    ],
)
async def test_what_is_broken_on_the_way_voids_the_scan(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, broken: str, how: Any, labels: list[str]
) -> None:
    world = sqlite_world
    await ready(world)
    monkeypatch.setattr(broken, how)
    summary = await world.scan()
    assert [trip.label for trip in summary.blocked] == labels
    assert summary.plan_id is None


async def test_nobody_may_wave_it_through_and_no_other_guard_sees_it(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await ready(world)
    monkeypatch.setattr(LAYERS + "database_layer", lets_go)
    summary = await world.scan(["canary", *ALIVE])
    assert [trip.label for trip in summary.blocked] == ALIVE
    monkeypatch.setattr(GUARDS + "canary", silent)
    assert (await world.scan()).blocked == []


async def test_rows_that_go_away_meanwhile_void_nothing_while_one_stays(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await ready(world)

    async def after_a_deletion(*args: Any, **kwargs: Any) -> AsyncIterator[list[Found]]:
        await world.app.execute("DELETE FROM t WHERE k = 'used'")
        async for found in find_references(*args, **kwargs):
            yield found

    monkeypatch.setattr(SCAN + "find_references", after_a_deletion)
    summary = await world.scan()
    assert summary.blocked == []
    assert await planned(world, summary) == {"orphan"}


async def test_each_source_has_canaries_of_its_own(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await ready(world)
    await rows(world, "of another table", table="u")
    world.track({"t": ["k"], "u": ["k"]})
    await put(world, "of another table")
    world.days(10)

    async def of_one_table(*args: Any, **kwargs: Any) -> AsyncIterator[list[Found]]:
        async for found in find_references(*args, **kwargs):
            yield [one for one in found if one.source != "main:u.k"]

    monkeypatch.setattr(SCAN + "find_references", of_one_table)
    assert [trip.label for trip in (await world.scan()).blocked] == ["canary:main:u.k"]
