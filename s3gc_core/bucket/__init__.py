"""The object store: client, listing, reading, conditional writing and deleting, capabilities.

The only room that knows the AWS client library. What it offers is `Bucket`, the values it takes
and gives, and the errors it raises.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from s3gc_core.bucket.objects import (
    BackedUp,
    BucketLock,
    BucketVersioning,
    DeleteMode,
    DeleteModes,
    DeleteOutcome,
    DeleteResult,
    ListedObject,
    ObjectHeaders,
    ObjectState,
    OldVersions,
    Versioning,
    stays_noncurrent,
)

# aiobotocore imports httpx where that is installed, and httpx its own command line with Rich, which
# batch must not load. It is optional there: without it all else of httpx works.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from s3gc_core.bucket.capabilities import (
        PROBE_PREFIX,
        StoreCapabilities,
        probe_store,
        remove_old_probes,
    )
    from s3gc_core.bucket.client import Bucket
    from s3gc_core.bucket.connection import create_bucket
    from s3gc_core.bucket.deleting import DeleteAnswerWrong, Window, backoff_seconds
    from s3gc_core.bucket.failures import (
        BodyLengthWrong,
        ObjectChanged,
        ObjectGone,
        ObjectRefused,
        ObjectUnreadable,
        StoreFailed,
        WriteDenied,
    )
    from s3gc_core.bucket.listing import ListingIncomplete
    from s3gc_core.bucket.locking import in_force
    from s3gc_core.bucket.reading import ObjectBody
    from s3gc_core.bucket.uploads import UploadInProgress
else:
    # The AWS client takes half a second to import: who only looks at values does not wait for it.
    _MODULES = {
        "PROBE_PREFIX": "capabilities",
        "StoreCapabilities": "capabilities",
        "probe_store": "capabilities",
        "remove_old_probes": "capabilities",
        "Bucket": "client",
        "create_bucket": "connection",
        "DeleteAnswerWrong": "deleting",
        "Window": "deleting",
        "backoff_seconds": "deleting",
        "BodyLengthWrong": "failures",
        "ObjectChanged": "failures",
        "ObjectGone": "failures",
        "ObjectRefused": "failures",
        "ObjectUnreadable": "failures",
        "StoreFailed": "failures",
        "WriteDenied": "failures",
        "ListingIncomplete": "listing",
        "in_force": "locking",
        "ObjectBody": "reading",
        "UploadInProgress": "uploads",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"{__name__} has no {name}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


__all__ = [
    "PROBE_PREFIX",
    "BackedUp",
    "BodyLengthWrong",
    "Bucket",
    "BucketLock",
    "BucketVersioning",
    "DeleteAnswerWrong",
    "DeleteMode",
    "DeleteModes",
    "DeleteOutcome",
    "DeleteResult",
    "ListedObject",
    "ListingIncomplete",
    "ObjectBody",
    "ObjectChanged",
    "ObjectGone",
    "ObjectHeaders",
    "ObjectRefused",
    "ObjectState",
    "ObjectUnreadable",
    "OldVersions",
    "StoreCapabilities",
    "StoreFailed",
    "UploadInProgress",
    "Versioning",
    "Window",
    "WriteDenied",
    "backoff_seconds",
    "create_bucket",
    "in_force",
    "probe_store",
    "remove_old_probes",
    "stays_noncurrent",
]
