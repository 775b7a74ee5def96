"""Uploads in parts that are not finished: their keys are about to get another object."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import StoreFailed, code_of, status_of, store_errors
from s3gc_core.errors import RightMissing

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection


class UploadInProgress(NamedTuple):
    """An upload in parts that was begun then (UTC), and neither completed nor aborted."""

    key: str
    began_at: datetime
    upload_id: str = ""


async def upload_pages(connection: Connection) -> AsyncIterator[list[UploadInProgress]]:
    """Yield every upload in progress, page by page; none where the store knows no such uploads.

    Raises `RightMissing`, and `StoreFailed` where a page contradicts itself.
    """
    markers = ("", "")
    seen = {markers}
    while True:
        answer = await _request(connection, markers)
        if answer is None:
            return
        yield [
            UploadInProgress(entry["Key"], entry["Initiated"], entry.get("UploadId", ""))
            for entry in answer.get("Uploads", [])
        ]
        if not answer.get("IsTruncated"):
            return
        markers = (answer.get("NextKeyMarker", ""), answer.get("NextUploadIdMarker", ""))
        if markers in seen:
            raise StoreFailed("listing uploads: a page says there is more, but not where")
        seen.add(markers)


async def upload_bytes(connection: Connection, upload: UploadInProgress) -> int | None:
    """Bytes of the parts that an upload has so far (ListParts, S3 API reference).

    None where the store does not tell them, or the upload has ended meanwhile. Raises
    `BucketUnreachable`, `StoreFailed` where a page contradicts itself.
    """
    doing = f"listing the parts of the upload to {upload.key!r}"
    total, marker = 0, 0
    after: Any
    while True:
        after = {"PartNumberMarker": marker} if marker else {}
        with store_errors(doing):
            try:
                answer: Any = await connection.s3.list_parts(
                    Bucket=connection.bucket,
                    Key=upload.key,
                    UploadId=upload.upload_id,
                    **after,
                )
            except ClientError as error:
                if status_of(error) in (403, 404, 501) and code_of(error) != "NoSuchBucket":
                    return None
                raise
        total += sum(int(part["Size"]) for part in answer.get("Parts", []))
        if not answer.get("IsTruncated"):
            return total
        before, marker = marker, int(answer.get("NextPartNumberMarker", 0))
        if marker <= before:
            raise StoreFailed(f"{doing}: a page says there is more, but not where")


async def _request(connection: Connection, markers: tuple[str, str]) -> dict[str, Any] | None:
    doing = f"listing the uploads in progress in bucket {connection.bucket!r}"
    after: Any = dict(zip(("KeyMarker", "UploadIdMarker"), markers, strict=True))
    with store_errors(doing):
        try:
            # Not percent-encoded: SeaweedFS says that it did so, and does not.
            answer: Any = await connection.s3.list_multipart_uploads(
                Bucket=connection.bucket, **{k: v for k, v in after.items() if v}
            )
        except ClientError as error:
            if status_of(error) == 501 or code_of(error) == "NotImplemented":
                return None
            if code_of(error) == "AccessDenied":
                raise RightMissing(f"{doing}: s3:ListBucketMultipartUploads is missing") from error
            raise
    return dict(answer)
