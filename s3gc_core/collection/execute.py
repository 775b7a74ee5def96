"""Executing an approved plan, batch by batch, in the durable order of the vault's notes.

Per batch: back up (If-Match, sync, read back, compare), one audit commit with the intents, judge
this batch again by asking the databases, delete with an ETag per key, account for every key; the
results are committed with the next batch, or at the end. The next batch is backed up meanwhile
(`overlap`). Whatever instant the process dies at, recovery finds each object in the bucket, or its
backup recorded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

import msgspec

from s3gc_core import log
from s3gc_core.bucket import (
    BackedUp,
    Bucket,
    DeleteMode,
    DeleteModes,
    DeleteOutcome,
    DeleteResult,
    ListedObject,
    ObjectState,
    Window,
    backoff_seconds,
    stays_noncurrent,
)
from s3gc_core.clock import Clock
from s3gc_core.collection.backup import BackupRun, Backups, would_end
from s3gc_core.collection.claims import why_claimed
from s3gc_core.collection.classification import classify_intent
from s3gc_core.collection.drift import drifted
from s3gc_core.collection.last_check import LastCheck
from s3gc_core.collection.overlap import Ahead, batches
from s3gc_core.collection.recovery import UNSEEN
from s3gc_core.collection.untruth import any_still_there
from s3gc_core.config import Config, Images, Mode
from s3gc_core.errors import S3gcError, VaultFull
from s3gc_core.jobs import JobJournal
from s3gc_core.judgement import (
    Catalogue,
    Judge,
    ObjectVerdict,
    Plan,
    PlanItem,
    check_not_expired,
    holders_of,
    mentioned_in,
    rules_of,
)
from s3gc_core.parallel import to_the_end
from s3gc_core.references import Registry
from s3gc_core.vault import AuditLog, BackupFiles, CopyDamaged, Intent, Outcome, Result

BATCH_OBJECTS = 1_000  # what one DeleteObjects takes
BATCH_BYTES = 64 << 20
# Room that must stay free besides the batch itself, for the audit log and SQLite's own files.
SPARE_BYTES = 64 << 20
# So many times in a row a store may be too busy for anything of a batch.
IN_VAIN = 5
# The last judgement is acted on within so many seconds, and made again where the machine slept.
JUDGED_LASTS_SECONDS = 10.0
_TOO_LATE = "the last judgement was too old by then"

_OUTCOMES = {
    DeleteOutcome.DELETED: Outcome.DELETED,
    DeleteOutcome.CHANGED: Outcome.CHANGED,
    DeleteOutcome.VANISHED: Outcome.VANISHED,
    DeleteOutcome.FAILED: Outcome.FAILED,
}
_AS_INTENDED = frozenset({Outcome.DELETED, Outcome.WOULD_DELETE})


@dataclass(slots=True)
class Execution:
    """One execution of one plan. `counts` tells, at any time, how many ended how.

    `check_allowed` raises, before any batch, where the execution may go no further. `listed` is
    about how many objects the bucket has; `deletes` is how this store's deletes can be bound to
    what was backed up; `object_lock` is whether the bucket has it on, None where nobody knows.
    `replica_has` returns once what was recorded is as durable as was asked for,
    and raises where it is not: then nothing of the batch is deleted.
    """

    config: Config
    clock: Clock
    bucket: Bucket
    last_check: LastCheck
    registry: Registry
    catalogue: Catalogue
    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    plan: Plan
    ask_tags_always: bool
    etags_are_md5: bool
    check_allowed: Callable[[], Awaitable[None]]
    listed: int
    deletes: DeleteModes
    replica_has: Callable[[], Awaitable[None]]
    object_lock: bool | None = False
    counts: Counter[str] = field(default_factory=Counter)
    bytes_backed_up: int = 0
    bytes_deleted: int = 0
    # Of those, what a versioned bucket still keeps, as noncurrent versions.
    bytes_noncurrent: int = 0
    # Backups by codec and level, such as `zstd 19`; `reused` whose bytes were there before.
    encodings: Counter[str] = field(default_factory=Counter)
    # Backups that do not give back what the object was.
    lossy: int = 0
    _pending: list[Result] = field(default_factory=list)
    _remarks: dict[str, str] = field(default_factory=dict)  # of this batch, by key
    _judged: Window = field(init=False)  # of the last judgement
    _backups: BackupRun = field(init=False)
    _told_level: int = field(init=False)
    _told_check_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._told_level = self.config.compression_level
        self._judged = Window(JUDGED_LASTS_SECONDS)
        self._backups = BackupRun(
            self.bucket,
            self.files,
            self.operation_id,
            level=self.config.compression_level,
            floor=self.config.compression_floor,
            jpegxl=self.config.jpegxl,
            compact=self.config.images is Images.COMPACT,
            concurrency=self.config.max_concurrency,
            ask_tags_always=self.ask_tags_always,
            copies_in=self.audit if self.config.deduplicate else None,
            etags_are_md5=self.etags_are_md5,
            check=self.journal.refuse_if_cancelled,
            object_lock=self.object_lock,
        )

    async def run(self, finished: frozenset[str]) -> None:
        """Execute what is left of the plan; keys in `finished` were done by an earlier run.

        Cancelling is safe at any point: a delete that was sent is waited for and recorded. May
        wait between two batches, or raise: `OperationCancelled` where a person ends it,
        `PlanExpired` where the plan did not outlive the wait, `GuardBlocked` where the last check
        of a batch cannot be made, `ReplicaBehind`: nothing of that batch is deleted.
        """
        if self.config.mode is not Mode.AUDIT_ONLY:
            await self.files.create_operation(self.operation_id)
        try:
            dropped = await self._drop_drifted(finished)
            pages = self.catalogue.plan_items(self.plan.plan_id)
            left = batches(pages, finished | dropped, objects=BATCH_OBJECTS, size=BATCH_BYTES)
            async with Ahead(self.clock, self._back_up, self._backups.forget) as ahead:
                async for batch, following in left:
                    await self._safe_point()
                    await self.check_allowed()
                    if self.config.mode is Mode.AUDIT_ONLY:
                        await self._record_only(batch)
                    else:
                        await self._collect(batch, following, ahead)
                    done = len(finished) + sum(self.counts.values())
                    self.journal.progress("execute", done, self.plan.objects)
        finally:
            self._backups.close()
            await to_the_end(self._commit([]))

    async def _safe_point(self) -> None:
        if await self.journal.checkpoint(self._settle):
            check_not_expired(self.plan, now=self.clock.now())

    async def _drop_drifted(self, finished: frozenset[str]) -> frozenset[str]:
        """Drop what is no longer as it was approved, told at once; returns those keys."""
        if self.config.mode is Mode.AUDIT_ONLY:
            return frozenset()
        await self.check_allowed()
        pages = self.catalogue.plan_items(self.plan.plan_id)
        planned = {i.key: i.etag async for page in pages for i in page if i.key not in finished}
        if not planned:
            return frozenset()

        async def between(known: int) -> None:
            self.journal.progress("compare plan", known, len(planned))
            await self._safe_point()

        found = await drifted(
            self.bucket,
            planned,
            listed=self.listed,
            concurrency=self.config.max_concurrency,
            between=between,
        )
        self._note(found)
        await self._commit([])
        self.journal.compared(len(planned), self.counts)
        if found:
            log.warning("plan_drifted", planned=len(planned), **self.counts)
        return frozenset(result.key for result in found)

    async def _back_up(self, batch: Sequence[PlanItem]) -> Backups:
        await self._check_space(batch)
        return await self._backups.back_up(batch)

    async def _collect(
        self, batch: Sequence[PlanItem], following: Sequence[PlanItem], ahead: Ahead
    ) -> None:
        self.journal.step("back up")
        backed_up = await ahead.turn_of(batch)
        self._note_encodings(backed_up.intents)
        self.bytes_backed_up += sum(intent.size for intent in backed_up.intents)
        self._note(backed_up.results)
        self._remarks = backed_up.remarks
        for alarm in backed_up.alarms:
            self.journal.object_ended("copy-damaged", alarm.key, alarm.reason)
        claimed = await self._commit([*backed_up.alarms, *backed_up.intents])
        # A vault that is copied without the end of its log must not be tidied by what is left.
        await to_the_end(self.audit.anchor(synced=False))
        why = await why_claimed(self.audit, self.config.vault_path, claimed, {})
        self._note([Result(key, Outcome.KEPT, why[key]) for key in sorted(claimed)])
        await self.replica_has()
        if not self.journal.is_pause_wished():
            ahead.begin(following)
        self.journal.step("judge again")
        intents = {i.key: i for i in backed_up.intents if i.key not in claimed}
        # As old as it was found now: the same bytes, uploaded once more, are a young object.
        found = [
            msgspec.structs.replace(item, last_modified=intents[item.key].last_modified)
            for item in batch
            if item.key in intents
        ]
        await self._delete_cleared(found, intents)

    async def _delete_cleared(self, left: list[PlanItem], intents: Mapping[str, Intent]) -> None:
        """Judge and delete; what the store was too busy for is judged again before it is tried
        again: the answer of the databases does not last.
        """
        in_vain = 0
        while True:
            cleared, kept = await self._judge_again(left)
            self._note(kept)
            if not cleared:
                return
            self.journal.step("delete")
            undone = await to_the_end(self._delete([intents[i.key] for i in cleared]))
            in_vain = in_vain + 1 if len(undone) == len(cleared) else 0
            left = [item for item in cleared if item.key in undone]
            if not left or in_vain == IN_VAIN:
                self._note([Result(i.key, Outcome.FAILED, undone[i.key]) for i in left])
                return
            await asyncio.sleep(backoff_seconds(in_vain))
            self.journal.step("judge again")

    def _note_encodings(self, intents: Sequence[Intent]) -> None:
        self.lossy += sum(intent.backup.is_lossy for intent in intents)
        backups = [intent.backup for intent in intents]
        self.encodings.update("reused" if b.reused else b.encoding for b in backups)
        if (level := self._backups.level) != self._told_level:
            self.journal.encodes_at(self._told_level, level)
            log.info("compression_level", before=self._told_level, now=level)
            self._told_level = level

    async def _record_only(self, batch: Sequence[PlanItem]) -> None:
        cleared, kept = await self._judge_again(batch)
        at_once = self.config.max_concurrency
        would = await would_end(self.bucket, cleared, self.object_lock, concurrency=at_once)
        self._note([*would, *kept])
        await self._commit([])

    async def _check_space(self, batch: Sequence[PlanItem]) -> None:
        needed = sum(item.size for item in batch) + SPARE_BYTES
        free = await asyncio.to_thread(self.files.free_space)
        if free < needed:
            raise VaultFull(f"vault-space: {free} bytes are free, {needed} are needed")

    async def _judge_again(self, batch: Sequence[PlanItem]) -> tuple[list[PlanItem], list[Result]]:
        """Ask the databases about this batch, now, and judge it with the scan's own judge."""
        # Before the databases are asked, as it may have to wait for its turn. An older time only
        # makes objects look younger.
        bucket_now = await self.bucket.server_now()
        began_at = monotonic()
        answer = await self.last_check.of([item.key for item in batch])
        self._tell_slow_check(monotonic() - began_at)
        self._judged = Window(JUDGED_LASTS_SECONDS)
        self._judged.begin()
        found = answer.found
        judge = Judge(self.registry, rules_of(self.config), answer.open_since)
        judged = await judge.judge_page(
            [ListedObject(i.key, i.size, i.etag, i.last_modified, i.storage_class) for i in batch],
            holders_of(found),
            near_holders=holders_of(found, near=True),
            mentioned=mentioned_in(answer.mentions),
            current_since=self.plan.listed_at,
            now=self.clock.now(),
            bucket_now=bucket_now,
        )
        reasons = {j.object.key: j.reason for j in judged if j.verdict is not ObjectVerdict.ORPHAN}
        cleared = [item for item in batch if item.key not in reasons]
        return cleared, [Result(key, Outcome.KEPT, why) for key, why in reasons.items()]

    def _tell_slow_check(self, seconds: float) -> None:
        """Of a database that is not followed, the answer is as old as the reading took."""
        if seconds > max(JUDGED_LASTS_SECONDS, 2 * self._told_check_seconds):
            self._told_check_seconds = seconds
            mend = 'follow the database (cdc = true), or give columns of plain keys codec = "key"'
            log.warning("last_check_took_long", seconds=round(seconds, 1), mend=mend)

    async def _delete(self, intents: Sequence[Intent]) -> dict[str, str]:
        """Delete, and account for every key; returns why of those the store did nothing about."""
        differing = await self._look_again(intents)
        asked = {i.key: i for i in intents if i.key not in differing}
        self._note(
            [_result(i, a, "") for i in intents if (a := differing.get(i.key)) and not a.undone]
        )
        undone = {key: answer.reason for key, answer in differing.items() if answer.undone}
        if not asked or self._judged.is_over():
            return undone | dict.fromkeys(asked, _TOO_LATE)
        return undone | await self._delete_unchanged(list(asked.values()))

    async def _look_again(self, intents: Sequence[Intent]) -> dict[str, DeleteResult]:
        """Those that are no longer what was backed up, though their bytes may be, and why."""
        if self.deletes.batch is DeleteMode.HEAD_COMPARE:
            return {}  # each is looked at right before its own delete
        return await self.bucket.look_again({intent.key: _as_read(intent) for intent in intents})

    async def _delete_unchanged(self, intents: Sequence[Intent]) -> dict[str, str]:
        asked = {intent.key: intent for intent in intents}
        if self.deletes == DeleteModes():
            answers = await self.bucket.delete_batch([(i.key, i.etag) for i in intents])
        else:
            were = {i.key: BackedUp(i.etag, i.size, i.last_modified) for i in intents}
            answers = await self.bucket.delete_by_modes(self.deletes, were)
        try:
            await self._look_for_untruth(intents, answers)
        except S3gcError:
            self._hear(asked, answers)  # what was said is known, and the markers only from there
            raise
        self._hear(asked, answers)
        for intent in intents:
            answer = answers[intent.key]
            if answer.outcome is DeleteOutcome.FAILED and not answer.undone:
                await self._look_after(intent, answer.reason)
        return {key: answer.reason for key, answer in answers.items() if answer.undone}

    def _hear(self, asked: Mapping[str, Intent], answers: Mapping[str, DeleteResult]) -> None:
        """Note what the store said; what failed is looked after."""
        heard = [
            _result(asked[key], answer, self._remarks.get(key, ""))
            for key, answer in answers.items()
            if answer.outcome is not DeleteOutcome.FAILED
        ]
        for result in heard:
            if result.outcome is Outcome.DELETED:
                self._count_deleted(asked[result.key], result.marker)
        self._note(heard)

    async def _look_for_untruth(
        self, intents: Sequence[Intent], answers: dict[str, DeleteResult]
    ) -> None:
        """Look whether what is said to be deleted is gone; where it is not, nothing is believed."""
        said = [i for i in intents if answers[i.key].outcome is DeleteOutcome.DELETED]
        if await any_still_there(self.bucket, {i.key: i.etag for i in said}):
            untrue = DeleteResult(DeleteOutcome.FAILED, "said to be deleted, and still there")
            answers |= dict.fromkeys((i.key for i in said), untrue)

    async def _look_after(self, intent: Intent, reason: str) -> None:
        """A delete that failed, or of which nothing was heard, may have been done all the same.

        Where the bucket cannot be asked the step stays open, and recovery asks. Where this one
        object cannot be looked at it has failed, and the next operations look again.
        """
        try:
            seen = classify_intent(intent, await self.bucket.head(intent.key))
        except UNSEEN as error:
            reason = f"{reason}; and looking again failed: {error.what}"
            seen = Result(intent.key, Outcome.FAILED, reason)
        if seen.outcome is Outcome.KEPT:
            seen = Result(intent.key, Outcome.FAILED, reason)
        if seen.outcome is Outcome.DELETED:
            seen = msgspec.structs.replace(seen, version_id=intent.version_id)
            self._count_deleted(intent, None)
        self._note([seen])

    def _count_deleted(self, intent: Intent, marker: str | None) -> None:
        self.bytes_deleted += intent.size
        if stays_noncurrent(intent.version_id, marker):
            self.bytes_noncurrent += intent.size

    def _note(self, results: Sequence[Result]) -> None:
        self._pending.extend(results)
        self.counts.update(result.outcome.value for result in results)
        for result in results:
            if result.outcome not in _AS_INTENDED:
                self.journal.object_ended(result.outcome.value, result.key, result.reason)
            _tell(result)
        self.journal.tally(self.counts, backed_up=self.bytes_backed_up, deleted=self.bytes_deleted)

    async def _settle(self) -> None:
        """Before a wait of any length, what is only in memory goes into the audit log."""
        await self._commit([])

    async def _commit(self, records: Sequence[Intent | CopyDamaged]) -> frozenset[str]:
        """One durable audit transaction: these records, and all results not yet recorded.

        Returns the keys that a restore, which heals beside us, has claimed: no intent is recorded.
        """
        pending, self._pending = self._pending, []
        try:
            # Cancelled, it is waited for: what was heard of deletes must not be lost with it.
            return await to_the_end(self.audit.claim(self.operation_id, [*pending, *records]))
        except S3gcError:
            # Nor with a disk that was full for a moment: the next commit has it, or the last one.
            self._pending = [*pending, *self._pending]
            raise


def _as_read(intent: Intent) -> ObjectState:
    return ObjectState(
        intent.key,
        intent.etag,
        intent.size,
        intent.last_modified,
        intent.version_id,
        len(intent.headers.tags),
        intent.headers,
    )


def _result(intent: Intent, answer: DeleteResult, remark: str) -> Result:
    outcome = _OUTCOMES[answer.outcome]
    version_id = intent.version_id if outcome is Outcome.DELETED else None
    reason = answer.reason or remark
    return Result(intent.key, outcome, reason, version_id=version_id, marker=answer.marker)


def _tell(result: Result) -> None:
    match result.outcome:
        case Outcome.DELETED:
            log.debug("object_backed_up_and_deleted", key=result.key)
        case Outcome.FAILED:
            log.warning("backup_delete_failed", key=result.key, reason=result.reason)
        case outcome:
            log.debug("object_left", key=result.key, outcome=outcome.value, reason=result.reason)
