"""Writing one object back as it was backed up: the way of every restore into a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from s3gc_core.bucket import (
    Bucket,
    ObjectChanged,
    ObjectGone,
    ObjectRefused,
    ObjectUnreadable,
)
from s3gc_core.collection.comparison import differences
from s3gc_core.vault import (
    BackupDamaged,
    BackupFiles,
    Intent,
    Restored,
    RestoreOutcome,
    StoredBackup,
)

# Bytes of UTF-8 that a key may have (S3 user guide).
MAX_KEY_BYTES = 1024
# What concerns one object alone, and does not stop the others.
OF_ONE_OBJECT = (BackupDamaged, ObjectChanged, ObjectGone, ObjectRefused, ObjectUnreadable)

FROM_REPLICA = "the backup was taken from the replica"

# See `differences`.
Compare: TypeAlias = Callable[[Bucket, Intent, str | None], Awaitable[str | None]]


# What is said of every object that comes back as something else than it was.
LOSSY = "LOSSY: a compact copy of the picture, not what the object was"
# What is said before an object is overwritten.
REPLACES = "replaces another object, which is not backed up first"
LOSSY_REFUSED = "only a LOSSY copy of it is in the vault; --accept-lossy brings that back"


class Written(NamedTuple):
    """How writing one object back ended; `etag` is that of the object now at the key.

    `lossy`: that is the compact copy of what it was.
    """

    outcome: RestoreOutcome
    etag: str | None = None
    reason: str = ""
    lossy: bool = False

    def of(self, key: str, from_operation: str) -> Restored:
        """The record of it."""
        return Restored(key, from_operation, self.outcome, self.etag, self.reason, lossy=self.lossy)


class Standby(Protocol):
    """Another copy of the vault, for what is damaged or gone in it."""

    async def proven(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        """The object's bytes, all compared with what was recorded before this returns.

        Raises `BackupDamaged` where they cannot be had there either.
        """
        ...


class Proven(NamedTuple):
    """The bytes of a backup, compared; `told` says where they are from, if not from the vault."""

    body: AsyncIterator[bytes]
    told: str = ""


async def proven(files: BackupFiles, backup: StoredBackup, standby: Standby | None) -> Proven:
    """The object's bytes: from the vault, or, where it has them no more, from `standby`.

    Raises `BackupDamaged` where neither has them, `VaultUnreachable`.
    """
    try:
        return Proven(await files.proven(backup))
    except BackupDamaged as damaged:
        if standby is None:
            raise
        try:
            body = await standby.proven(backup)
        except BackupDamaged as error:
            raise BackupDamaged(f"{damaged.what}; and in the replica: {error.what}") from error
        return Proven(body, f"{FROM_REPLICA}: {damaged.what}")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another bucket, or a place in it: its name and what is put before each key."""

    bucket: str
    prefix: str = ""

    def told(self, written: Written, there: Intent) -> Written:
        """An outcome that cannot be taken for one in our own bucket."""
        place = f"s3://{self.bucket}/{there.key}"
        if written.outcome is RestoreOutcome.RESTORED:
            said = f"written to {place}" + (f"; {written.reason}" if written.reason else "")
            return Written(RestoreOutcome.EXPORTED, written.etag, said, written.lossy)
        reason = f"{place}: {written.reason}" if written.reason else place
        return written._replace(reason=reason)


def placed(backup: Intent, elsewhere: Elsewhere | None) -> Intent:
    """A backup with the key that its object is written to."""
    if elsewhere is None:
        return backup
    return msgspec.structs.replace(backup, key=elsewhere.prefix + backup.key)


def refused_as_lossy(backup: Intent, *, accept_lossy: bool) -> Written | None:
    """What a restore says of an object whose compact copy nobody accepted; None of all others."""
    if not backup.backup.is_lossy or accept_lossy:
        return None
    return Written(RestoreOutcome.LOSSY_REFUSED, None, LOSSY_REFUSED)


def is_compact_copy(backup: Intent, size: int) -> bool:
    """Whether what is at a key, and equal to the backup, is its compact copy, by its size (bytes).

    The object that it was made of is larger by more than a third, and as good, or better.
    """
    return backup.backup.is_lossy and size == backup.backup.given_size


