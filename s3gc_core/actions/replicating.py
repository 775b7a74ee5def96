"""The replica: shipping to it, waiting for it, looking at it, rebuilding the vault from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from s3gc_core import log
from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.bucket import Bucket
from s3gc_core.clock import Clock
from s3gc_core.collection import tidy
from s3gc_core.config import Config, Durability, Mode
from s3gc_core.errors import AuditBroken, ReplicaBehind, S3gcError, Unreachable, VaultBusy
from s3gc_core.ids import new_id
from s3gc_core.jobs import Progress, actor, vault_lease
from s3gc_core.local_store import refuse_network_file_system
from s3gc_core.replica import (
    LostBackup,
    RebuiltVault,
    Shipped,
    Shipper,
    check_extends,
    open_replica,
    open_shipper,
    read_note,
    rebuild,
    replica_id,
    write_note,
)
from s3gc_core.replica.note import Note
from s3gc_core.vault import AuditLog, BackupDamaged, BackupFiles
from s3gc_core.vault.anchors import read_anchors
from s3gc_core.vault.aside import set_aside, unknown_folders
from s3gc_core.vault.manifest import MANIFEST
from s3gc_core.vault.places import PART, place_of

Acknowledged = Callable[[], Awaitable[None]]


async def replicate(config: Config, bucket: Bucket, audit: AuditLog, clock: Clock) -> Shipped:
    """Ship what is recorded to the replica. Raises `NoReplica`, `VaultBusy`, and whatever keeps it.

    A failure is kept for whoever asks how the replica stands.
    """
    try:
        async with open_shipper(config, bucket, audit, clock) as shipper:
            shipped = await shipper.ship()
    except VaultBusy:
        raise
    except S3gcError as error:
        await _note_problem(config, error)
        raise
    await _note_problem(config, None)
    return shipped


async def replicate_after(config: Config, bucket: Bucket, audit: AuditLog, clock: Clock) -> None:
    """Ship when an operation has ended. It has ended as it has: a failure is told, kept for
    `s3gc status`, and made good by the next shipment.
    """
    if config.replica is None:
        return
    try:
        await replicate(config, bucket, audit, clock)
    except S3gcError as error:
        log.warning("replica_behind", error=error.name, what=error.what)


@asynccontextmanager
async def acknowledging(
    config: Config, bucket: Bucket, audit: AuditLog, clock: Clock
) -> AsyncIterator[Acknowledged]:
    """What an execution awaits between a batch's audit commit and its deletes.

    With `durability = "local"` it returns at once. Otherwise it raises `ReplicaBehind` (as does
    entering, before anything was backed up) unless the replica has all that was recorded.
    """
    replica = config.replica
    if replica is None or replica.durability is Durability.LOCAL or config.mode is Mode.AUDIT_ONLY:
        yield _at_once
        return
    async with AsyncExitStack() as stack:
        async with _behind(config):
            opening = open_shipper(config, bucket, audit, clock)
            shipper = await stack.enter_async_context(opening)
            # What earlier operations left, while nothing is backed up yet; it also tells early.
            await shipper.ship()
        yield partial(_wait_for, config, shipper)


async def _at_once() -> None:
    """The vault's own disk has the backups."""


async def _wait_for(config: Config, shipper: Shipper) -> None:
    async with _behind(config):
        await shipper.ship(strict=True)


@asynccontextmanager
async def _behind(config: Config) -> AsyncIterator[None]:
    try:
        yield
    except Unreachable as error:
        await _note_problem(config, error)
        raise ReplicaBehind(f"replica-behind: {error.what}") from error
    except S3gcError as error:
        await _note_problem(config, error)
        raise


async def standing_of(config: Config) -> Note | None:
    """What the vault knows of its replica; None where there is none."""
    if config.replica is None:
        return None
    return await asyncio.to_thread(read_note, config.vault_path, replica_id(config))


