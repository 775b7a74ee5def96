"""Is the object at a key what was backed up? Bytes by SHA-256, and every header and tag."""

from __future__ import annotations

import hashlib

import msgspec

from s3gc_core.bucket import Bucket, ObjectChanged, ObjectGone, ObjectHeaders, ObjectUnreadable
from s3gc_core.vault import Intent

_CHUNK = 1 << 20


def header_differences(stored: ObjectHeaders, now: ObjectHeaders) -> list[str]:
    """Names of the headers that differ. The part size only shows in the ETag and is left out."""
    return [
        name
        for name in msgspec.structs.asdict(stored)
        if name != "part_size" and getattr(stored, name) != getattr(now, name)
    ]


async def differences(bucket: Bucket, backup: Intent) -> str | None:
    """How the object now at the key differs from the backup, in words; None where it is equal.

    Reads the whole object.
    """
    state = await bucket.head(backup.key)
    if state is None:
        return "no object is at the key"
    if state.size != backup.size:
        return f"the object at the key has {state.size} bytes, the backup {backup.size}"
    digest = hashlib.sha256()
    try:
        async with bucket.read(backup.key, if_match=state.etag) as reading:
            async for chunk in reading.chunks(_CHUNK):
                digest.update(chunk)
            headers = msgspec.structs.replace(
                reading.state.headers, tags=await bucket.tags(backup.key)
            )
    except (ObjectChanged, ObjectGone, ObjectUnreadable) as error:
        return error.what
    if digest.hexdigest() != backup.backup.raw_sha256:
        return "the object at the key has other bytes than the backup"
    names = header_differences(backup.headers, headers)
    return f"the object at the key differs in {', '.join(names)}" if names else None
