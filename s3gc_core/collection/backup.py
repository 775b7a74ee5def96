"""Backing up one batch: read bound to the ETag, encode, write, sync, read back, compare."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from s3gc_core.bucket import (
    Bucket,
    ObjectChanged,
    ObjectGone,
    ObjectHeaders,
    ObjectUnreadable,
)
from s3gc_core.collection.deduplication import Deduplication, content_of, twins_of
from s3gc_core.judgement import PlanItem
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    CopyDamaged,
    Intent,
    Outcome,
    Result,
    StoredBackup,
)

# What goes through memory at a time, and the size up to which an object is written in one go.
CHUNK = 1 << 20
# Larger objects hold an encoder with a window of megabytes: only so many at once.
_LARGE = 8 << 20
_LARGE_AT_ONCE = 2


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
    """Backs up batches of one operation, several objects at a time, in bounded memory."""

    def __init__(
        self,
        bucket: Bucket,
        files: BackupFiles,
        operation_id: str,
        *,
        level: int,
        concurrency: int,
        ask_tags_always: bool,
        copies_in: AuditLog | None,
    ) -> None:
        """`copies_in`: the log in which copies of equal bytes are looked for; None: they are not,
        and every object's bytes are stored.
        """
        self._bucket = bucket
        self._files = files
        self._operation_id = operation_id
        self._level = level
        self._at_once = asyncio.Semaphore(concurrency)
        self._large_at_once = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._ask_tags_always = ask_tags_always
        self._copies = None
        if copies_in is not None:
            self._copies = Deduplication(copies_in, files, self._at_once)

    async def back_up(self, items: Sequence[PlanItem]) -> Backups:
        """Back up a batch; when it returns, every intent's file is durable, read back and equal."""
        outcomes = await in_parallel(self._one(item) for item in items)
        intents = [outcome for outcome in outcomes if isinstance(outcome, Intent)]
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        if self._copies is None:
            intents, damaged = await self._store(intents)
            return Backups(intents, [*results, *damaged])
        done = await self._store_once(intents, self._copies)
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
            async with self._bucket.read(item.key, if_match=item.etag) as reading:
                state = reading.state
                tags = {}
                if state.tag_count or self._ask_tags_always:
                    tags = await self._bucket.tags(item.key)
                headers = msgspec.structs.replace(state.headers, tags=tags)
                if problem := unrestorable(headers):
                    return Result(item.key, Outcome.FAILED, problem)
                writer = self._files.open_writer(
                    self._operation_id, item.key, self._level, state.size, headers
                )
                try:
                    async for chunk in reading.chunks(CHUNK):
                        await asyncio.to_thread(writer.write, chunk)
                    backup = await asyncio.to_thread(writer.close)
                except BaseException:
                    writer.abandon()
                    raise
        except ObjectChanged as error:
            return Result(item.key, Outcome.CHANGED, error.what)
        except ObjectGone as error:
            return Result(item.key, Outcome.VANISHED, error.what)
        except ObjectUnreadable as error:
            return Result(item.key, Outcome.FAILED, error.what)
        return Intent(
            item.key,
            state.etag,
            state.version_id,
            state.size,
            state.last_modified,
            headers,
            backup,
        )

    async def _compare_all(self, intents: Sequence[Intent]) -> list[Result]:
        """Read everything back; results of those that are not what they must be."""
        packed = [intent for intent in intents if intent.backup.offset is not None]
        loose = [intent for intent in intents if intent.backup.offset is None]
        found = await self._files.verify_packed([intent.backup for intent in packed])
        found += await in_parallel(self._read_back(intent.backup) for intent in loose)
        return [
            failed
            for intent, damage in zip([*packed, *loose], found, strict=True)
            if (failed := unproven(intent, damage)) is not None
        ]

    async def _read_back(self, backup: StoredBackup) -> BackupDamaged | None:
        async with self._at_once:
            try:
                await self._files.verify(backup)
            except BackupDamaged as error:
                return error
        return None


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
