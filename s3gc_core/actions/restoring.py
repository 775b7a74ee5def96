"""Bringing objects back, to the bucket or to a folder; and cleaning up backups nothing needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec

from s3gc_core import collection, log
from s3gc_core import config_rules as rules
from s3gc_core.actions.executing import OperationSummary
from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts, refuse_impossible_key
from s3gc_core.bucket import Bucket
from s3gc_core.collection import (
    PURGE,
    Elsewhere,
    FolderRestore,
    PurgeSummary,
    Restore,
    Selection,
    left_alone,
    placed,
    select,
)
from s3gc_core.config import Mode
from s3gc_core.config_rules import Findings
from s3gc_core.errors import ConfigurationError, DryRunRefused, NoSuchKey, Problem
from s3gc_core.parallel import in_parallel
from s3gc_core.replica import standby
from s3gc_core.vault import HEALING_ARGUMENT, DeletedObject, RestoreOutcome

# What makes a restore a partial one.
_LEFT = (RestoreOutcome.FAILED, RestoreOutcome.NEWER_KEPT, RestoreOutcome.LOSSY_REFUSED)


async def restore(
    parts: Parts,
    selection: Selection,
    *,
    overwrite: bool = False,
    healing: bool = False,
    accept_lossy: bool = False,
) -> OperationSummary:
    """Write deleted objects back into the bucket, each exactly as it was; those that were stored
    LOSSY only where `accept_lossy` says so.

    With `healing` beside a running operation. Raises `NoSuchKey` where the vault holds nothing of
    what was selected, `OperationCancelled` where a person ended it on its way, `VaultBusy`.
    """
    # What is still to be recovered may turn out to be gone.
    await _refuse_nothing_found(parts, selection)
    words = _in_words(selection) | _lossy_in_words(accept_lossy)
    words |= {HEALING_ARGUMENT: str(healing)} if healing else {}
    async with parts.operation(
        "restore", arguments=words, healing=healing, may_be_anew=True
    ) as run:
        await parts.bucket.check()
        await parts.check_bucket_identity()
        await _refuse_nothing_deleted(parts, selection)
        return await _restore_into(
            parts, parts.bucket, run, selection, None, overwrite, accept_lossy
        )


class OtherBucket(msgspec.Struct, frozen=True):
    """Where to restore to instead: in the store of `endpoint_url`, ours where it is None."""

    name: str
    endpoint_url: str | None = None
    prefix: str = ""


async def restore_to_bucket(
    parts: Parts,
    selection: Selection,
    to: OtherBucket,
    *,
    overwrite: bool = False,
    accept_lossy: bool = False,
) -> OperationSummary:
    """Write deleted objects into another bucket, by the same conditional way; ours is not touched,
    and may be away.

    Raises as `restore`, and `ConfigurationError` where that is our own bucket.
    """
    await _refuse_nothing_found(parts, selection)
    arguments = {**_in_words(selection), **{f"to_{k}": v for k, v in _in_words(to).items()}}
    arguments |= _lossy_in_words(accept_lossy)
    async with (
        open_other(parts, to) as bucket,
        parts.operation("restore", arguments=arguments, elsewhere=True) as run,
    ):
        await bucket.check()
        elsewhere = Elsewhere(to.name, to.prefix)
        return await _restore_into(
            parts, bucket, run, selection, elsewhere, overwrite, accept_lossy
        )


@asynccontextmanager
async def open_other(parts: Parts, to: OtherBucket) -> AsyncIterator[Bucket]:
    """The other bucket; credentials are our own. Raises `ConfigurationError`."""
    findings = Findings(lambda where, _: f"--to-{where[0]}".removesuffix("_url"))
    name = findings.take(("bucket",), rules.bucket_name, to.name, "")
    endpoint = parts.config.endpoint_url
    if to.endpoint_url is not None:
        endpoint = findings.take(("endpoint_url",), rules.endpoint_url, to.endpoint_url, "")
    if to.prefix:
        findings.take(("prefix",), rules.prefix, to.prefix, "")
    if findings.problems:
        raise ConfigurationError(findings.problems, origin="command line")
    config = replace(parts.config, bucket=name, endpoint_url=endpoint)
    async with Bucket.open(config, parts.clock) as bucket:
        if not to.prefix and await bucket.identity() == await parts.bucket.identity():
            allowed = "another bucket, or a prefix in it; without it, restore goes to this one"
            problem = Problem("--to-bucket", "the bucket itself", allowed)
            raise ConfigurationError([problem], origin="command line")
        yield bucket


async def _restore_into(
    parts: Parts,
    bucket: Bucket,
    run: OperationRun,
    selection: Selection,
    elsewhere: Elsewhere | None,
    overwrite: bool,
    accept_lossy: bool,
) -> OperationSummary:
    if retained := (await bucket.bucket_lock()).default_retention:
        log.warning("restored_objects_are_locked", bucket=bucket.name, retention=retained)
    async with standby(parts.config, parts.audit, parts.files.keyring, parts.clock) as replica:
        restore = Restore(
            bucket,
            parts.audit,
            parts.files,
            run.journal,
            run.operation_id,
            overwrite,
            parts.config.max_concurrency,
            elsewhere,
            accept_lossy,
            replica,
            run.recovered.left_open,
        )
        log.info("restore_operation_started", bucket=bucket.name, **_in_words(selection))
        try:
            await restore.run(selection)
        finally:
            run.counts = dict(restore.counts)
            _tell_from_replica(restore.from_replica)
    if any(restore.counts[left] for left in _LEFT):
        run.outcome = "partial"
    log.info("restore_operation_completed", outcome=run.outcome, bytes=restore.bytes_restored)
    return OperationSummary(
        run.operation_id,
        run.outcome,
        run.counts,
        restore.bytes_restored,
        unhidden=restore.unhidden,
        from_replica=restore.from_replica,
        lossy=restore.lossy,
        to_recover=run.to_recover,
    )


def _tell_from_replica(objects: int) -> None:
    if objects:
        mend = "s3gc vault verify --repair"
        log.warning("backups_taken_from_the_replica", objects=objects, mend=mend)


class Foreseen(msgspec.Struct, frozen=True):
    """What a restore would do with one key; `backup` is None where none is of that time."""

    key: str
    outcome: RestoreOutcome
    reason: str
    backup: DeletedObject | None = None


async def foresee(
    parts: Parts,
    selection: Selection,
    to: OtherBucket | None,
    *,
    overwrite: bool,
    accept_lossy: bool = False,
) -> AsyncGenerator[list[Foreseen], None]:
    """What `restore`, or with `to` `restore_to_bucket`, would do, key by key; changes nothing."""
    await _refuse_nothing_found(parts, selection)
    elsewhere = Elsewhere(to.name, to.prefix) if to else None
    at_once = asyncio.Semaphore(parts.config.max_concurrency)
    async with AsyncExitStack() as stack:
        bucket = await stack.enter_async_context(open_other(parts, to)) if to else parts.bucket
        await bucket.check()

        async def one(backup: DeletedObject) -> Foreseen:
            async with at_once:
                intent = placed(backup.intent, elsewhere)
                found = await collection.foresee(
                    bucket,
                    parts.files,
                    intent,
                    overwrite=overwrite,
                    accept_lossy=accept_lossy,
                    standby=parts.config.replica is not None,
                )
            return Foreseen(backup.intent.key, found.outcome, found.reason, backup)

        async for backups, without in select(parts.audit, selection, open_too=True):
            page = await in_parallel(map(one, backups))
            if selection.as_of is not None and elsewhere is None:
                for key in without:
                    left = await left_alone(bucket, key, selection.as_of)
                    page.append(Foreseen(key, left.outcome, left.reason))
            yield page


async def restore_to_folder(
    parts: Parts, selection: Selection, folder: Path, *, accept_lossy: bool = False
) -> OperationSummary:
    """Write deleted objects into a folder, unless they are there; the bucket is not touched, and
    may be away: what is recorded in the vault is enough.
    """
    await _refuse_nothing_found(parts, selection)
    arguments = {**_in_words(selection), "to": str(folder)} | _lossy_in_words(accept_lossy)
    async with (
        parts.operation("restore", arguments=arguments, elsewhere=True) as run,
        standby(parts.config, parts.audit, parts.files.keyring, parts.clock) as replica,
    ):
        restore = FolderRestore(
            parts.audit,
            parts.files,
            run.journal,
            run.operation_id,
            folder,
            parts.config.max_concurrency,
            accept_lossy,
            replica,
        )
        try:
            await restore.run(selection)
        finally:
            run.counts = dict(restore.counts)
            _tell_from_replica(restore.from_replica)
        if any(restore.counts[left] for left in _LEFT):
            run.outcome = "partial"
    return OperationSummary(
        run.operation_id,
        run.outcome,
        run.counts,
        restore.bytes_written,
        from_replica=restore.from_replica,
        lossy=restore.lossy,
        to_recover=run.to_recover,
    )


async def export(
    parts: Parts, path: Path, operation_id: str | None, prefix: str
) -> collection.Export:
    """Write kept backups as plain files with a manifest. Raises `NoSuchKey` where there is none.

    It changes neither bucket nor vault, so it does not hold the vault.
    """
    refuse_impossible_key(prefix)
    if operation_id is not None:
        await parts.audit.operation(operation_id)
    if not await _is_any(parts, operation_id, prefix):
        raise NoSuchKey("the vault holds no backup of what was selected")
    done = collection.Export(parts.audit, parts.files)
    await done.run(path, operation_id, prefix)
    return done


async def _is_any(parts: Parts, operation_id: str | None, prefix: str) -> bool:
    async for page in parts.audit.backups(operation_id):
        if any(backup.intent.key.startswith(prefix) for backup in page):
            return True
    return False


async def purge(parts: Parts, *, older_than_days: int | None, dry_run: bool) -> PurgeSummary:
    """Remove backups past the horizon that nothing needs; never a sole copy.

    Raises `GuardBlocked` where the bucket is not the vault's own: what lives in another one makes
    no backup needless.
    """
    if parts.config.mode is Mode.DRY_RUN and not dry_run:
        raise DryRunRefused("backups are not removed in mode dry_run")
    days = parts.config.vault_horizon_days if older_than_days is None else older_than_days
    arguments = {"older_than_days": str(days), "dry_run": str(dry_run)}
    async with parts.operation(PURGE, arguments=arguments) as run:
        await parts.bucket.check()
        await parts.check_bucket_identity(may_be_anew=False)
        summary = await collection.purge(
            parts.bucket,
            parts.audit,
            parts.files,
            run.journal,
            run.operation_id,
            now=parts.clock.now(),
            horizon=timedelta(days=days),
            dry_run=dry_run,
        )
        run.counts = {"purged": summary.purged, "sole_copies": summary.sole_copies}
        if summary.unseen:
            run.counts["unseen"] = summary.unseen
    return summary


async def _refuse_nothing_found(parts: Parts, selection: Selection) -> None:
    for text in (*selection.keys, selection.prefix or ""):
        refuse_impossible_key(text)
    if selection.operation_id is not None:
        await parts.audit.operation(selection.operation_id)
    # What a crash left open may be all there is: only the operation itself recovers it.
    async for backups, _ in select(parts.audit, selection, open_too=True):
        if backups:
            sealed = [b.intent.backup for b in backups if b.intent.backup.sealed]
            if sealed:
                # Before anything begins: what no key is here for is not half restored.
                await asyncio.to_thread(parts.files.keyring.identities, sealed[0])
            return
    raise NoSuchKey("the vault holds no backup of what was selected")


async def _refuse_nothing_deleted(parts: Parts, selection: Selection) -> None:
    """Raise `NoSuchKey` where recovery found all that was selected where it was."""
    async for backups, without in select(parts.audit, selection, open_too=True):
        if backups or without:
            return
    raise NoSuchKey("nothing of what was selected was deleted, as far as the bucket tells")


def _lossy_in_words(accepted: bool) -> dict[str, str]:
    return {"accept_lossy": str(accepted)} if accepted else {}


def _in_words(selection: Selection | OtherBucket) -> dict[str, str]:
    """A selection, or where it goes, as the audit log keeps it."""
    fields = msgspec.to_builtins(selection)
    return {name: str(value) for name, value in fields.items() if value}
