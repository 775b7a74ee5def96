"""The object store: client, listing, reading, conditional writing and deleting, capabilities.

The only room that knows the AWS client library. What it offers is `Bucket`, the values it takes
and gives, and the errors it raises.
"""

from __future__ import annotations

from s3gc_core.bucket.capabilities import (
    PROBE_PREFIX,
    StoreCapabilities,
    Versioning,
    probe_store,
    remove_old_probes,
)
from s3gc_core.bucket.client import Bucket
from s3gc_core.bucket.connection import create_bucket
from s3gc_core.bucket.deleting import DeleteAnswerWrong
from s3gc_core.bucket.failures import (
    BodyLengthWrong,
    ObjectChanged,
    ObjectGone,
    ObjectUnreadable,
    StoreFailed,
)
from s3gc_core.bucket.listing import ListingIncomplete
from s3gc_core.bucket.objects import (
    DeleteOutcome,
    DeleteResult,
    ListedObject,
    ObjectHeaders,
    ObjectState,
)
from s3gc_core.bucket.reading import ObjectBody

__all__ = [
    "PROBE_PREFIX",
    "BodyLengthWrong",
    "Bucket",
    "DeleteAnswerWrong",
    "DeleteOutcome",
    "DeleteResult",
    "ListedObject",
    "ListingIncomplete",
    "ObjectBody",
    "ObjectChanged",
    "ObjectGone",
    "ObjectHeaders",
    "ObjectState",
    "ObjectUnreadable",
    "StoreCapabilities",
    "StoreFailed",
    "Versioning",
    "create_bucket",
    "probe_store",
    "remove_old_probes",
]
