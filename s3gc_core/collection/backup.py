"""Backing up one batch: read bound to the ETag, encode, write, sync, read back, compare."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import msgspec

from s3gc_core.bucket import (
    Bucket,
    ObjectChanged,
    ObjectGone,
    ObjectHeaders,
    ObjectState,
    ObjectUnreadable,
    in_force,
)
from s3gc_core.collection.cores import usable_cores
from s3gc_core.collection.deduplication import Deduplication, content_of, twins_of
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.judgement import PlanItem
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    BackupWriter,
    CopyDamaged,
    Intent,
    Outcome,
    Result,
    Spent,
    StoredBackup,
    level_of,
    next_level,
)

# What goes through memory at a time, and the size up to which an object is written in one go.
CHUNK = 1 << 20
# Larger objects hold an encoder with a window of megabytes: only so many at once.
_LARGE = 8 << 20
_LARGE_AT_ONCE = 2
_MD5 = re.compile("[0-9a-f]{32}")
# Objects over a MiB that are being encoded at once: each takes up to 25 MB (vault.encoding).
_ENCODED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Backups:
    """What became of a batch: intents to record, and results of what could not be backed up.

    `alarms` are about older copies that were found damaged, to be recorded; `remarks` (by key) of
    objects that were stored anew for that.
    """

    intents: list[Intent]
    results: list[Result]
    alarms: list[CopyDamaged] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)


class BackupRun:
    """Backs up batches of one operation, several objects at a time, in bounded memory.

    `level` is the zstd level of the next batch: the highest at first, then as strong as leaves the
    encoding off what everything else waits for, and never under `floor`. `check` is called between
    two chunks of an object, and may raise to end the batch there: nothing of it is relied on then.
    """

    def __init__(
        self,
        bucket: Bucket,
        files: BackupFiles,
        operation_id: str,
        *,
        level: int,
        floor: int,
        jpegxl: bool,
        compact: bool,
        concurrency: int,
        ask_tags_always: bool,
        copies_in: AuditLog | None,
        etags_are_md5: bool,
        check: Callable[[], None],
        object_lock: bool | None = False,
    ) -> None:
        """`copies_in`: the log in which copies of equal bytes are looked for; None: they are not,
        and every object's bytes are stored. `object_lock`: whether it is on in this bucket; None
        where that is not known.
        """
        self._bucket = bucket
        self._unserved = Unserved(bucket)
        self._files = files
        self._operation_id = operation_id
        self.level = self._highest = level
        self._floor = floor
        self._jpegxl = jpegxl
        self._compact = compact
        self._check = check
        self._cores = usable_cores()
        self._encoding = 0.0
        self._since: float | None = None
        self._encoded_at_once = asyncio.Semaphore(min(self._cores + 1, _ENCODED_AT_ONCE))
        self._at_once = asyncio.Semaphore(concurrency)
        self._large_at_once = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._ask_tags_always = ask_tags_always
        self._copies = None
        if copies_in is not None:
            self._copies = Deduplication(copies_in, files, self._at_once)
        self._etags_are_md5 = etags_are_md5
        self._object_lock = object_lock
        # Its own: in the pool that all others share, the last check of the batch before would wait
        # behind what is being encoded.
        self._threads = ThreadPoolExecutor(thread_name_prefix="s3gc-encode")

    def close(self) -> None:
        """Let the threads go; nothing may be backed up afterwards."""
        self._threads.shutdown(wait=False)

    async def forget(self, backups: Backups) -> None:
        """Give up what was backed up and not recorded, so that it can be backed up anew."""
        await self._files.forget(self._operation_id, [i.backup for i in backups.intents])

    async def back_up(self, items: Sequence[PlanItem]) -> Backups:
        """Back up a batch; when it returns, every intent's file is durable, read back and equal."""
        self._since = self._since or time.perf_counter()
        outcomes = await in_parallel(self._one(item) for item in items)
        intents = [outcome for outcome in outcomes if isinstance(outcome, Intent)]
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        if self._copies is None:
            done = Backups(*await self._store(intents))
        else:
            done = await self._store_once(intents, self._copies)
        self._choose_level(intents)
        return replace(done, results=[*results, *done.results])

    async def _store(self, intents: Sequence[Intent]) -> tuple[list[Intent], list[Result]]:
        """Settle backups and read them back: those that are good, results of all others."""
        settled = await self._files.settle(self._operation_id, [i.backup for i in intents])
        placed = [
            msgspec.structs.replace(intent, backup=backup)
            for intent, backup in zip(intents, settled, strict=True)
        ]
        damaged = await self._compare_all(placed)
        bad = {result.key for result in damaged}
        return [i for i in placed if i.key not in bad], damaged

    async def _store_once(self, intents: Sequence[Intent], copies: Deduplication) -> Backups:
        """Store what is not in the vault yet, and point all others to what is."""
        old = await copies.old_copies(intent.backup for intent in intents)
        pairs = [(i, old.proven.get(content_of(i.backup))) for i in intents]
        reused, rest = await self._reuse(pairs)
        firsts, twins = twins_of(rest)
        stored, damaged = await self._store(firsts)
        by_key = {intent.key: intent.backup for intent in stored}
        # Twins of one that cannot be relied on are stored themselves.
        again, unlinked = await self._reuse([(i, by_key.get(key)) for i, key in twins])
        more, more_damaged = await self._store(unlinked)
        pointing = [*reused, *again]
        wrong = [size_differs(intent.key, intent.size, intent.backup) for intent in pointing]
        remarks = {
            intent.key: f"an older copy of its bytes is damaged: {alarm.path}"
            for intent in intents
            if (alarm := old.alarms.get(content_of(intent.backup))) is not None
        }
        return Backups(
            [
                *(i for i, result in zip(pointing, wrong, strict=True) if result is None),
                *stored,
                *more,
            ],
            [*damaged, *more_damaged, *(result for result in wrong if result is not None)],
            list(old.alarms.values()),
            remarks,
        )

    async def _reuse(
        self, pairs: Sequence[tuple[Intent, StoredBackup | None]]
    ) -> tuple[list[Intent], list[Intent]]:
        """Intents that point to the proven copy each came with, and those that could not."""
        with_copy = [(intent, copy) for intent, copy in pairs if copy is not None]
        alone = [intent for intent, copy in pairs if copy is None]
        pointing = [
            msgspec.structs.replace(intent, backup=msgspec.structs.replace(copy, reused=True))
            for intent, copy in with_copy
            if copy.offset is not None
        ]
        to_link = [(intent, copy) for intent, copy in with_copy if copy.offset is None]
        links = await self._files.link(
            self._operation_id, [(intent.backup, copy) for intent, copy in to_link]
        )
        for (intent, _), link in zip(to_link, links, strict=True):
            if link is None:
                alone.append(intent)
            else:
                pointing.append(msgspec.structs.replace(intent, backup=link))
        return pointing, alone

    async def _one(self, item: PlanItem) -> Intent | Result:
        async with self._at_once:
            if item.size > _LARGE:
                async with self._large_at_once:
                    return await self._read_and_write(item)
            return await self._read_and_write(item)

    async def _read_and_write(self, item: PlanItem) -> Intent | Result:
        try:
            if reason := await locked(self._bucket, item.key, self._object_lock):
                return Result(item.key, Outcome.KEPT, reason)
            async with self._bucket.read(item.key, if_match=item.etag) as reading:
                state = reading.state
                tags = {}
                if state.tag_count or self._ask_tags_always:
                    tags = await self._bucket.tags(item.key)
                headers = msgspec.structs.replace(state.headers, tags=tags)
                if (other := other_object(item, state)) is not None:
                    return other
                if problem := unrestorable(headers):
                    return Result(item.key, Outcome.FAILED, problem)
                level = level_of(state.size, self.level, self._floor)
                writer = self._files.open_writer(
                    self._operation_id,
                    item.key,
                    level,
                    state.size,
                    headers,
                    jpegxl=self._jpegxl,
                    compact=self._compact,
                )
                written = await self._write(writer, reading.chunks(CHUNK), state)
                if isinstance(written, str):
                    return Result(item.key, Outcome.FAILED, written)
        except ObjectChanged as error:
            return Result(item.key, Outcome.CHANGED, error.what)
        except ObjectGone as error:
            return Result(item.key, Outcome.VANISHED, error.what)
        except (BackupDamaged, ObjectUnreadable) as error:
            # More or fewer bytes than the store said itself, or none.
            return Result(item.key, Outcome.FAILED, error.what)
        except OF_ONE_OR_OF_ALL as error:
            return Result(item.key, Outcome.FAILED, await self._unserved.excuse(error))
        self._unserved.served()
        return Intent(
            item.key,
            state.etag,
            state.version_id,
            state.size,
            state.last_modified,
            headers,
            written,
        )

    async def _write(
        self, writer: BackupWriter, chunks: AsyncIterator[bytes], state: ObjectState
    ) -> StoredBackup | str:
        """The backup; or why these bytes cannot be the object's."""
        in_thread = asyncio.get_running_loop().run_in_executor
        told = state if self._etags_are_md5 else None
        md5 = hashlib.md5(usedforsecurity=False)
        last = b""
        try:
            async with AsyncExitStack() as turn:
                if state.size <= CHUNK:
                    # One visit to a thread, however many pieces the network made of it.
                    self._check()
                    last = b"".join([chunk async for chunk in chunks])
                else:
                    has_turn = False
                    async for chunk in chunks:
                        self._check()
                        if writer.encodes and not has_turn:
                            await turn.enter_async_context(self._encoded_at_once)
                            has_turn = True
                        await in_thread(self._threads, _take, chunk, writer, md5)
                written = await in_thread(self._threads, _end, last, writer, md5, told)
        except BaseException:
            writer.abandon()
            raise
        self._encoding += writer.encoding_seconds
        return written

    def _choose_level(self, intents: Sequence[Intent]) -> None:
        """Look at what the batch took. Whatever came between two batches is in its time, too."""
        now = time.perf_counter()
        encoded = sum(1 for intent in intents if intent.backup.level)
        spent = Spent(self._encoding, encoded, now - (self._since or now))
        self.level = next_level(
            self.level, spent, cores=self._cores, highest=self._highest, floor=self._floor
        )
        self._encoding, self._since = 0.0, now

    async def _compare_all(self, intents: Sequence[Intent]) -> list[Result]:
        """Read everything back; results of those that are not what they must be."""
        packed = [intent for intent in intents if intent.backup.offset is not None]
        loose = [intent for intent in intents if intent.backup.offset is None]
        found = await self._files.verify_packed([intent.backup for intent in packed])
        found += await in_parallel(self._read_back(intent.backup) for intent in loose)
        intents = [*packed, *loose]
        found = await in_parallel(map(self._look_at_copy, intents, found))
        return [
            failed
            for intent, damage in zip(intents, found, strict=True)
            if (failed := unproven(intent, damage)) is not None
        ]

    async def _look_at_copy(
        self, intent: Intent, damage: BackupDamaged | None
    ) -> BackupDamaged | None:
        """What is wrong with a backup; a LOSSY one is decoded, from the disk, once more."""
        if damage is not None or not intent.backup.is_lossy:
            return damage
        async with self._at_once:
            try:
                await self._files.refuse_unlike(intent.backup)
            except BackupDamaged as error:
                return error
        return None

    async def _read_back(self, backup: StoredBackup) -> BackupDamaged | None:
        async with self._at_once:
            try:
                await self._files.verify(backup)
            except BackupDamaged as error:
                return error
        return None


