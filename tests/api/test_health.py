"""Health costs little, whoever asks and however often: nobody needs a token for it."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.errors import DatabaseUnreachable
from s3gc_core.integrations import door as doors
from s3gc_core.integrations.door import Door


async def test_who_waited_for_a_look_that_took_long_needs_none_of_its_own(
    quiet: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    going_on = asyncio.Event()

    async def slow(_: Door) -> list[str]:
        nonlocal looks
        looks += 1
        await going_on.wait()
        return [f"look {looks}"]

    monkeypatch.setattr(Door, "_look", slow)
    door = Door(quiet, ["s3gc"], None)  # type: ignore[arg-type]
    asked = [asyncio.create_task(door.failing()) for _ in range(5)]
    await asyncio.sleep(0)
    now = monotonic()
    # The look takes longer than its answer is good for.
    monkeypatch.setattr(doors, "monotonic", lambda: now + 2 * doors.HEALTH_SECONDS)
    going_on.set()
    assert await asyncio.gather(*asked) == [["look 1"]] * 5
    monkeypatch.setattr(doors, "monotonic", lambda: now + 4 * doors.HEALTH_SECONDS)
    assert await door.failing() == ["look 2"]


@pytest.mark.parametrize("kind", ["silent", "away"])
async def test_databases_that_do_not_answer_are_told_in_time(
    quiet: Config, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def asked(_: Collector) -> list[object]:
        if kind == "away":
            raise DatabaseUnreachable("no answer")
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(doors, "HEALTH_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(Collector, "begun_streams", asked)
    door = Door(quiet, ["s3gc"], None)  # type: ignore[arg-type]
    try:
        assert await door.failing() == ["streams"]
    finally:
        await door.close()
