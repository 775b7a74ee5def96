"""Single backups from the replica, for whoever finds theirs damaged or gone in the vault.

The heads say which pieces there are; what counts is that the bytes are those of the audit log.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO

from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import IdentityMissing, IdentityWrong, ReplicaAltered, S3gcError
from s3gc_core.parallel import in_parallel
from s3gc_core.replica.contents import Piece
from s3gc_core.replica.store import ReplicaStore, open_replica
from s3gc_core.vault import AuditLog, BackupDamaged, Keyring, StoredBackup, decoded
from s3gc_core.vault.shipping_bytes import is_pack

# More is held in a nameless file beside the vault.
_IN_MEMORY = 32 << 20
_CHUNK = 1 << 20
_HEADS_AT_ONCE = 16
# Of packs, each of about 8 MiB.
_PIECES_KEPT = 4


class ReplicaBackups:
    """What a replica has of the vault's backups; `seq` is the last audit record that it holds."""

    def __init__(
        self,
        store: ReplicaStore,
        vault: Path,
        pieces: dict[str, list[Piece]],
        seq: int,
        keyring: Keyring,
    ) -> None:
        self._store = store
        self._vault = vault
        self._pieces = pieces
        self._kept: dict[str, bytes] = {}  # pieces of packs, by their keys
        self._turn = asyncio.Lock()
        self.seq = seq
        self.keyring = keyring

    @classmethod
    async def read(
        cls, store: ReplicaStore, audit: AuditLog, vault: Path, keyring: Keyring
    ) -> ReplicaBackups:
        """Read all heads. Raises `ReplicaAltered`, also where it is the replica of another vault;
        `BucketUnreachable`.
        """
        mark, first = await store.mark(), await audit.rows(0, 1)
        if mark is not None and first and first[0].hash.hex() != mark.vault:
            raise ReplicaAltered("the replica is that of another vault")
        count = await store.count() if mark is not None else 0
        pieces: dict[str, list[Piece]] = {}
        seq = 0
        for start in range(1, count + 1, _HEADS_AT_ONCE):
            numbers = range(start, min(start + _HEADS_AT_ONCE, count + 1))
            for head, _ in await in_parallel(store.head(number) for number in numbers):
                seq = head.seq
                for piece in head.pieces:
                    pieces.setdefault(piece.path, []).append(piece)
        return cls(store, vault, pieces, seq, keyring)

    def pieces_of(self, path: str) -> list[Piece]:
        """The pieces of a file of the vault, by where they begin."""
        return sorted(self._pieces.get(path, ()), key=lambda piece: piece.start)

    async def piece(self, piece: Piece) -> bytes:
        """One piece, compared by its SHA-256. Raises `ReplicaAltered`, `BucketUnreachable`."""
        if not is_pack(piece.path):
            return await self._fetched(piece)
        # Many backups share one: whoever asks next as a rule asks for the same piece.
        async with self._turn:
            if piece.key not in self._kept:
                while len(self._kept) >= _PIECES_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[piece.key] = await self._fetched(piece)
            return self._kept[piece.key]

    async def _fetched(self, piece: Piece) -> bytes:
        data = await self._store.get(piece)
        if len(data) != piece.end - piece.start:
            raise ReplicaAltered(f"{piece.key} in the replica has another size than its head")
        return data

    @asynccontextmanager
    async def held(self, backup: StoredBackup, *, opened: bool = True) -> AsyncIterator[IO[bytes]]:
        """A backup's stored bytes, as a file; they and what they decode to are those recorded.
        Not `opened`, it is only the stored bytes that were compared, which takes no key.

        Raises `BackupDamaged` where the replica has it not, or not so; `IdentityMissing`,
        `IdentityWrong`, `BucketUnreachable`.
        """
        start = backup.offset or 0
        end = start + backup.stored_size
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._vault)) as held:
            await self._fill(held, backup.path, start, end)
            await asyncio.to_thread(_compare, held, backup, self.keyring if opened else None)
            yield held

    async def _fill(self, held: IO[bytes], path: str, start: int, end: int) -> None:
        """Write bytes `start` to `end` of a file. What one piece cannot give another may."""
        reached, wrong = start, f"{path} was not shipped, or was damaged before"
        tried: set[Piece] = set()
        while reached < end:
            over = (one for one in self.pieces_of(path) if one.start <= reached < one.end)
            piece = next((one for one in over if one not in tried), None)
            if piece is None:
                raise BackupDamaged(wrong)
            tried.add(piece)
            try:
                data = await self.piece(piece)
            except ReplicaAltered as error:
                wrong = error.what
            else:
                held.write(data[reached - piece.start : end - piece.start])
                reached = min(piece.end, end)

    async def proven(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        """The object's bytes, all of them fetched and compared before this returns.

        Raises as `held`.
        """
        chunks = self._chunks(backup)
        first = await anext(chunks, b"")
        return _before(first, chunks)

    async def _chunks(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        async with self.held(backup) as held:
            held.seek(0)
            chunks = decoded(held, backup, self.keyring)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                yield chunk


async def _before(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in others:
        yield chunk


def _compare(held: IO[bytes], backup: StoredBackup, keyring: Keyring | None) -> None:
    stored, raw, size = hashlib.sha256(), hashlib.sha256(), 0
    held.seek(0)
    while chunk := held.read(_CHUNK):
        stored.update(chunk)
    if stored.hexdigest() != backup.stored_sha256:
        raise BackupDamaged(f"{backup.path} has other stored bytes than recorded (SHA-256)")
    held.seek(0)
    if keyring is None:
        return
    for chunk in decoded(held, backup, keyring):
        raw.update(chunk)
        size += len(chunk)
        if size > backup.given_size:
            break
    if size != backup.given_size or raw.hexdigest() != backup.given_sha256:
        raise BackupDamaged(f"{backup.path} has other raw bytes than recorded (SHA-256)")


class Standby:
    """The replica in a vault's place: opened when the first backup is asked for, and once.

    Where it cannot be had, every backup that is asked for hears why.
    """

    def __init__(self, config: Config, audit: AuditLog, keyring: Keyring, clock: Clock) -> None:
        self._config = config
        self._audit = audit
        self._keyring = keyring
        self._clock = clock
        self._turn = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._found: ReplicaBackups | S3gcError | None = None

    async def proven(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        """The object's bytes, all compared before this returns. Raises `BackupDamaged`."""
        try:
            return await (await self._backups()).proven(backup)
        except (BackupDamaged, IdentityMissing, IdentityWrong):
            raise
        except S3gcError as error:
            raise BackupDamaged(error.what) from error

    async def close(self) -> None:
        """Close it, if it was opened."""
        await self._opened.aclose()

    async def _backups(self) -> ReplicaBackups:
        async with self._turn:
            if self._found is None:
                try:
                    opening = open_replica(self._config, self._clock)
                    store = await self._opened.enter_async_context(opening)
                    vault = self._config.vault_path
                    self._found = await ReplicaBackups.read(
                        store, self._audit, vault, self._keyring
                    )
                except S3gcError as error:
                    self._found = error
        if isinstance(self._found, S3gcError):
            raise self._found
        return self._found


@asynccontextmanager
async def standby(
    config: Config, audit: AuditLog, keyring: Keyring, clock: Clock
) -> AsyncIterator[Standby | None]:
    """The configured replica, to be asked where a backup is damaged; None where there is none."""
    if config.replica is None:
        yield None
        return
    found = Standby(config, audit, keyring, clock)
    try:
        yield found
    finally:
        await found.close()
