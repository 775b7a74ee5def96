"""Deleting objects, each bound to the ETag that was backed up, each accounted for."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import (
    ObjectChanged,
    ObjectGone,
    StoreFailed,
    code_of,
    status_of,
    store_errors,
)
from s3gc_core.bucket.objects import DeleteOutcome, DeleteResult
from s3gc_core.bucket.reading import head
from s3gc_core.errors import S3gcError

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

BATCH_SIZE = 1000  # S3 documentation, DeleteObjects
# botocore retries whole requests only; what fails inside a 200 answer is ours to repeat.
KEY_ATTEMPTS = 5
KEY_BACKOFF_SECONDS = 0.5
KEY_BACKOFF_MAX_SECONDS = 20.0
# No request begins later than that after the first: what was asked about the objects right before
# is no longer true then. Whoever still wants them deleted asks again.
WITHIN_SECONDS = 5.0
RETRIED_CODES = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"}
)
CHANGED_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
VANISHED_CODES = frozenset({"NoSuchKey", "NotFound", "404"})
TOO_LATE = "throttled for so long that it has to be judged again first"
SILENCE = "the store said nothing about this key"

# It goes on while the machine sleeps, where there is such a clock (Linux).
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# Deletes one key bound to its ETag.
DeleteOne = Callable[[str, str], Awaitable[DeleteResult]]

_TOO_LATE = DeleteResult(DeleteOutcome.FAILED, TOO_LATE, undone=True)

# What XML 1.0 cannot carry, or a parser may change: control characters, carriage return,
# surrogates and non-characters anywhere, white space at either end.
_NOT_FOR_XML = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|^\\s|\\s$")


class DeleteAnswerWrong(StoreFailed):
    """The store answered about keys nobody asked it to delete. `results` are of those we did."""

    def __init__(self, what: str, results: dict[str, DeleteResult]) -> None:
        super().__init__(what, next_step="stop, and look at the store: it may delete other keys")
        self.results = results


def fits_xml(key: str) -> bool:
    """Whether `key` survives the XML of DeleteObjects unchanged."""
    return _NOT_FOR_XML.search(key) is None


class Window:
    """The time in which requests may begin: `seconds` from the first on, whatever sleeps then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def begin(self) -> None:
        """Begin it before the first request, if it has not begun."""
        if self._end is None:
            self._end = time.clock_gettime(_CLOCK) + self._seconds

    def is_over(self) -> bool:
        """Whether the request that would begin now may not. The first one always may, unless the
        window was begun before it.
        """
        if self._end is None:
            self.begin()
            return False
        return time.clock_gettime(_CLOCK) > self._end

    async def pause(self, attempt: int) -> None:
        """Wait before try `attempt + 1`."""
        await asyncio.sleep(backoff_seconds(attempt))


async def delete_batch(
    once: Connection,
    items: Sequence[tuple[str, str]],
    *,
    one: DeleteOne | None = None,
    in_batches: bool = True,
) -> dict[str, DeleteResult]:
    """See `Bucket.delete_batch`. `one` deletes what goes singly, instead of `delete_one`.

    `once` sends every request once: when to send it again is decided here.
    """
    asked = dict(items)
    if len(asked) != len(items):
        raise ValueError("a key appears twice in one delete")
    if not all(etag.strip('"* ') for etag in asked.values()):
        raise ValueError("a delete without an ETag would be unconditional")
    results: dict[str, DeleteResult] = {}
    window = Window(WITHIN_SECONDS)
    one = one or partial(delete_one, once, window=window)
    batchable = [item for item in items if in_batches and fits_xml(item[0])]
    singles = [item for item in items if not in_batches or not fits_xml(item[0])]
    await _delete_singly(once, one, singles, results, window)
    for start in range(0, len(batchable), BATCH_SIZE):
        asked_now = dict(batchable[start : start + BATCH_SIZE])
        await _delete_many(once, one, asked_now, results, window)
    return {key: results[key] for key in asked}


async def _delete_many(
    once: Connection,
    one: DeleteOne,
    asked: dict[str, str],
    results: dict[str, DeleteResult],
    window: Window,
) -> None:
    left = asked
    results |= dict.fromkeys(left, _TOO_LATE)
    for attempt in range(1, KEY_ATTEMPTS + 1):
        if window.is_over():
            break
        try:
            answer = await _request(once, left)
        except S3gcError as error:
            results |= dict.fromkeys(left, failed(error))
            if attempt < KEY_ATTEMPTS and is_worth_another_try(error):
                await window.pause(attempt)
                continue
            break
        if answer is None:
            await _delete_singly(once, one, left.items(), results, window)
            return
        answered = read_answer(answer)
        results |= {
            key: answered.get(key, DeleteResult(DeleteOutcome.FAILED, SILENCE)) for key in left
        }
        strangers = answered.keys() - left.keys()
        if strangers:
            raise DeleteAnswerWrong(
                f"the store answered about {len(strangers)} keys that were not asked for, "
                f"such as {min(strangers)!r}",
                results,
            )
        again = _retried(answer)
        left = {key: etag for key, etag in left.items() if key in again}
        if not left or attempt == KEY_ATTEMPTS:
            break
        await window.pause(attempt)
    changed = [key for key in asked if results[key].outcome is DeleteOutcome.CHANGED]
    await _tell_changed_from_vanished(once, changed, results)


