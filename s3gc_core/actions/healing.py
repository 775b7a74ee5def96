"""A reference that arrives for a key which the vault has deleted: said at once, and mended where
the operator wants that (design, section 4, step 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from s3gc_core import log
from s3gc_core.actions.operations import look_for_late_deletes, recover_dead
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.restoring import restore
from s3gc_core.collection import OF_ONE_OR_OF_ALL, UNSEEN, Selection, Unserved, select
from s3gc_core.config import Heal
from s3gc_core.errors import IdentityMissing, IdentityWrong, NoSuchKey, S3gcError, VaultBusy
from s3gc_core.jobs import lease_holder
from s3gc_core.references import Returned
from s3gc_core.vault import GONE, Entry, Result

# How often a follower looks.
LOOK_SECONDS = 1.0
# Objects brought back by one operation: so soon another can begin, which waits for that.
_AT_ONCE = 64
# How often it asks whether the store has done a delete late: as long as one may hold it back.
LATE_SECONDS = 600.0
# After how long it tries once more to bring back what could not be brought back: from, up to.
AGAIN_SECONDS = (2.0, 60.0)

Alarm = Callable[[Returned], None]


async def heal(
    parts: Parts, alarm: Alarm, *, may_restore: bool = True, later: Collection[str] = ()
) -> list[Returned]:
    """Raise an alarm for each deleted key that a row refers to again; restore those objects where
    `heal = "restore"`. Returns what is still referred to and not there.

    What is restored comes back beside whatever operation holds the vault. An object that this one
    is deleting just now, or has deleted and not recorded yet, comes at a later look, as do `later`.
    """
    await _note_deletions(parts)
    missing, absent = await _not_back(parts, await parts.registry.returned())
    lossy = await _lossy_keys(parts, [one.key for one in missing if not one.told])
    fresh = [replace(one, lossy=one.key in lossy) for one in missing if not one.told]
    for one in fresh:
        said = {"lossy": True} if one.lossy else {}
        log.warning("reference_returned", key=one.key, source=one.source, row=one.row, **said)
        alarm(one)
    await parts.registry.note_told([one.key for one in fresh])
    if missing and may_restore and parts.config.heal is Heal.RESTORE:
        await _restore(parts, sorted(absent.difference(later)))
        missing, _ = await _not_back(parts, missing)
    return missing


async def _lossy_keys(parts: Parts, keys: Sequence[str]) -> frozenset[str]:
    """Keys of which a restore would only bring a compact copy."""
    found: set[str] = set()
    if keys:
        async for backups, _ in select(parts.audit, Selection(keys=tuple(keys))):
            found |= {one.intent.key for one in backups if one.intent.backup.is_lossy}
    return frozenset(found)


async def heal_for_ever(parts: Parts, alarm: Alarm) -> None:
    """Look again and again, until cancelled."""
    least, most = AGAIN_SECONDS
    # Not before when a key is tried again, and how long that was.
    tried: dict[str, tuple[float, float]] = {}
    loop = asyncio.get_running_loop()
    recover_at = late_at = loop.time()
    while True:
        now = loop.time()
        if now >= recover_at and await parts.audit.is_anything_open():
            recover_at = now + most
            await _recover(parts)
        if now >= late_at and lease_holder(parts.config.vault_path) is None:
            late_at = now + LATE_SECONDS
            await _look_for_late(parts)
        keys = frozenset(one.key for one in await parts.registry.returned())
        # What was given up, and is referred to once more, is as urgent as it was at first.
        tried = {key: tried[key] for key in keys & tried.keys()}
        later = {key for key, (at, _) in tried.items() if at > now} | await _at_work(parts)
        were_deleted = (await parts.audit.head())[0] > await parts.registry.vaulted_upto()
        if were_deleted or keys - later:
            try:
                keys = frozenset(one.key for one in await heal(parts, alarm, later=later))
            except S3gcError as error:
                # Following goes on; what is to be healed is in the registry.
                log.warning("healing_failed", what=error.what)
            for key in keys - later:
                pause = min(2 * tried[key][1], most) if key in tried else least
                tried[key] = (now + pause, pause)
        await asyncio.sleep(LOOK_SECONDS)


async def _recover(parts: Parts) -> None:
    """What a dead operation deleted is in no record yet, so that no reference to it is missed."""
    try:
        recovered = await recover_dead(
            parts.audit, parts.files, parts.bucket, vault_path=parts.config.vault_path
        )
    except S3gcError as error:
        log.warning("recovery_failed", what=error.what)
        return
    if recovered.anything:
        log.warning("recovered", operations=recovered.operations, deleted=recovered.deleted)


async def _look_for_late(parts: Parts) -> None:
    try:
        await look_for_late_deletes(parts.audit, parts.bucket)
    except S3gcError as error:
        log.warning("late_deletes_not_looked_for", what=error.what)


async def _at_work(parts: Parts) -> frozenset[str]:
    """Keys that a running operation deletes just now. What a dead one left is recovered first."""
    holder = lease_holder(parts.config.vault_path)
    if holder is None:
        return frozenset()
    claims = await parts.audit.claims()
    return frozenset(key for key, of in claims.items() if of == holder.operation_id)


async def _note_deletions(parts: Parts) -> None:
    """What was deleted since the last look, by the audit log."""
    after = await parts.registry.vaulted_upto()
    head, _ = await parts.audit.head()
    async for page in parts.audit.entries(kinds=("result",), after=after):
        keys = {key for entry in page if (key := _deleted_key(entry)) is not None}
        await parts.registry.add_vaulted(sorted(keys), page[-1].seq, parts.clock.now())
    # The records behind the last page, which are of other kinds.
    await parts.registry.add_vaulted([], head, parts.clock.now())


def _deleted_key(entry: Entry) -> str | None:
    record = entry.record
    return record.key if isinstance(record, Result) and record.outcome in GONE else None


async def _not_back(
    parts: Parts, returned: Sequence[Returned]
) -> tuple[list[Returned], frozenset[str]]:
    """What is not back, and of that the keys of which the bucket says that nothing is there.

    Of others something is there, or not even that is told: each stays an alarm, and stops no other.
    Raises `BucketUnreachable`, `StoreFailed` where the bucket itself does not answer.
    """
    missing: list[Returned] = []
    absent: set[str] = set()
    unserved = Unserved(parts.bucket)
    for one in returned:
        upto = await parts.registry.vaulted_upto()
        try:
            is_there = await parts.bucket.head(one.key) is not None
        except UNSEEN as error:
            log.warning("healing_failed", what=error.what)
        except OF_ONE_OR_OF_ALL as error:
            log.warning("healing_failed", what=await unserved.excuse(error))
        else:
            unserved.served()
            if is_there and await parts.registry.forget_returned([one.key], upto):
                continue
            absent |= set() if is_there else {one.key}
        missing.append(one)
    return missing, frozenset(absent)


async def _restore(parts: Parts, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _AT_ONCE):
        selection = Selection(keys=tuple(keys[start : start + _AT_ONCE]))
        try:
            # A live picture that is worse than it was is better than none.
            done = await restore(parts, selection, healing=True, accept_lossy=True)
            if done.lossy:
                log.warning("healed_lossy", objects=done.lossy, operation_id=done.operation_id)
        except VaultBusy as error:
            # Another process heals, or an operation begins; the next look tries again.
            log.info("healing_waits", what=error.what)
        except (NoSuchKey, IdentityMissing, IdentityWrong) as error:
            log.warning("healing_failed", what=error.what)
