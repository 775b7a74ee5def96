"""What schemathesis finds: nothing. In full: `python -m tests.api`."""

from __future__ import annotations

from tests.api.schema import ask_everything
from tests.world import World


async def test_nothing_is_found(world: World) -> None:
    await world.scan()
    assert await ask_everything(world, 2) > 44