async def _request(once: Connection, asked: dict[str, str]) -> dict[str, Any] | None:
    """One DeleteObjects; None where the store refuses the request as a whole (nothing deleted)."""
    objects: Any = [{"Key": key, "ETag": etag} for key, etag in asked.items()]
    with store_errors(f"deleting {len(asked)} objects"):
        try:
            answer: Any = await once.s3.delete_objects(
                Bucket=once.bucket, Delete={"Objects": objects, "Quiet": False}
            )
        except ClientError as error:
            # Some stores refuse a batch with ETags, or know no batches; singly they may do it.
            if status_of(error) in (400, 405, 501) and code_of(error) != "ExpiredToken":
                return None
            raise
    return dict(answer)


def read_answer(answer: dict[str, Any]) -> dict[str, DeleteResult]:
    """What a DeleteObjects answer says, key by key. An error outweighs a deletion."""
    told = {
        entry["Key"]: DeleteResult(
            DeleteOutcome.DELETED, marker=_marker(entry, "DeleteMarkerVersionId")
        )
        for entry in answer.get("Deleted", [])
    }
    for entry in answer.get("Errors", []):
        code = entry.get("Code", "")
        reason = f"{code}: {entry.get('Message', '')}".rstrip(": ")
        undone = code in RETRIED_CODES
        told[entry.get("Key", "")] = DeleteResult(_outcome(code), reason, undone=undone)
    return told


def failed(error: S3gcError) -> DeleteResult:
    """The result of every key of a request that failed."""
    return DeleteResult(DeleteOutcome.FAILED, error.what, undone=is_throttled(error))


def is_throttled(error: S3gcError) -> bool:
    """Whether the store said that it was too busy, and so did nothing."""
    refusal = error.__cause__
    return isinstance(refusal, ClientError) and (
        status_of(refusal) in (429, 503) or code_of(refusal) in RETRIED_CODES
    )


def is_worth_another_try(error: S3gcError) -> bool:
    """Whether the store may answer otherwise in a moment. The condition makes it harmless."""
    refusal = error.__cause__
    return not isinstance(refusal, ClientError) or (
        is_throttled(error) or status_of(refusal) in (500, 502, 504)
    )


def _marker(answer: dict[str, Any], field: str) -> str | None:
    return answer.get(field) if answer.get("DeleteMarker") else None


def _outcome(code: str) -> DeleteOutcome:
    if code in CHANGED_CODES:
        return DeleteOutcome.CHANGED
    return DeleteOutcome.VANISHED if code in VANISHED_CODES else DeleteOutcome.FAILED


def _retried(answer: dict[str, Any]) -> set[str]:
    return {e["Key"] for e in answer.get("Errors", []) if e.get("Code") in RETRIED_CODES}


def backoff_seconds(attempt: int) -> float:
    """Seconds before try `attempt + 1`: exponential, bounded, with full jitter."""
    ceiling = min(KEY_BACKOFF_SECONDS * 2**attempt, KEY_BACKOFF_MAX_SECONDS)
    return random.uniform(0, ceiling)


async def _delete_singly(
    once: Connection,
    one: DeleteOne,
    items: Iterable[tuple[str, str]],
    results: dict[str, DeleteResult],
    window: Window,
) -> None:
    gate = asyncio.Semaphore(once.max_concurrency)

    async def delete(key: str, etag: str) -> None:
        async with gate:
            results[key] = _TOO_LATE if window.is_over() else await one(key, etag)

    async with asyncio.TaskGroup() as group:
        for key, etag in items:
            group.create_task(delete(key, etag))


async def delete_one(
    once: Connection, key: str, etag: str, *, window: Window | None = None
) -> DeleteResult:
    """One DeleteObject with If-Match, sent again within the `window`; without one, sent once.

    An error is a result, so that no key goes unaccounted.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            with store_errors(f"deleting {key!r}", key=key):
                answer: Any = await once.s3.delete_object(Bucket=once.bucket, Key=key, IfMatch=etag)
            break
        except ObjectGone as error:
            return DeleteResult(DeleteOutcome.VANISHED, error.what)
        except ObjectChanged as error:
            results = {key: DeleteResult(DeleteOutcome.CHANGED, error.what)}
            await _tell_changed_from_vanished(once, [key], results)
            return results[key]
        except S3gcError as error:
            if window is None or attempt == KEY_ATTEMPTS or not is_worth_another_try(error):
                return failed(error)
            await window.pause(attempt)
            if window.is_over():
                return failed(error)
    return DeleteResult(DeleteOutcome.DELETED, marker=_marker(answer, "VersionId"))


async def _tell_changed_from_vanished(
    once: Connection, keys: Sequence[str], results: dict[str, DeleteResult]
) -> None:
    """Some stores answer 412 also where nothing is left (AWS: 404); one HEAD tells.

    It also covers our own request, sent again after its answer was lost.
    """
    for key in keys:
        try:
            state = await head(once, key)
        except S3gcError as error:
            # It may have been our own request, done and not answered: nothing is concluded.
            reason = f"{results[key].reason}; and looking again failed: {error.what}"
            results[key] = DeleteResult(DeleteOutcome.FAILED, reason)
            continue
        if state is None:
            results[key] = DeleteResult(DeleteOutcome.VANISHED, "refused, and nothing is there")
