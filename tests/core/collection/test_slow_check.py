"""An answer of the databases is as old as their reading took: what took long is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from s3gc_core.collection import LastCheck, execute
from s3gc_core.collection.last_check import Answer
from tests.core.judgement.controlled import rows
from tests.world import World

LONG = 2 * execute.JUDGED_LASTS_SECONDS


@pytest.mark.parametrize(("seconds", "told"), [(LONG, 1), (execute.JUDGED_LASTS_SECONDS / 2, 0)])
async def test_a_check_that_took_long_is_told_once(
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    told: int,
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("used", "a.bin", "b.bin"):
        await world.put(key)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    now, of = 0.0, LastCheck.of

    async def slow(self: LastCheck, keys: Sequence[str]) -> Answer:
        nonlocal now
        answer = await of(self, keys)
        now += seconds
        return answer

    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    monkeypatch.setattr(execute, "monotonic", lambda: now)
    monkeypatch.setattr(LastCheck, "of", slow)
    with caplog.at_level(logging.WARNING, logger="s3gc"):
        done = await world.execute(summary.plan_id)
    # The time that a judgement lasts begins with the answer: nothing waits for it longer.
    assert done.counts == {"deleted": 2}
    assert caplog.text.count("last_check_took_long") == told
