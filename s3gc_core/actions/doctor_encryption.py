"""Whether what is encrypted can be opened by anybody: the doctor's look at keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

from s3gc_core.actions.checks import Check, failed
from s3gc_core.actions.keys import is_proven, keyring_of
from s3gc_core.actions.signing import signing_of
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config, Encryption, Heal
from s3gc_core.errors import IdentityMissing, KeyUnproven, S3gcError
from s3gc_core.vault import AuditLog, Keyring
from s3gc_core.vault.audit import FILE

_NAME = "encryption"


async def encryption_check(config: Config) -> Check:
    """Whether the keys are there, and are the right ones; only looks."""
    try:
        return await _look(config)
    except S3gcError as error:
        return failed(_NAME, error)


async def _look(config: Config) -> Check:
    keyring, file = keyring_of(config), config.encryption_identity_file
    if config.encryption is not Encryption.AGE:
        held = await asyncio.to_thread(Keyring.public_keys, Path(file))
        told = f"new backups are not encrypted; older ones open by {', '.join(sorted(held))}"
        return Check(_NAME, True, told)
    if file:
        opened = await asyncio.to_thread(keyring.proven, Path(file))
        return Check(_NAME, True, f"backups are encrypted, and open by {', '.join(opened)}")
    if config.heal is Heal.RESTORE:
        return failed(_NAME, IdentityMissing('heal = "restore" needs a key, and none is here'))
    await asyncio.to_thread(keyring.check)
    if not await _was_proven(config):
        names = ", ".join(config.encryption_recipients)
        return failed(_NAME, KeyUnproven(f"nobody has shown to have a secret key of {names}"))
    return Check(_NAME, True, "backups are encrypted; no key is here, as was proven elsewhere")


async def _was_proven(config: Config) -> bool:
    # Opening would make one.
    if not (config.vault_path / FILE).exists():
        return False
    audit = await AuditLog.open(config.vault_path, SystemClock(), signing=signing_of(config))
    try:
        return await is_proven(config, audit)
    finally:
        await audit.close()
