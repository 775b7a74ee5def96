"""Repair: backups that are damaged or gone in the vault are put back from the replica."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec

from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.standing import to_verify
from s3gc_core.collection import pack_ends, tidy
from s3gc_core.replica import (
    ReplicaBackups,
    check_extends,
    open_replica,
    repair_file,
    replica_id,
    replica_of,
)
from s3gc_core.vault import BackupDamaged, BackupState, Repaired, Verified
from s3gc_core.vault.places import split_place
from s3gc_core.vault.shipping_bytes import is_pack

WHAT = "repair"
# A backup, and what is wrong with it.
Damaged: TypeAlias = tuple[BackupState, str]


class DamagedBackup(msgspec.Struct, frozen=True):
    """A backup that was found damaged: `reason`. `still`: why it could not be put back, if not."""

    key: str
    reason: str
    still: str | None


class RepairSummary(msgspec.Struct, frozen=True):
    """How a repair ended: of `checked` backups these were damaged or gone. Of `unopened` ones only
    the stored bytes were compared: nothing is here to decrypt them with.
    """

    operation_id: str
    outcome: str
    checked: int
    damaged: tuple[DamagedBackup, ...] = ()
    unopened: int = 0


async def repair_backups(
    parts: Parts, *, sample: int | None = None, seed: int | None = None
) -> RepairSummary:
    """Read backups back, all or a sample; what is damaged or gone comes from the replica.

    The bytes are those of the audit log, or nothing changes. The replica is opened only where
    something is damaged, and never written to. Raises `NoReplica`, `BucketUnreachable`,
    `ReplicaAltered`, `AuditBroken` where our log is not the one that the replica saw.
    """
    replica_of(parts.config)
    if sample is not None and seed is None:
        seed = secrets.randbelow(1 << 32)
    drawn = {} if sample is None else {"sample": str(sample), "seed": str(seed)}
    async with parts.operation(WHAT, arguments=drawn) as run:
        checked, unopened, found = await _damaged(parts, run, sample, seed)
        told: list[DamagedBackup] = []
        try:
            if found:
                async with _replica(parts) as replica:
                    for operation_id, paths in _by_folder(found).items():
                        await _repair_in(parts, run, replica, operation_id, paths, told)
        finally:
            repaired = sum(one.still is None for one in told)
            run.counts = {"repaired": repaired, "damaged": len(found) - repaired}
        verified = Verified(checked, len(found) - repaired, sample, seed, unopened)
        await parts.audit.append(run.operation_id, [verified])
        if repaired < len(found):
            run.outcome = "partial"
    return RepairSummary(run.operation_id, run.outcome, checked, tuple(told), unopened)


async def _damaged(
    parts: Parts, run: OperationRun, sample: int | None, seed: int | None
) -> tuple[int, int, list[Damaged]]:
    checked = unopened = 0
    found: list[Damaged] = []
    async for page in to_verify(parts, sample, seed):
        await run.journal.checkpoint()
        for backup in page:
            checked += 1
            unopened += not parts.files.keyring.may_open(backup.intent.backup)
            if (wrong := await _wrong(parts, backup)) is not None:
                found.append((backup, wrong))
        run.journal.progress("verify", checked)
    return checked, unopened, found


async def _wrong(parts: Parts, backup: BackupState) -> str | None:
    try:
        await parts.files.verify_as_far(backup.intent.backup)
    except BackupDamaged as error:
        return error.what
    return None


@asynccontextmanager
async def _replica(parts: Parts) -> AsyncIterator[ReplicaBackups]:
    async with open_replica(parts.config, parts.clock) as store:
        if number := await store.newest(0):
            head, _ = await store.head(number)
            await check_extends(parts.audit, head)
        yield await ReplicaBackups.read(
            store, parts.audit, parts.config.vault_path, parts.files.keyring
        )


def _by_folder(found: Iterable[Damaged]) -> dict[str, dict[str, list[Damaged]]]:
    """What is damaged, by the operation in whose folder it lies, and by its file."""
    folders: dict[str, dict[str, list[Damaged]]] = {}
    for backup, why in found:
        path = backup.intent.backup.path
        operation_id, _ = split_place(path, packed=is_pack(path))
        folders.setdefault(operation_id, {}).setdefault(path, []).append((backup, why))
    return folders


async def _repair_in(
    parts: Parts,
    run: OperationRun,
    replica: ReplicaBackups,
    operation_id: str,
    paths: Mapping[str, list[Damaged]],
    told: list[DamagedBackup],
) -> None:
    """Mend the files of one folder, leave it tidy, and add to `told` what became of each."""
    # Of a sample only some were looked at; none of the others may be lost either, whosever it is.
    kept: dict[str, dict[tuple[str, str], BackupState]] = {path: {} for path in paths}
    async for backup in parts.audit.backups_in(operation_id):
        if (in_file := kept.get(backup.intent.backup.path)) is not None:
            in_file[backup.operation_id, backup.intent.key] = backup
    ends = await pack_ends(parts.audit, operation_id)
    try:
        for path, damaged in sorted(paths.items()):
            await run.journal.checkpoint()
            there = kept.pop(path).values()
            told += await _repair(parts, run, replica, path, damaged, there, ends.get(path))
    finally:
        await tidy(parts.audit, parts.files, operation_id)


async def _repair(
    parts: Parts,
    run: OperationRun,
    replica: ReplicaBackups,
    path: str,
    found: Sequence[Damaged],
    kept: Iterable[BackupState],
    end: int | None,
) -> list[DamagedBackup]:
    """Mend one file, in which `kept` are all backups, and record what became whole. `end` is where
    the last one of a pack ends, purged ones included.
    """
    damaged, whole = list(found), list[BackupState]()
    known = {(backup.operation_id, backup.intent.key) for backup, _ in damaged}
    for backup in kept:
        if (backup.operation_id, backup.intent.key) in known:
            continue
        wrong = await _wrong(parts, backup)
        if wrong is None:
            whole.append(backup)
        else:
            damaged.append((backup, wrong))
    still = await repair_file(
        replica,
        parts.config.vault_path,
        path,
        [backup.intent.backup for backup in whole],
        [backup.intent.backup for backup, _ in damaged],
        end,
    )
    told = [
        DamagedBackup(backup.intent.key, why, error.what if error is not None else None)
        for (backup, why), error in zip(damaged, still, strict=True)
    ]
    name = replica_id(parts.config)
    records = [
        Repaired(one.key, backup.operation_id, path, one.reason, name)
        for (backup, _), one in zip(damaged, told, strict=True)
        if one.still is None
    ]
    await parts.audit.append(run.operation_id, records)
    for one in told:
        ended = "repaired" if one.still is None else "damaged"
        run.journal.object_ended(ended, one.key, one.reason)
    return told[: len(found)]
