"""A fixed sample of worlds: the same ones in every run, for tests that have to be quick."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.worlds.model import World


def sample(strategy: SearchStrategy[World], count: int, number: int = 1) -> list[World]:
    """So many worlds, all with objects; another `number` gives others."""
    found: list[World] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(world=strategy)
    def collect(world: World) -> None:
        found.append(world)

    collect()
    return found
