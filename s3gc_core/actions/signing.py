"""The audit log by hand: signing its head when signing begins, making damaged indexes anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import AnchorKeyUnusable
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor, vault_lease
from s3gc_core.vault import AuditLog, Signing
from s3gc_core.vault.audit import FILE as AUDIT_FILE
from s3gc_core.vault.audit_indexes import remake_indexes
from s3gc_core.vault.signing import read_key


def signing_of(config: Config) -> Signing:
    """Who signs anchors in this configuration, and whose signatures are trusted."""
    return Signing(config.anchor_key_file, config.anchor_public_keys)


async def sign_log(config: Config, clock: Clock) -> int:
    """Check the whole log but for signatures, and add a signed anchor of its head.

    Whoever calls it says that this log is the right one. Raises `AuditBroken`, `AnchorKeyUnusable`.
    """
    if not config.anchor_key_file:
        raise AnchorKeyUnusable("no key to sign with is configured")
    await asyncio.to_thread(read_key, Path(config.anchor_key_file))
    make_vault_folder(config.vault_path)
    outside = Path(config.audit_anchor_file) if config.audit_anchor_file else None
    audit = await AuditLog.open(config.vault_path, clock, outside)
    try:
        await audit.verify()
        return await audit.anchor(signing_of(config))
    finally:
        await audit.close()


async def remake_log_indexes(config: Config, clock: Clock) -> int:
    """Make the indexes of the log anew, and check all of it; how many records it has.

    Raises `AuditBroken` where the records are not whole, `VaultBusy` where an operation is at work.
    """
    make_vault_folder(config.vault_path)
    with vault_lease(config.vault_path, new_id(), "vault audit reindex", actor()):
        await asyncio.to_thread(remake_indexes, config.vault_path / AUDIT_FILE)
        outside = Path(config.audit_anchor_file) if config.audit_anchor_file else None
        audit = await AuditLog.open(config.vault_path, clock, outside, signing_of(config))
        try:
            return await audit.verify()
        finally:
            await audit.close()