async def write_back(
    bucket: Bucket,
    files: BackupFiles,
    backup: Intent,
    overwrite_etag: str | None = None,
    compare: Compare = differences,
    standby: Standby | None = None,
    *,
    accept_lossy: bool = False,
) -> Written:
    """Write one object as it was backed up to `backup.key`, and compare what is there then.

    From `standby` where the vault's own backup is damaged or gone.
    Never over an object but the one with `overwrite_etag`, and not where the same is there. A
    compact copy only where somebody accepts that it is not what the object was.
    Raises `WriteDenied`, `BucketUnreachable`, `StoreFailed`: those concern more than this object.
    """
    if len(backup.key.encode()) > MAX_KEY_BYTES:
        return Written(RestoreOutcome.FAILED, None, f"its key is over {MAX_KEY_BYTES} bytes there")
    try:
        # Asked as well as bound by If-None-Match: a store that ignores the latter must not
        # cost a newer object its life.
        there = await _in_the_way(
            bucket, backup, compare, overwrite=overwrite_etag is not None, only=overwrite_etag
        )
        if there is not None:
            return there
        if refused := refused_as_lossy(backup, accept_lossy=accept_lossy):
            return refused
        try:
            # The whole file is proven before its first byte goes to the bucket.
            source = await proven(files, backup.backup, standby)
            etag = await bucket.put(
                backup.key,
                source.body,
                size=backup.backup.given_size,
                headers=backup.headers,
                if_match=overwrite_etag,
            )
        except ObjectChanged as error:
            if await bucket.head(backup.key) is None:
                # SeaweedFS takes a folder (keys under KEY/) for an object when a condition asks.
                reason = f"{error.what}, and shows no object there"
                return Written(RestoreOutcome.FAILED, None, reason)
            return await _occupied(bucket, backup, compare)
        unequal = await compare(bucket, backup, etag)
    except OF_ONE_OBJECT as error:
        return Written(RestoreOutcome.FAILED, None, error.what)
    if unequal is not None:
        return Written(RestoreOutcome.FAILED, etag, f"read back: {unequal}")
    if backup.backup.is_lossy:
        said = f"{source.told}; {LOSSY}" if source.told else LOSSY
        return Written(RestoreOutcome.RESTORED, etag, said, lossy=True)
    return Written(RestoreOutcome.RESTORED, etag, source.told)


async def foresee(
    bucket: Bucket,
    files: BackupFiles,
    backup: Intent,
    *,
    overwrite: bool,
    accept_lossy: bool = False,
    standby: bool = False,
) -> Written:
    """What `write_back` would do, by the same look at the bucket; changes nothing.

    Of the backup file only that it is there in its full size is looked at; the replica, if there
    is one to stand by, is not asked.
    """
    if len(backup.key.encode()) > MAX_KEY_BYTES:
        return Written(RestoreOutcome.FAILED, None, f"its key is over {MAX_KEY_BYTES} bytes there")
    try:
        there = await _in_the_way(bucket, backup, differences, overwrite=False)
    except OF_ONE_OBJECT as error:
        return Written(RestoreOutcome.FAILED, None, error.what)
    said: list[str] = []
    if there is not None:
        if not overwrite or there.outcome is not RestoreOutcome.NEWER_KEPT:
            return there
        said.append(REPLACES)
    if refused := refused_as_lossy(backup, accept_lossy=accept_lossy):
        return refused
    if not await asyncio.to_thread(files.is_present, backup.backup):
        missing = "its backup file is missing or cut"
        if not standby:
            return Written(RestoreOutcome.FAILED, None, missing)
        said.append(f"{missing}: the replica is asked for it")
    if backup.backup.is_lossy:
        said.append(LOSSY)
    return Written(RestoreOutcome.RESTORED, None, "; ".join(said), lossy=backup.backup.is_lossy)


async def left_alone(bucket: Bucket, key: str, as_of: datetime) -> Written:
    """What a restore of a time says of a key that has backups, and none of that time."""
    try:
        state = await bucket.head(key)
    except ObjectUnreadable as error:
        return Written(RestoreOutcome.NO_BACKUP, None, error.what)
    if state is None:
        return Written(RestoreOutcome.NO_BACKUP, None, "no backup is of that time")
    if state.last_modified <= as_of:
        # Not modified since: it was the live object then, too.
        return Written(RestoreOutcome.ALREADY_THERE, state.etag)
    created = f"no backup is of that time; what is there is of {state.last_modified:%Y-%m-%d %H:%M}"
    return Written(RestoreOutcome.NO_BACKUP, state.etag, f"{created} UTC and stays")


async def _in_the_way(
    bucket: Bucket, backup: Intent, compare: Compare, *, overwrite: bool, only: str | None = None
) -> Written | None:
    """What keeps an object from being written: itself, or a newer one that stays; with `overwrite`
    one that has another ETag than `only`.
    """
    state = await bucket.head(backup.key)
    if state is None:
        return None
    there = await _occupied(bucket, backup, compare)
    is_newer = there.outcome is RestoreOutcome.NEWER_KEPT
    if overwrite and is_newer and only in (None, state.etag):
        return None
    return there


async def _occupied(bucket: Bucket, backup: Intent, compare: Compare) -> Written:
    """Another object lives at the key: the same one, or a newer one that stays."""
    unequal = await compare(bucket, backup, None)
    if unequal is None:
        now = await bucket.head(backup.key) if backup.backup.is_lossy else None
        if now is not None and is_compact_copy(backup, now.size):
            return Written(RestoreOutcome.ALREADY_THERE, now.etag, LOSSY, lossy=True)
        return Written(RestoreOutcome.ALREADY_THERE, backup.etag)
    return Written(RestoreOutcome.NEWER_KEPT, None, unequal)
