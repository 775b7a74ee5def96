"""What the bucket tells about objects: values without behaviour."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class ListedObject(msgspec.Struct, frozen=True, gc=False):
    """One entry of a listing. `size` in bytes, `etag` as S3 sends it (with its quotes)."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    storage_class: str = "STANDARD"


class ObjectHeaders(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything besides the bytes that a restore has to bring back.

    `expires` is the raw header, which need not be a date. `part_size` (bytes) is the size of the
    first part of a multipart object, None for a plain one: uploading with the same part size
    gives the same `-N` ETag again.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    storage_class: str = "STANDARD"
    encryption: str | None = None
    encryption_key_id: str | None = None
    part_size: int | None = None


class ObjectState(msgspec.Struct, frozen=True):
    """The current object at a key, from HEAD or GET: identity, size in bytes and headers.

    `headers.tags` is filled by `Bucket.tags`, not by HEAD; `tag_count` is what the store reported.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime
    version_id: str | None
    tag_count: int
    headers: ObjectHeaders


class OldVersions(msgspec.Struct):
    """What a versioned bucket keeps besides its objects; `size`: bytes of the versions."""

    versions: int = 0
    size: int = 0
    delete_markers: int = 0


class DeleteOutcome(StrEnum):
    """What the store said about one key of a delete."""

    DELETED = "deleted"
    CHANGED = "changed"  # 412: another ETag lives there now
    VANISHED = "vanished"  # 404: nothing was there any more
    FAILED = "failed"  # an error, or no word at all about this key


class DeleteMode(StrEnum):
    """How a delete is bound to the object that was backed up."""

    CONDITIONAL_BATCH = "conditional batch"  # DeleteObjects with an ETag for each key
    CONDITIONAL_SINGLE = "conditional single"  # DeleteObject with If-Match
    # The store ignores conditions: HEAD, compare, DeleteObject. Leaves a window between the two.
    HEAD_COMPARE = "head-compare-delete"


class DeleteModes(msgspec.Struct, frozen=True):
    """How keys that fit a batch are deleted, and how all others (or where a batch is refused)."""

    batch: DeleteMode = DeleteMode.CONDITIONAL_BATCH
    single: DeleteMode = DeleteMode.CONDITIONAL_SINGLE

    def __str__(self) -> str:
        """In words, for reports."""
        if self.batch is self.single:
            return str(self.batch)
        return f"{self.batch}; what fits no batch: {self.single}"

    @property
    def compares(self) -> bool:
        """Whether anything may be deleted by head-compare-delete."""
        return DeleteMode.HEAD_COMPARE in (self.batch, self.single)


class BackedUp(msgspec.Struct, frozen=True):
    """What an object was when it was backed up: ETag, bytes, and the second it is dated."""

    etag: str
    size: int
    last_modified: datetime


class DeleteResult(msgspec.Struct, frozen=True):
    """Outcome for one key, with the store's own code and message where it gave one.

    `marker`: the version id of the delete marker that now hides the object, in a versioned bucket.
    `undone`: of one that failed, that the store did nothing, and might do it later.
    """

    outcome: DeleteOutcome
    reason: str = ""
    marker: str | None = None
    undone: bool = False


class Versioning(StrEnum):
    """What a delete does here: remove, add a marker, or overwrite the null version."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    SUSPENDED = "suspended"


class BucketVersioning(msgspec.Struct, frozen=True):
    """The bucket's own word. `mfa_delete`: no version goes without the root user's MFA code."""

    status: Versioning
    mfa_delete: bool = False


class BucketLock(msgspec.Struct, frozen=True):
    """Whether Object Lock is on; `enabled` None: it may not be asked, so each object has to be.

    `default_retention` in words (`GOVERNANCE, 30 days`), empty where there is none: whatever is
    written is locked for so long.
    """

    enabled: bool | None
    default_retention: str = ""


class ObjectLock(msgspec.Struct, frozen=True):
    """The lock of one object as of `seen_at` (the store's time). Times are UTC."""

    mode: str | None
    until: datetime | None
    legal_hold: bool
    seen_at: datetime


# The version id of what was written while versioning was off or suspended. Unlike all others it is
# used again and again, so it never says which object is meant.
NULL_VERSION = "null"


def stays_noncurrent(version_id: str | None, marker: str | None) -> bool:
    """Whether the bytes of a deleted object stay behind as a noncurrent version.

    Only the null version is lost to a delete, and only to a null marker. Where the store told of
    no marker, an object with a version id of its own stays all the same.
    """
    return any(told not in (None, NULL_VERSION) for told in (version_id, marker))
