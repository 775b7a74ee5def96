"""`s3gc vault`: backups and the audit log."""

from __future__ import annotations

import secrets
from dataclasses import asdict

from s3gc_core.collection import Selection
from s3gc_core.errors import ConfigurationError, ExitCode, NoSuchKey, Problem
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Do one of the actions."""
    action = {
        "stats": _stats,
        "verify": _verify,
        "find": _find,
        "export": _export,
        "purge": _purge,
        "audit": _audit,
    }[context.args.action]
    return await action(context)


async def _stats(context: Context) -> ExitCode:
    async with context.collector() as collector:
        stats = await collector.vault_stats()
    return context.summary(**asdict(stats))


async def _verify(context: Context) -> ExitCode:
    sample, seed = context.args.sample, context.args.seed
    if seed is not None and sample is None:
        problem = Problem("--seed", str(seed), "a sample to draw by it: --sample N")
        raise ConfigurationError([problem], origin="command line")
    if sample is not None and seed is None:
        seed = 1 + secrets.randbelow(1 << 32)
    async with context.collector() as collector:
        checked = damaged = 0
        async for key, reason in collector.verify_backups(sample=sample, seed=seed):
            checked += 1
            if reason is not None:
                damaged += 1
                context.emit(
                    {"type": "damaged", "key": key, "reason": reason, "text": f"{key}: {reason}"}
                )
    drawn = {} if sample is None else {"sample": sample, "seed": seed}
    outcome = "partial" if damaged else "done"
    return context.summary(outcome, checked=checked, damaged=damaged, **drawn)


async def _find(context: Context) -> ExitCode:
    args = context.args
    selection = Selection(prefix=args.key) if args.prefix else Selection(keys=(args.key,))
    found = 0
    async with context.collector() as collector:
        async for page in collector.audit.deleted_objects(
            keys=selection.keys, prefix=selection.prefix
        ):
            for backup in page:
                found += 1
                intent = backup.intent
                context.emit(
                    {
                        "type": "backup",
                        "key": intent.key,
                        "operation_id": backup.operation_id,
                        "deleted_at": backup.deleted_at,
                        "size": intent.size,
                        "path": intent.backup.path,
                        "offset": intent.backup.offset,
                        "member": intent.backup.member,
                        "text": f"{backup.deleted_at:%Y-%m-%d %H:%M}  {backup.operation_id}"
                        f"  {intent.size:>12}  {intent.key}",
                    }
                )
    if not found:
        raise NoSuchKey("the vault holds no backup of this key")
    return context.summary(backups=found)


async def _export(context: Context) -> ExitCode:
    args = context.args
    async with context.collector() as collector:
        done = await collector.export(args.path, operation_id=args.operation, prefix=args.prefix)
    for key, reason in done.damaged:
        context.emit({"type": "damaged", "key": key, "reason": reason, "text": f"{key}: {reason}"})
    return context.summary(
        "partial" if done.damaged else "done",
        exported=done.exported,
        bytes=done.bytes,
        damaged=len(done.damaged),
        path=str(args.path),
    )


async def _purge(context: Context) -> ExitCode:
    async with context.collector() as collector:
        summary = await collector.purge(
            older_than_days=context.args.older_than_days, dry_run=context.args.dry_run
        )
    outcome = "done" if summary.purged else "nothing-to-do"
    return context.summary(outcome, **asdict(summary), dry_run=context.args.dry_run)


async def _audit(context: Context) -> ExitCode:
    async with context.collector() as collector:
        records = await collector.audit.verify()
    return context.summary(records=records, chain="unbroken")
