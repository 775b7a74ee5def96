"""`s3gc vault`: backups and the audit log."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict
from pathlib import Path

import msgspec

from s3gc_core.collection import Selection
from s3gc_core.collector import Collector
from s3gc_core.errors import ConfigurationError, ExitCode, NoSuchKey, Problem
from s3gc_core.vault import COMPACT
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
        "replicate": _replicate,
        "rebuild": _rebuild,
        "keygen": _keygen,
        "key-test": _key_test,
    }[context.args.action]
    return await action(context)


async def _stats(context: Context) -> ExitCode:
    async with context.collector() as collector:
        stats = await collector.vault_stats()
    for codec, of in stats.codecs.items():
        ratio = f"{of.ratio:.2f}" if of.ratio else "-"
        lossy = "  LOSSY" if codec == COMPACT else ""
        context.emit(
            {
                "type": "codec",
                "codec": codec,
                **asdict(of),
                "ratio": of.ratio,
                "fidelity": "lossy" if lossy else "exact",
                "text": f"{codec:<8} {of.backups:>10} backups {of.raw_bytes:>16} bytes as"
                f" {of.stored_bytes:>16}  {ratio}x{lossy}",
            }
        )
    return context.summary(**asdict(stats))


async def _verify(context: Context) -> ExitCode:
    args = context.args
    sample, seed = args.sample, args.seed
    if seed is not None and (sample is None or args.replica):
        problem = Problem("--seed", str(seed), "a sample of the vault to draw by it: --sample N")
        raise ConfigurationError([problem], origin="command line")
    if sample is not None and seed is None and not args.replica:
        seed = 1 + secrets.randbelow(1 << 32)
    if args.repair:
        return await _repair(context, seed)
    async with context.collector() as collector:
        checked = damaged = 0
        unopened = 0

        def count(_: str) -> None:
            nonlocal unopened
            unopened += 1

        found = (
            collector.verify_replica(sample=sample, unopened=count)
            if args.replica
            else collector.verify_backups(sample=sample, seed=seed, unopened=count)
        )
        async for key, reason in found:
            checked += 1
            if reason is not None:
                damaged += 1
                context.emit(
                    {"type": "damaged", "key": key, "reason": reason, "text": f"{key}: {reason}"}
                )
    drawn = {} if seed is None else {"sample": sample, "seed": seed}
    outcome = "partial" if damaged else "done"
    _tell_unopened(context, unopened)
    return context.summary(outcome, checked=checked, damaged=damaged, unopened=unopened, **drawn)


def _tell_unopened(context: Context, unopened: int) -> None:
    """What was not proven: nobody may take their hashes for their contents."""
    if unopened:
        text = f"{unopened} encrypted backups were not opened, as no identity is here:"
        text += " their stored bytes were compared, what they decrypt to was not"
        context.emit({"type": "unopened", "backups": unopened, "text": text})


async def _repair(context: Context, seed: int | None) -> ExitCode:
    sample = context.args.sample
    async with context.collector() as collector:
        done = await collector.repair_backups(sample=sample, seed=seed)
    for one in done.damaged:
        text = f"{one.key}: {one.reason}"
        if one.still is None:
            text = f"repaired from the replica: {text}"
        elif one.still != one.reason:
            text += f"; and in the replica: {one.still}"
        context.emit(
            {
                "type": "damaged",
                "key": one.key,
                "reason": one.reason,
                "repaired": one.still is None,
                "still": one.still,
                "text": text,
            }
        )
    _tell_unopened(context, done.unopened)
    drawn = {} if seed is None else {"sample": sample, "seed": seed}
    repaired = sum(one.still is None for one in done.damaged)
    damaged = len(done.damaged) - repaired
    return context.summary(
        done.outcome,
        done.operation_id,
        checked=done.checked,
        damaged=damaged,
        repaired=repaired,
        unopened=done.unopened,
        **drawn,
    )


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
                        "fidelity": intent.backup.fidelity,
                        "path": intent.backup.path,
                        "offset": intent.backup.offset,
                        "member": intent.backup.member,
                        "text": f"{backup.deleted_at:%Y-%m-%d %H:%M}  {backup.operation_id}"
                        f"  {intent.size:>12}  {intent.key}"
                        + ("  LOSSY" if intent.backup.is_lossy else ""),
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
        lossy=done.lossy,
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
    if context.args.audit_action == "sign":
        signed = await Collector.sign_log(context.config(), session=context.session())
        return context.summary(signed_upto=signed)
    if context.args.audit_action == "reindex":
        records = await Collector.remake_log_indexes(context.config(), session=context.session())
        return context.summary(records=records, chain="unbroken")
    async with context.collector() as collector:
        records = await collector.audit.verify()
        told: dict[str, int] = {}
        if (upto := await collector.audit.signed_upto()) is not None:
            told["signed_upto"] = upto
        if collector.config.replica is not None:
            told["replica_saw"] = await collector.check_replica()
    return context.summary(records=records, chain="unbroken", **told)


async def _keygen(context: Context) -> ExitCode:
    path: Path = context.args.output
    try:
        make = Collector.make_anchor_key if context.args.anchor else Collector.make_key
        public = await asyncio.to_thread(make, path)
    except FileExistsError:
        problem = Problem("--output", str(path), "a file that is not there yet")
        raise ConfigurationError([problem], origin="command line") from None
    name = "public_key" if context.args.anchor else "recipient"
    return context.summary(path=str(path), **{name: public})


async def _key_test(context: Context) -> ExitCode:
    async with context.collector() as collector:
        tests = await collector.test_keys(context.args.identity)
    for test in tests:
        opened = ", ".join(test.opened_by) or "none of the keys"
        which = "new backups" if test.current else "earlier backups"
        text = f"{which} ({test.mark}) open by {opened}; they are for {', '.join(test.recipients)}"
        context.emit({"type": "recipients", **msgspec.to_builtins(test), "text": text})
    current = [test for test in tests if test.current]
    return context.summary("done" if current else "nothing-to-do", proven=len(current))


async def _replicate(context: Context) -> ExitCode:
    async with context.collector() as collector:
        shipped = await collector.replicate()
        lag = await collector.replica_lag()
    for path in shipped.lost:
        context.emit({"type": "damaged", "path": path, "text": f"{path} is damaged, or gone"})
    outcome = "done" if shipped.records else "nothing-to-do"
    return context.summary(
        "partial" if shipped.lost else outcome,
        records=shipped.records,
        bytes=shipped.bytes,
        damaged=len(shipped.lost),
        behind=lag.records if lag else None,
    )


async def _rebuild(context: Context) -> ExitCode:
    done = await Collector.rebuild_vault(
        context.config(), progress=context.progress, session=context.session()
    )
    for lost in done.lost:
        context.emit({"type": "lost", **asdict(lost), "text": f"{lost.key}: {lost.reason}"})
    for path in done.set_aside:
        text = f"{path}: no record that was shipped knows it; it may be an only copy"
        context.emit({"type": "set-aside", "path": path, "text": text})
    return context.summary(
        "partial" if done.lost or done.set_aside else "done",
        records=done.records,
        files=done.files,
        fetched=done.fetched,
        bytes=done.bytes,
        lost=len(done.lost),
        set_aside=len(done.set_aside),
    )
