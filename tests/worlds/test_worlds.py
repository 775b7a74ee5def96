"""A sample of generated worlds: no object that a row refers to may go, on each engine.

The full run is `python -m tests.worlds --worlds 2000`; it asks for more: that what may go is exact
in both directions.
"""

from __future__ import annotations

import pytest

from tests.worlds.build import Ground
from tests.worlds.checking import Counts, Difference, check
from tests.worlds.columns import PLANS
from tests.worlds.sampling import sample
from tests.worlds.strategies import ENGINES, worlds

WORLDS = 20


@pytest.mark.parametrize("engine", ENGINES)
async def test_no_live_object_may_go(ground: Ground, engine: str) -> None:
    counts = Counts()
    exact = 0
    for world in sample(worlds(engine), WORLDS):
        try:
            await check(ground, world, counts)
        except Difference as difference:
            if difference.dangerous:
                raise
        else:
            exact += 1
    # A sample that shows too little proves too little.
    assert counts.worlds[engine] == exact > WORLDS / 2
    wanted = {plan.name for plan in PLANS} | {"template"}
    assert {codec for (_, codec), count in counts.codecs.items() if count} >= wanted
    assert min(counts.outcomes[name] for name in ("in_use", "orphans", "held", "kept")) > 0
