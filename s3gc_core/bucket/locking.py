"""Object Lock: what the store must not lose before a date, or while somebody holds it.

A delete of a locked object is not refused: it adds a marker, and frees nothing (S3 user guide,
"Object Lock"; seen on SeaweedFS and ministack). So whoever deletes has to ask first.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import StoreFailed, code_of, status_of, store_errors
from s3gc_core.bucket.objects import BucketLock, ObjectLock

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

# "This object has none" (S3 error codes; the last two are SeaweedFS's).
_NONE = frozenset(
    {
        "NoSuchObjectLockConfiguration",
        "NoSuchObjectLegalHold",
        "ObjectLockConfigurationNotFoundError",
    }
)


async def bucket_lock(connection: Connection) -> BucketLock:
    """See `Bucket.bucket_lock`."""
    name = connection.bucket
    with store_errors(f"asking for the Object Lock of bucket {name!r}"):
        try:
            answer: Any = await connection.s3.get_object_lock_configuration(Bucket=name)
        except ClientError as error:
            if code_of(error) in _NONE or status_of(error) in (405, 501):
                return BucketLock(enabled=False)
            if status_of(error) in (400, 403):
                return BucketLock(enabled=None)
            raise
    told = answer.get("ObjectLockConfiguration", {})
    rule = told.get("Rule", {}).get("DefaultRetention", {})
    length = next(
        (f"{rule[unit]} {unit.lower()}" for unit in ("Days", "Years") if unit in rule), ""
    )
    default = f"{rule['Mode']}, {length}" if rule.get("Mode") else ""
    return BucketLock(told.get("ObjectLockEnabled") == "Enabled", default)


async def object_lock(connection: Connection, key: str, *, enabled: bool | None) -> ObjectLock:
    """See `Bucket.object_lock`.

    Asked for by requests of its own: GET and HEAD leave out what one has no right to see, and
    that would look like no lock at all (S3 API reference, HeadObject).
    """
    where: Any = {"Bucket": connection.bucket, "Key": key}
    s3 = connection.s3
    retention = await _asked(key, "retention", s3.get_object_retention(**where), enabled)
    hold = await _asked(key, "legal hold", s3.get_object_legal_hold(**where), enabled)
    kept = retention.get("Retention", {})
    return ObjectLock(
        mode=kept.get("Mode"),
        until=kept.get("RetainUntilDate"),
        legal_hold=hold.get("LegalHold", {}).get("Status", "OFF") != "OFF",
        seen_at=_date(key, hold),
    )


async def _asked(
    key: str, what: str, request: Awaitable[Any], enabled: bool | None
) -> dict[str, Any]:
    """The answer, or only its headers where the object has none of it."""
    with store_errors(f"asking for the {what} of {key!r}", key=key, reading=True):
        try:
            answer: Any = await request
        except ClientError as error:
            # So S3 answers where the bucket has no Object Lock: in one that has it, it is a doubt.
            off = status_of(error) == 501 or code_of(error) == "InvalidRequest"
            if code_of(error) in _NONE or (off and enabled is None):
                return {"ResponseMetadata": error.response["ResponseMetadata"]}
            raise
    return dict(answer)


def _date(key: str, answer: dict[str, Any]) -> datetime:
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        raise StoreFailed(f"asking for the lock of {key!r}: the store does not say what time it is")
    return parsedate_to_datetime(date)


def in_force(lock: ObjectLock) -> str | None:
    """Why the object has to stay, in words; None where no lock is in force."""
    if lock.legal_hold:
        return "Object Lock: it is under a legal hold"
    if lock.mode is None and lock.until is None:
        return None
    if lock.until is None:
        return f"Object Lock: it is retained ({lock.mode}), and the store does not say until when"
    if lock.until > lock.seen_at:
        return f"Object Lock: it is retained until {lock.until:%Y-%m-%d %H:%M} UTC ({lock.mode})"
    return None
