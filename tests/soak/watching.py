"""When s3gc checked, deleted and restored: noted beside it, not asked of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from s3gc_core.bucket import Bucket, DeleteOutcome, DeleteResult, ObjectHeaders
from s3gc_core.collection import LastCheck
from s3gc_core.collection.last_check import Answer


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object was deleted between `began` and `ended`, after a check that began at `checked`."""

    key: str
    checked: float
    began: float
    ended: float


@dataclass(slots=True)
class Watched:
    """What was seen of the objects `keys`, in seconds of the machine's monotonic clock.

    `returns`: by key, when s3gc had put an object back.
    """

    keys: frozenset[str]
    deletions: list[Deletion] = field(default_factory=list)
    returns: dict[str, list[float]] = field(default_factory=dict)
    checked: float = 0.0


@contextmanager
def watching(
    watched: Watched, between: Callable[[Sequence[str]], Awaitable[None]]
) -> Iterator[None]:
    """Note what s3gc does as long as the block lasts.

    `between` is called with the keys of each batch that passed its last check, before its delete.
    """
    of, delete_batch, put = LastCheck.of, Bucket.delete_batch, Bucket.put

    async def checked(self: LastCheck, keys: Sequence[str]) -> Answer:
        watched.checked = time.monotonic()
        return await of(self, keys)

    async def deleting(self: Bucket, items: Sequence[tuple[str, str]]) -> dict[str, DeleteResult]:
        if keys := [key for key, _ in items if key in watched.keys]:
            await between(keys)
        began = time.monotonic()
        answers = await delete_batch(self, items)
        ended = time.monotonic()
        watched.deletions += [
            Deletion(key, watched.checked, began, ended)
            for key, answer in answers.items()
            if answer.outcome is DeleteOutcome.DELETED and key in watched.keys
        ]
        return answers

    async def putting(
        self: Bucket,
        key: str,
        source: AsyncIterable[bytes],
        size: int,
        headers: ObjectHeaders,
        **condition: Any,
    ) -> str:
        etag = await put(self, key, source, size, headers, **condition)
        watched.returns.setdefault(key, []).append(time.monotonic())
        return etag

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LastCheck, "of", checked)
        patch.setattr(Bucket, "delete_batch", deleting)
        patch.setattr(Bucket, "put", putting)
        yield
