"""Undoing a delete in a versioned bucket: its marker is removed, and the version is there again."""

from __future__ import annotations

from dataclasses import dataclass

from s3gc_core import log
from s3gc_core.bucket import Bucket, ObjectState
from s3gc_core.collection.comparison import differences, header_differences
from s3gc_core.errors import S3gcError
from s3gc_core.vault import Intent

UNHIDDEN = "the delete marker was removed"


@dataclass(frozen=True, slots=True)
class Unhidden:
    """The version is current again; `unequal` says how it differs from the backup, if it does."""

    unequal: str | None


def is_backed_up(intent: Intent, version: ObjectState) -> bool:
    """Whether a hidden version is the very object that was backed up. Tags are not looked at."""
    headers = {"tags"}
    return (
        intent.version_id is not None
        and version.version_id == intent.version_id
        and version.etag == intent.etag
        and version.size == intent.size
        and not set(header_differences(intent.headers, version.headers)) - headers
    )


async def unhide(bucket: Bucket, intent: Intent, marker: str) -> Unhidden | None:
    """Remove the marker where that brings back exactly what was backed up, then compare it all.

    None where the marker was left: it is not the latest version any more, hides another version,
    or may not be removed (MFA delete, no right to delete versions). Then the backup is written.
    """
    try:
        version = await bucket.hidden_version(intent.key, marker)
        if version is None or not is_backed_up(intent, version):
            return None
        await bucket.remove_marker(intent.key, marker)
    except S3gcError as error:
        # Not the only way back: the backup is, and it is written next.
        log.warning("marker_left", key=intent.key, detail=error.what)
        return None
    return Unhidden(await differences(bucket, intent))
