"""A sample of generated worlds: what may go is exact in both directions, on each engine.

The full run is `python -m tests.worlds --worlds 2000 --seed N`.
"""

from __future__ import annotations

import pytest

from tests.worlds.build import Ground
from tests.worlds.checking import Counts, check
from tests.worlds.columns import PLANS
from tests.worlds.sampling import sample
from tests.worlds.strategies import ENGINES, worlds

WORLDS = 20


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_may_go_is_exact(ground: Ground, engine: str) -> None:
    counts = Counts()
    for world in sample(worlds(engine), WORLDS):
        await check(ground, world, counts)
    # A sample that shows too little proves too little.
    assert counts.worlds[engine] > WORLDS / 2
    wanted = {plan.name for plan in PLANS} | {"template"}
    assert {codec for (_, codec), count in counts.codecs.items() if count} >= wanted
    assert min(counts.outcomes[name] for name in ("in_use", "orphans", "held", "kept")) > 0
