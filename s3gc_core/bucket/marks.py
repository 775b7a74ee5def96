"""What a store tells about a bucket itself, beyond its name: whether it is still the same one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import code_of, status_of, store_errors

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

# A right that is missing, or a question that this store does not know: then it does not tell.
_UNTOLD = frozenset({400, 403, 404, 405, 501})
# These say that we are not let in at all.
_NOT_LET_IN = frozenset({"ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


async def marks(connection: Connection, *, is_aws: bool) -> dict[str, str]:
    """`owner`, `region` and `created` (UTC), as far as the store tells them to us.

    Amazon's date of creation is left out: it also changes when a bucket's policy is edited (S3 API
    reference, ListBuckets). Raises `BucketUnreachable`.
    """
    s3, name = connection.s3, connection.bucket
    found: dict[str, str] = {}
    with _told_or_not("region"):
        head = await s3.head_bucket(Bucket=name)
        found["region"] = head.get("BucketRegion", "")
    with _told_or_not("owner"):
        acl = await s3.get_bucket_acl(Bucket=name)
        found["owner"] = acl.get("Owner", {}).get("ID", "")
    if not is_aws:
        with _told_or_not("date of creation"):
            buckets = (await s3.list_buckets()).get("Buckets", [])
            for bucket in buckets:
                if bucket.get("Name") == name and "CreationDate" in bucket:
                    created = bucket["CreationDate"].astimezone(UTC)
                    found["created"] = f"{created:%Y-%m-%dT%H:%M:%SZ}"
    return {mark: value for mark, value in found.items() if value}


@contextmanager
def _told_or_not(what: str) -> Iterator[None]:
    with store_errors(f"asking for the bucket's {what}"):
        try:
            yield
        except ClientError as error:
            if status_of(error) not in _UNTOLD or code_of(error) in _NOT_LET_IN:
                raise
