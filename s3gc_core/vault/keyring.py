"""Who backups are encrypted for, and what opens them: recipients, identities, throw-away keys.

The host needs public keys only. What it has just written it reads back all the same, by a key that
is made for each operation and lives in this process's memory alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s3gc_core.errors import ConfigurationError, IdentityMissing, IdentityWrong, Problem
from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.places import create_file, open_folder, split_place, write_all
from s3gc_core.vault.records import StoredBackup
from s3gc_core.vault.sealing import Sealer, age, mark_of

_IDENTITY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")
# No file of identities is larger; what is has been taken for one by mistake. Bytes.
_MOST = 1 << 20


class Keyring:
    """What one process encrypts for, and opens with.

    `recipients` are age public keys (`age1...`), each of which alone can open a backup; without any
    backups are not encrypted. `identity_file` holds secret keys; empty: there is none here. It is
    read anew each time, and kept no longer than needed.
    """

    def __init__(self, recipients: Sequence[str] = (), identity_file: str = "") -> None:
        self._recipients = tuple(dict.fromkeys(recipients))
        self._identity_file = identity_file
        self._thrown_away: dict[str, Any] = {}  # by operation, while it runs

    def sealer(self, operation_id: str) -> Sealer | None:
        """What encrypts one backup of an operation; None where they are not encrypted.

        The operation's throw-away key is a further recipient, the first: nobody else has it, and
        once it is forgotten it opens nothing. Raises `CodecMissing`, and `ConfigurationError`
        where a recipient is none.
        """
        if not self._recipients:
            return None
        thrown_away = self._thrown_away.get(operation_id)
        if thrown_away is None:
            thrown_away = self._thrown_away[operation_id] = age().x25519.Identity.generate()
        return Sealer([thrown_away.to_public(), *self._parsed()], mark_of(self._recipients))

    def forget(self, operation_id: str) -> None:
        """Drop the operation's throw-away key: from here on only identities open its backups."""
        self._thrown_away.pop(operation_id, None)

    def may_open(self, backup: StoredBackup) -> bool:
        """Whether there is anything here to open it with."""
        return not backup.sealed or bool(self._identity_file) or self._of(backup) is not None

    def identities(self, backup: StoredBackup) -> list[Any]:
        """What a sealed backup may be opened with.

        Raises `IdentityMissing` where there is nothing, `CodecMissing`.
        """
        thrown_away = self._of(backup)
        found = [] if thrown_away is None else [thrown_away]
        # What was linked from another operation is under that one's throw-away key.
        if self._identity_file and (backup.reused or not found):
            found += read_identities(Path(self._identity_file))
        if not found:
            raise IdentityMissing(f"this backup is encrypted ({backup.sealed}), and no key is here")
        return found

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who new backups are encrypted for; none: they are not."""
        return self._recipients

    @property
    def identity_file(self) -> str:
        """Where secret keys are; empty: not here."""
        return self._identity_file

    def proven(self, identity_file: Path) -> list[str]:
        """The recipients, by their public keys, whose secret key is in this file: each has opened
        what was encrypted for all of them. At least one.

        Raises `IdentityWrong` where none is, `IdentityMissing`, `CodecMissing`,
        `ConfigurationError` where a recipient is none.
        """
        pyrage, identities = age(), read_identities(identity_file)
        probe = os.urandom(32)
        sealed = pyrage.encrypt(probe, self._parsed())
        opened = [str(one.to_public()) for one in identities if _opens(one, sealed, probe)]
        if not opened:
            names = ", ".join(self._recipients)
            raise IdentityWrong(f"no key in {identity_file} is that of a recipient ({names})")
        return opened

    def check(self) -> None:
        """Raise what `sealer` would raise."""
        self._parsed()

    @staticmethod
    def public_keys(identity_file: Path) -> set[str]:
        """The public keys of the secret ones in a file. Raises as `read_identities`."""
        return {str(one.to_public()) for one in read_identities(identity_file)}

    def _parsed(self) -> list[object]:
        pyrage = age()
        found: list[object] = []
        wrong = []
        for number, text in enumerate(self._recipients):
            try:
                found.append(pyrage.x25519.Recipient.from_str(text))
            except pyrage.RecipientError:
                place = f"encryption_recipients[{number}]"
                wrong.append(Problem(place, text, "an age public key; this one has a typing error"))
        if wrong:
            raise ConfigurationError(wrong, origin="configuration")
        return found

    def _of(self, backup: StoredBackup) -> Any | None:
        operation_id, _ = split_place(backup.path, packed=backup.offset is not None)
        return self._thrown_away.get(operation_id)


def read_identities(path: Path) -> list[Any]:
    """The secret keys in a file as `age-keygen` writes it. Raises `IdentityMissing`,
    `CodecMissing`. Nothing of its contents is ever told.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                raise IdentityMissing(
                    f"{path} can be read by others", next_step=f"chmod 600 {path}, then run again"
                )
            text = file.read(_MOST).decode("ascii", "replace")
    except OSError as error:
        raise IdentityMissing(f"{path} cannot be read: {error.strerror}") from error
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    pyrage = age()
    try:
        if keys and all(map(_IDENTITY.fullmatch, keys)):
            return [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError:
        # Its message may hold the key.
        pass
    raise IdentityMissing(f"{path} holds something else than age's secret keys") from None


def _opens(identity: object, sealed: bytes, probe: bytes) -> bool:
    pyrage = age()
    try:
        return bool(pyrage.decrypt(sealed, [identity]) == probe)
    except pyrage.DecryptError:
        return False


def generate(path: Path) -> str:
    """Write a new secret key to a new file (0600), durably; returns its public key.

    Raises `FileExistsError` where anything is there already, `VaultUnreachable`, `CodecMissing`.
    """
    identity = age().x25519.Identity.generate()
    text = f"# public key: {identity.to_public()}\n{identity}\n"
    write_secret(path, text)
    return str(identity.to_public())


def write_secret(path: Path, text: str) -> None:
    """Write a new file for its owner alone, durably. Raises as `generate` does."""
    try:
        with open_folder(path.parent) as folder:
            descriptor = create_file(folder, path.name)
            try:
                write_all(descriptor, text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.fsync(folder)
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_failure(f"writing {path}", error) from error
