"""Deleting objects, each bound to the ETag that was backed up, each accounted for."""

from __future__ import annotations

import asyncio
import random
import re
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
RETRIED_CODES = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"}
)
CHANGED_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
VANISHED_CODES = frozenset({"NoSuchKey", "NotFound", "404"})
SILENCE = "the store said nothing about this key"

# Deletes one key bound to its ETag.
DeleteOne = Callable[[str, str], Awaitable[DeleteResult]]

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


async def delete_batch(
    connection: Connection,
    items: Sequence[tuple[str, str]],
    *,
    one: DeleteOne | None = None,
    in_batches: bool = True,
) -> dict[str, DeleteResult]:
    """See `Bucket.delete_batch`. `one` deletes what goes singly, instead of `delete_one`."""
    asked = dict(items)
    if len(asked) != len(items):
        raise ValueError("a key appears twice in one delete")
    if not all(etag.strip('"* ') for etag in asked.values()):
        raise ValueError("a delete without an ETag would be unconditional")
    results: dict[str, DeleteResult] = {}
    one = one or partial(delete_one, connection)
    batchable = [item for item in items if in_batches and fits_xml(item[0])]
    singles = [item for item in items if not in_batches or not fits_xml(item[0])]
    await _delete_singly(connection, one, singles, results)
    for start in range(0, len(batchable), BATCH_SIZE):
        await _delete_many(connection, one, dict(batchable[start : start + BATCH_SIZE]), results)
    return {key: results[key] for key in asked}


async def _delete_many(
    connection: Connection, one: DeleteOne, asked: dict[str, str], results: dict[str, DeleteResult]
) -> None:
    left = asked
    for attempt in range(1, KEY_ATTEMPTS + 1):
        try:
            answer = await _request(connection, left)
        except S3gcError as error:
            results |= {key: DeleteResult(DeleteOutcome.FAILED, error.what) for key in left}
            return
        if answer is None:
            await _delete_singly(connection, one, left.items(), results)
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
        await asyncio.sleep(backoff_seconds(attempt))
    changed = [key for key in asked if results[key].outcome is DeleteOutcome.CHANGED]
    await _tell_changed_from_vanished(connection, changed, results)


async def _request(connection: Connection, asked: dict[str, str]) -> dict[str, Any] | None:
    """One DeleteObjects; None where the store refuses the request as a whole (nothing deleted)."""
    objects: Any = [{"Key": key, "ETag": etag} for key, etag in asked.items()]
    with store_errors(f"deleting {len(asked)} objects"):
        try:
            answer: Any = await connection.s3.delete_objects(
                Bucket=connection.bucket, Delete={"Objects": objects, "Quiet": False}
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
        told[entry.get("Key", "")] = DeleteResult(_outcome(code), reason)
    return told


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
    connection: Connection,
    one: DeleteOne,
    items: Iterable[tuple[str, str]],
    results: dict[str, DeleteResult],
) -> None:
    gate = asyncio.Semaphore(connection.max_concurrency)

    async def delete(key: str, etag: str) -> None:
        async with gate:
            results[key] = await one(key, etag)

    async with asyncio.TaskGroup() as group:
        for key, etag in items:
            group.create_task(delete(key, etag))


async def delete_one(connection: Connection, key: str, etag: str) -> DeleteResult:
    """One DeleteObject with If-Match. An error is a result, so that no key goes unaccounted."""
    try:
        with store_errors(f"deleting {key!r}", key=key):
            answer: Any = await connection.s3.delete_object(
                Bucket=connection.bucket, Key=key, IfMatch=etag
            )
    except ObjectGone as error:
        return DeleteResult(DeleteOutcome.VANISHED, error.what)
    except ObjectChanged as error:
        results = {key: DeleteResult(DeleteOutcome.CHANGED, error.what)}
        await _tell_changed_from_vanished(connection, [key], results)
        return results[key]
    except S3gcError as error:
        return DeleteResult(DeleteOutcome.FAILED, error.what)
    return DeleteResult(DeleteOutcome.DELETED, marker=_marker(answer, "VersionId"))


async def _tell_changed_from_vanished(
    connection: Connection, keys: Sequence[str], results: dict[str, DeleteResult]
) -> None:
    """Some stores answer 412 also where nothing is left (AWS: 404); one HEAD tells.

    It also covers our own request, sent again after its answer was lost.
    """
    for key in keys:
        try:
            state = await head(connection, key)
        except S3gcError as error:
            reason = f"{results[key].reason}; and looking again failed: {error.what}"
            results[key] = DeleteResult(DeleteOutcome.CHANGED, reason)
            continue
        if state is None:
            results[key] = DeleteResult(DeleteOutcome.VANISHED, "refused, and nothing is there")