async def check_replica(config: Config, audit: AuditLog, clock: Clock) -> int:
    """Whether our log extends what the replica saw of it; returns that record's number.

    Raises `AuditBroken`, `NoReplica`, `BucketUnreachable`, `ReplicaAltered` where a head is gone.
    """
    async with open_replica(config, clock) as store:
        note = await asyncio.to_thread(read_note, config.vault_path, replica_id(config))
        number = await store.newest_of_all(note.number)
        if not number:
            return 0
        head, _ = await store.head(number)
        await check_extends(audit, head)
        return head.seq


async def rebuild_vault(config: Config, clock: Clock, progress: Progress) -> RebuiltVault:
    """Rebuild the vault from its replica, into a folder that holds no audit log.

    Raises as `replica.rebuild`, and `VaultBusy`.
    """
    vault = config.vault_path
    make_vault_folder(vault)
    refuse_network_file_system(vault)
    outside = Path(config.audit_anchor_file) if config.audit_anchor_file else None
    anchors = await asyncio.to_thread(read_anchors, vault)
    if outside is not None:
        anchors += await asyncio.to_thread(read_anchors, outside.parent, outside.name)
    with vault_lease(vault, new_id(), "rebuild", actor()):
        async with open_replica(config, clock) as store:
            done = await rebuild(store, replica_id(config), vault, anchors, progress)
        audit = await AuditLog.open(vault, clock, outside)
        try:
            aside = await _take_over(audit, vault, done)
            lost = await _lost(audit, BackupFiles(vault), set(done.doubtful))
        finally:
            await audit.close()
    return replace(done, lost=tuple(lost), set_aside=(*done.set_aside, *aside))


async def _lost(audit: AuditLog, files: BackupFiles, doubtful: set[str]) -> list[LostBackup]:
    """The kept backups that are not in these files as they were stored. It takes no key."""
    lost: list[LostBackup] = []
    if not doubtful:
        return lost
    async for page in audit.backups():
        for backup in page:
            stored = backup.intent.backup
            if stored.path not in doubtful:
                continue
            try:
                await files.verify_stored(stored)
            except BackupDamaged as error:
                of = (backup.intent.key, backup.operation_id, stored.path)
                lost.append(LostBackup(*of, error.what))
    return lost


async def _take_over(audit: AuditLog, vault: Path, done: RebuiltVault) -> list[str]:
    """Check the rebuilt log once more, anchor it, and make the manifests, which are not shipped;
    where files were put of which it says nothing.
    """
    if await audit.verify() != done.records:
        raise AuditBroken(f"the rebuilt log does not hold {done.records} records")
    await audit.anchor()
    files, aside = BackupFiles(vault), []
    operations = [operation.operation_id for operation in await audit.operations()]
    for folder in await asyncio.to_thread(unknown_folders, vault, set(operations)):
        aside.append(await asyncio.to_thread(set_aside, vault, place_of(folder, "").rstrip("/")))
    for operation_id in operations:
        known = await audit.backup_paths(operation_id)
        manifest = place_of(operation_id, MANIFEST)
        unknown = await asyncio.to_thread(files.strays, operation_id, known | {manifest})
        left = [path for path in unknown if path.suffix != PART]
        listed: bool = await asyncio.to_thread(files.has_manifest, operation_id)
        if left and listed:
            left.append(vault / manifest)  # it may say what they are
        for path in left:
            place = path.relative_to(vault).as_posix()
            aside.append(await asyncio.to_thread(set_aside, vault, place))
        await tidy(audit, files, operation_id)
    return aside


async def _note_problem(config: Config, error: S3gcError | None) -> None:
    vault, told = config.vault_path, error.what if error else ""
    note = await asyncio.to_thread(read_note, vault, replica_id(config))
    if note.problem != told:
        note = msgspec.structs.replace(note, problem=told)
        await asyncio.to_thread(write_note, vault, note)
