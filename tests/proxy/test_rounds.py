"""Stores that err and lie by chance: nothing is lost, and everything is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from s3gc_core.bucket import Bucket, DeleteResult, deleting
from s3gc_core.collection import backup
from s3gc_core.collection.execute import Execution
from s3gc_core.vault import Intent
from tests.faults.oracle import PromiseBroken
from tests.proxy.faults import TABLE
from tests.proxy.rounds import Ground


async def test_a_store_that_goes_wrong_by_chance(ground: Ground) -> None:
    await ground.round(rate=0.1)
    assert ground.misbehaving.fired.total() >= 10
    assert ground.told.only_in_vault > 0


async def _nothing(*_: object) -> None:
    """In the place of a guard."""


def _never(*_: object) -> None:
    """In the place of a guard that says what is wrong."""


async def _unbound(self: Bucket, items: Sequence[tuple[str, str]]) -> dict[str, DeleteResult]:
    """In the place of deletes that are bound to an ETag."""
    objects: Any = [{"Key": key} for key, _ in items]
    answer = await self.connection.s3.delete_objects(Bucket=self.name, Delete={"Objects": objects})
    return deleting.read_answer(dict(answer))


async def _delete_first(self: Execution, intents: Sequence[Intent]) -> None:
    """In the place of a commit: what is committed here was deleted before."""
    if intents:
        await self._delete_unchanged(intents)
    pending, self._pending = self._pending, []
    await self.audit.append(self.operation_id, [*pending, *intents])


async def _rounds(ground: Ground, most: int) -> None:
    """By chance: a round may pass in which the fault did not come."""
    for _ in range(most):
        await ground.round(rate=0.4)


@pytest.mark.parametrize(
    ("guard", "instead", "fault", "broken"),
    [
        ((backup, "other_bytes"), _never, "bytes of another object", "is not of"),
        (
            (Execution, "_look_for_untruth"),
            _nothing,
            "said deleted and nothing done",
            "recorded as deleted, and there",
        ),
        ((Bucket, "delete_batch"), _unbound, "overwritten just before", "lost"),
        ((Execution, "_commit"), _delete_first, None, "without a recorded backup"),
    ],
)
async def test_the_witness_notices_a_guard_that_is_not_there(
    ground: Ground,
    patch: pytest.MonkeyPatch,
    guard: tuple[object, str],
    instead: object,
    fault: str | None,
    broken: str,
) -> None:
    """The negative control: the same store with the guard in its place loses nothing."""
    ground.misbehaving.faults = [f for f in TABLE.faults if f.name == fault]
    patch.setattr(*guard, instead)
    with pytest.raises(PromiseBroken, match=broken):
        await _rounds(ground, 5)
