"""The machine has teeth: s3gc, broken on purpose in one place, differs within a few cycles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from s3gc_core.bucket import deleting
from s3gc_core.collection.execute import Execution
from s3gc_core.judgement import PlanItem
from s3gc_core.vault import Result
from tests.core.judgement.controlled import LAYERS, passes
from tests.model.difference import Difference
from tests.model.driver import Driver
from tests.model.ground import Ground
from tests.worlds.test_teeth import no_rule

MOST_CYCLES = 12
Break = Callable[[pytest.MonkeyPatch], None]


async def run(driver: Driver, seed: int, cycles: int = MOST_CYCLES) -> None:
    """Rows and objects come and go, and days later what is unused is collected; again and again."""
    chance = Random(seed)
    for _ in range(cycles):
        await driver.app.transactions(chance, 60)
        await driver.app.uploads(chance, 6)
        await driver.cycle(chance, chance.choice([80, 170, 170]))


def no_last_judgement(patch: pytest.MonkeyPatch) -> None:
    async def all_may_go(
        _: Execution, batch: Sequence[PlanItem]
    ) -> tuple[list[PlanItem], list[Result]]:
        return list(batch), []

    patch.setattr(Execution, "_judge_again", all_may_go)


def any_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LAYERS + "retention_layer", passes)


def no_etag(patch: pytest.MonkeyPatch) -> None:
    """Deletes are sent, and each deletes whatever is there."""

    async def request(connection: Any, asked: dict[str, str]) -> dict[str, Any] | None:
        objects: Any = [{"Key": key} for key in asked]
        # Only what the probes of the store ask for stays bound.
        if any("s3gc" in key for key in asked):
            return await bound(connection, asked)
        answer: Any = await connection.s3.delete_objects(
            Bucket=connection.bucket, Delete={"Objects": objects}
        )
        return dict(answer)

    bound = deleting._request
    patch.setattr(deleting, "_request", request)


BROKEN: dict[str, tuple[Break, bool]] = {
    "the last judgement": (no_last_judgement, True),
    "retention": (any_age, True),
    # The near misses hold what is not decoded.
    "percent-decoding": (no_rule("%41", "A"), False),
    "If-Match": (no_etag, True),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_broken_differs(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    how, is_dangerous = BROKEN[name]
    async with ground.world() as driver:
        with monkeypatch.context() as patch:
            how(patch)
            with pytest.raises(Difference) as found:
                await run(driver, seed=1)
    assert found.value.is_dangerous is is_dangerous, found.value


async def test_unbroken_nothing_differs(driver: Driver) -> None:
    await run(driver, seed=1, cycles=5)
    assert driver.app.counts["= deleted"] > 0
