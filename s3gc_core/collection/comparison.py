"""Is the object at a key what was backed up? Bytes by SHA-256, and every header and tag."""

from __future__ import annotations

import hashlib

import msgspec

from s3gc_core.bucket import (
    Bucket,
    ObjectChanged,
    ObjectGone,
    ObjectHeaders,
    ObjectState,
    ObjectUnreadable,
)
from s3gc_core.vault import Intent

_CHUNK = 1 << 20


def header_differences(stored: ObjectHeaders, now: ObjectHeaders) -> list[str]:
    """Names of the headers that differ. The part size only shows in the ETag and is left out."""
    return [
        name
        for name in msgspec.structs.asdict(stored)
        if name != "part_size" and getattr(stored, name) != getattr(now, name)
    ]


def _differences_after_writing(stored: ObjectHeaders, now: ObjectHeaders) -> list[str]:
    """As `header_differences`, but a bucket may by now encrypt by itself what it did not then
    (Amazon does since January 2023): the object is what it was.
    """
    by_itself = {"encryption", "encryption_key_id"} if stored.encryption is None else set()
    return [name for name in header_differences(stored, now) if name not in by_itself]


async def differences(bucket: Bucket, backup: Intent, written: str | None = None) -> str | None:
    """How the object now at the key differs from the backup, in words; None where it is equal.

    Where the backup is LOSSY its compact copy is as good as the object that it was made of, but for
    what we have just put there ourselves. Reads the whole object. `written` is the ETag of the one
    that we have just put there: the read is bound to it, and tags are only asked for where we sent
    some or the store speaks of some.
    """
    etag = written
    if etag is None:
        state = await bucket.head(backup.key)
        if state is None:
            return "no object is at the key"
        if unequal := _other_size(state, backup):
            return unequal
        etag = state.etag
    digest = hashlib.sha256()
    try:
        async with bucket.read(backup.key, if_match=etag) as reading:
            if unequal := _other_size(reading.state, backup):
                return unequal
            async for chunk in reading.chunks(_CHUNK):
                digest.update(chunk)
            tags = {}
            if written is None or backup.headers.tags or reading.state.tag_count:
                tags = await bucket.tags(backup.key)
            headers = msgspec.structs.replace(reading.state.headers, tags=tags)
    except (ObjectChanged, ObjectGone, ObjectUnreadable) as error:
        if written is not None and isinstance(error, ObjectChanged):
            # Overwritten at once, or a store that spells ETags in two ways: look what is there.
            return await differences(bucket, backup)
        return error.what
    expected = {backup.backup.given_sha256}
    if written is None:
        expected.add(backup.backup.raw_sha256)
    if digest.hexdigest() not in expected:
        return "the object at the key has other bytes than the backup"
    names = _differences_after_writing(backup.headers, headers)
    return f"the object at the key differs in {', '.join(names)}" if names else None


def _other_size(state: ObjectState, backup: Intent) -> str | None:
    if state.size in (backup.size, backup.backup.given_size):
        return None
    return f"the object at the key has {state.size} bytes, the backup {backup.size}"
