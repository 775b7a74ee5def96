"""What a delete does not free: a versioned bucket only hides what is deleted."""

from __future__ import annotations

from s3gc_core import log
from s3gc_core.bucket import Bucket, Versioning
from s3gc_core.errors import RightMissing

NOTHING_FREED = "frees 0 bytes until noncurrent versions expire"


async def asked_versioning(bucket: Bucket) -> Versioning | None:
    """The bucket's versioning; None where it may not be asked."""
    try:
        return (await bucket.versioning()).status
    except RightMissing as error:
        log.warning("versioning_unknown", detail=error.what)
        return None


def versioning_note(versioning: Versioning | None) -> str:
    """What a person has to know before deleting from such a bucket; empty where that is nothing."""
    match versioning:
        case Versioning.DISABLED:
            return ""
        case Versioning.ENABLED:
            return f"The bucket keeps versions: a delete only adds a marker, and {NOTHING_FREED}."
        case Versioning.SUSPENDED:
            return (
                "Versioning is suspended: a delete of what was written before that"
                f" {NOTHING_FREED}."
            )
        case None:
            return (
                "Whether the bucket keeps versions may not be asked (s3:GetBucketVersioning):"
                f" it may be that a delete {NOTHING_FREED}."
            )
