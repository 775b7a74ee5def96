"""Negative controls: the layer that keeps does so alone; without it, the object is planned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from s3gc_core.judgement import LayerVerdict, layers
from s3gc_core.judgement.layers import Evidence
from tests.core.judgement.controlled import LAYERS, passes, planned, put, rows
from tests.world import World


async def keeps_alone(
    world: World, layer: str, verdict: str, taken_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object `x` is kept or held by this layer alone; with it taken out, it is planned."""
    summary = await world.scan()
    assert (summary.blocked, summary.plan_id) == ([], None)
    judged = (await world.judged())["x"]
    assert judged.verdict.value == verdict
    of_layers = {
        name: getattr(judged.layers, name).verdict.value
        for name in ("registry", "database", "retention", "exclusion")
    }
    others = {name: found for name, found in of_layers.items() if name != layer}
    assert set(others.values()) == {"pass"}
    assert of_layers[layer] == {"keep": "keep", "held": "unknown"}[verdict]
    monkeypatch.setattr(LAYERS + taken_out, passes)
    without = await world.scan()
    assert without.blocked == []
    assert await planned(world, without) == {"x"}


async def test_registry_layer_keeps_what_was_released_lately(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "used", "x", "also used")
    world.track({"t": ["k"]})
    await put(world, "x")
    world.days(10)
    assert (await world.scan()).referenced == 1
    await world.app.execute("DELETE FROM t WHERE k = 'x'")
    await keeps_alone(world, "registry", "keep", "registry_layer", monkeypatch)


async def test_registry_layer_holds_near_misses(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "X")
    world.track({"t": ["k"]})
    await put(world, "x")
    world.days(10)
    await keeps_alone(world, "registry", "held", "registry_layer", monkeypatch)


async def test_database_layer_keeps_what_the_registry_misread(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codec is declared wrongly, so that the registry holds no edge to `x`."""
    world = sqlite_world
    await rows(world, '{"image": "x"}')
    world.track({"t": [{"column": "k", "codec": "key"}]})
    await put(world, "x")
    world.days(10)
    await keeps_alone(world, "database", "keep", "database_layer", monkeypatch)


async def test_retention_layer_keeps_what_is_young(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, retention_days=7)
    await put(world, "x")
    world.days(6.9)
    await keeps_alone(world, "retention", "keep", "retention_layer", monkeypatch)


@pytest.mark.parametrize("protected", [{"exclude_prefixes": ["x"]}, {"exclude_patterns": ["[x]"]}])
async def test_exclusion_layer_keeps_what_is_protected(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, protected: dict[str, Any]
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, **protected)
    await put(world, "x")
    world.days(10)
    await keeps_alone(world, "exclusion", "keep", "exclusion_layer", monkeypatch)


async def test_doubts_hold_what_cannot_be_read(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "x")
    world.days(10)
    monkeypatch.setattr(LAYERS + "UNREADABLE_CLASSES", frozenset({"STANDARD"}))
    summary = await world.scan()
    # Here no object whatever could be let go, and that does not stay unnoticed.
    assert [trip.label for trip in summary.blocked] == ["canary"]
    assert (summary.plan_id, summary.held) == (None, 1)
    monkeypatch.setattr(LAYERS + "doubts_about", lambda *_: ())
    assert await planned(world, await world.scan()) == {"x"}


async def test_the_databases_are_really_asked(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is written after the registry was read keeps its object: no order may lose it."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "x")
    world.days(10)
    seen: list[Evidence] = []
    database_layer = layers.database_layer

    def noting(evidence: Evidence) -> LayerVerdict:
        seen.append(evidence)
        return database_layer(evidence)

    monkeypatch.setattr(layers, "database_layer", noting)
    async with world.collector() as collector:
        referenced = collector.registry.referenced

        async def then_insert(hashes: Iterable[int]) -> set[int]:
            found = await referenced(hashes)
            await world.app.execute("INSERT OR IGNORE INTO t VALUES (99, 'x')")
            return found

        monkeypatch.setattr(collector.registry, "referenced", then_insert)
        summary = await collector.scan()
    assert (summary.plan_id, summary.kept) == (None, 1)
    # The second is of the canary.
    assert [evidence.holders for evidence in seen] == [("main:t.k row 99",), ()]
    assert seen[0].edges == ()