def _take(chunk: bytes, writer: BackupWriter, md5: hashlib._Hash) -> None:
    md5.update(chunk)
    writer.write(chunk)


def _end(
    last: bytes, writer: BackupWriter, md5: hashlib._Hash, told: ObjectState | None
) -> StoredBackup | str:
    """The closed backup; or why its bytes cannot be those of what the store told."""
    if last:
        _take(last, writer, md5)
    if told is not None and (problem := other_bytes(told, md5.hexdigest())):
        writer.abandon()
        return problem
    return writer.close()


def other_object(item: PlanItem, state: ObjectState) -> Result | None:
    """The result of an answer that, by its own headers, is not the approved object.

    If-Match is the store's to keep; that it was kept can be seen.
    """
    if state.etag.strip('"') != item.etag.strip('"'):
        reason = f"asked for ETag {item.etag}, the store answered {state.etag}"
        return Result(item.key, Outcome.CHANGED, reason)
    if state.size != item.size:
        reason = f"the store listed {item.size} bytes and answered {state.size}"
        return Result(item.key, Outcome.FAILED, reason)
    return None


def other_bytes(state: ObjectState, md5: str) -> str | None:
    """Why bytes with this MD5 cannot be the object's; None where its ETag does not tell.

    Only for stores where a probe showed that ETags are MD5s. What was put in parts, or encrypted
    by other keys than S3's own, has an ETag of another kind (S3 API reference, "Object").
    """
    told = state.etag.strip('"')
    if not _MD5.fullmatch(told) or state.headers.encryption not in (None, "AES256"):
        return None
    return None if told == md5 else f"the store answered bytes of MD5 {md5} for ETag {told}"


