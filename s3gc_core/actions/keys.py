"""Keys of encrypted backups: nothing is encrypted that nobody has shown to be able to open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.config import Config, Encryption
from s3gc_core.errors import IdentityMissing, KeyUnproven
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor
from s3gc_core.vault import AuditLog, KeyProven, Keyring, mark_of


class KeyTest(msgspec.Struct, frozen=True):
    """Recipients that backups are, or were, encrypted for, and which of them the keys at hand are.

    `current`: new backups are encrypted for them.
    """

    mark: str
    recipients: list[str]
    opened_by: list[str]
    current: bool


def keyring_of(config: Config) -> Keyring:
    """Who this configuration encrypts for, and what opens backups here."""
    on = config.encryption is Encryption.AGE
    recipients = config.encryption_recipients if on else ()
    return Keyring(recipients, config.encryption_identity_file)


async def require_proven(parts: Parts, operation_id: str) -> None:
    """Refuse to encrypt for recipients of whom nobody has shown to have a secret key.

    An identity that is here has to open it now; without one the audit log tells of an earlier test.
    Raises `KeyUnproven`, `IdentityWrong`, `IdentityMissing`, `CodecMissing`, `ConfigurationError`.
    """
    keyring = parts.files.keyring
    if not keyring.recipients:
        return
    known = await _is_proven(parts.audit, keyring)
    if keyring.identity_file:
        opened = await asyncio.to_thread(keyring.proven, Path(keyring.identity_file))
        if not known:
            await parts.audit.append(operation_id, [_record(keyring, opened)])
        return
    # Also says where the library is missing, or a recipient is none, before anything begins.
    await asyncio.to_thread(keyring.check)
    if not known:
        raise KeyUnproven(f"no key was proven for recipients {', '.join(keyring.recipients)}")


async def is_proven(config: Config, audit: AuditLog) -> bool:
    """Whether the audit log tells of a key that opens what is encrypted from now on."""
    return await _is_proven(audit, keyring_of(config))


async def test_keys(parts: Parts, identity_file: Path | None) -> list[KeyTest]:
    """Prove that a file's keys open what is encrypted for the recipients, and record it.

    Also tells of all earlier recipients. Without `identity_file` the configured one is tried.
    Raises `IdentityMissing`, and `IdentityWrong` where no key is one of the current recipients'.
    """
    configured = parts.config.encryption_identity_file
    path = identity_file or (Path(configured) if configured else None)
    if path is None:
        raise IdentityMissing("no file with a secret key is named")
    tests: dict[str, KeyTest] = {}
    keyring = parts.files.keyring
    if keyring.recipients:
        opened = await asyncio.to_thread(keyring.proven, path)
        await parts.audit.append(new_id(), [_record(keyring, opened)])
        mark = mark_of(keyring.recipients)
        tests[mark] = KeyTest(mark, list(keyring.recipients), opened, True)
    held = await asyncio.to_thread(Keyring.public_keys, path)
    async for earlier in _proven(parts.audit):
        ours = [recipient for recipient in earlier.recipients if recipient in held]
        tests.setdefault(earlier.mark, KeyTest(earlier.mark, earlier.recipients, ours, False))
    return list(tests.values())


async def _is_proven(audit: AuditLog, keyring: Keyring) -> bool:
    mark = mark_of(keyring.recipients)
    async for earlier in _proven(audit):
        if earlier.mark == mark:
            return True
    return False


async def _proven(audit: AuditLog) -> AsyncIterator[KeyProven]:
    async for page in audit.entries(kinds=("key-proven",), newest_first=True):
        for entry in page:
            if isinstance(entry.record, KeyProven):
                yield entry.record


def _record(keyring: Keyring, opened: list[str]) -> KeyProven:
    return KeyProven(mark_of(keyring.recipients), list(keyring.recipients), opened, actor())