async def locked(bucket: Bucket, key: str, object_lock: bool | None) -> str | None:
    """Why Object Lock keeps an object; `object_lock` says whether it is on in the bucket.

    Raises `ObjectGone`, and `ObjectUnreadable` where the lock may not be asked: that is no answer.
    """
    if object_lock is False:
        return None
    return in_force(await bucket.object_lock(key, enabled=object_lock))


async def would_end(
    bucket: Bucket, items: Sequence[PlanItem], object_lock: bool | None, *, concurrency: int
) -> list[Result]:
    """How objects that the last judgement cleared would end, as far as their locks know."""
    at_once = asyncio.Semaphore(concurrency)

    async def one(key: str) -> Result:
        try:
            async with at_once:
                reason = await locked(bucket, key, object_lock)
        except ObjectGone as error:
            return Result(key, Outcome.VANISHED, error.what)
        except ObjectUnreadable as error:
            return Result(key, Outcome.FAILED, error.what)
        return Result(key, Outcome.KEPT if reason else Outcome.WOULD_DELETE, reason or "")

    return await in_parallel(one(item.key) for item in items)


def unproven(intent: Intent, damage: BackupDamaged | None) -> Result | None:
    """The result of an object whose backup does not hold all of it."""
    if damage is not None:
        return Result(intent.key, Outcome.FAILED, damage.what)
    return size_differs(intent.key, intent.size, intent.backup)


def size_differs(key: str, size: int, backup: StoredBackup) -> Result | None:
    """A backup shorter or longer than the object is none."""
    if backup.raw_size == size:
        return None
    return Result(key, Outcome.FAILED, f"backup has {backup.raw_size} of {size} bytes")


def unrestorable(headers: ObjectHeaders) -> str | None:
    """Why these headers could not be written back exactly; None where they can.

    S3 takes user metadata in US-ASCII only; what it returns otherwise is no longer what was sent
    (S3 user guide, "Working with object metadata").
    """
    for name, value in headers.metadata.items():
        if not (name + value).isascii() or "\r" in value or "\n" in value:
            return f"user metadata {name!r} could not be restored exactly"
    if headers.encryption_key_id is None and headers.encryption == "SSE-C":
        return "encrypted with a customer's key that s3gc does not have"
    return None
