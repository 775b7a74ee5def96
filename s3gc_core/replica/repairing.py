"""A file of the vault that is damaged or gone, made whole from the replica. Never the other way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from s3gc_core.errors import ReplicaAltered
from s3gc_core.parallel import to_the_end
from s3gc_core.replica.contents import Piece
from s3gc_core.replica.fetching import ReplicaBackups
from s3gc_core.vault import BackupDamaged, StoredBackup
from s3gc_core.vault.shipping_bytes import Refilling, is_pack


async def repair_file(
    replica: ReplicaBackups,
    vault: Path,
    path: str,
    whole: Sequence[StoredBackup],
    damaged: Sequence[StoredBackup],
    end: int | None = None,
) -> list[BackupDamaged | None]:
    """Put a better file in the place of `path`; for each of `damaged` why it still is, or None.

    `whole` and `damaged` are all backups that are kept in it; `end` is where the last recorded one
    of a pack ends. The new file is written beside the
    old one, read back from the disk and compared with what was recorded: only if it mends one
    backup at least, and costs none, it takes the old one's place, atomically. The caller holds the
    vault. Raises `VaultFull`, `VaultUnreachable`, `BucketUnreachable`.
    """
    pieces = _needed(replica.pieces_of(path), damaged)
    if not pieces:
        return [BackupDamaged(f"{path} was not shipped, or was damaged before")] * len(damaged)
    file = Refilling(vault, path)
    try:
        await to_the_end(asyncio.to_thread(file.begin))
        if is_pack(path):
            # What was recorded since the last shipment is here alone.
            await to_the_end(asyncio.to_thread(file.copy_old))
        lacking = await _fill(replica, file, pieces)
        if end is not None:
            # Before it has its name: who dies right after that leaves nothing to be done.
            await to_the_end(asyncio.to_thread(file.seal, end))
        left = await to_the_end(asyncio.to_thread(file.damage, damaged, replica.keyring))
        damage = await to_the_end(asyncio.to_thread(file.damage, whole, replica.keyring))
        costs = [one for one in damage if one is not None]
        if costs or all(left):
            await to_the_end(asyncio.to_thread(file.drop))
            return [next(filter(None, (lacking, error, *costs))) for error in left]
        await to_the_end(asyncio.to_thread(file.finish))
        return left
    except BaseException:
        await to_the_end(asyncio.to_thread(file.drop))
        raise
    finally:
        file.close()


def _needed(pieces: Sequence[Piece], damaged: Sequence[StoredBackup]) -> list[Piece]:
    """The pieces in which any damaged backup lies; of a file of its own all of them."""
    if not damaged or damaged[0].offset is None:
        return list(pieces)
    ranges = [(b.offset or 0, (b.offset or 0) + b.stored_size) for b in damaged]
    return [
        piece
        for piece in pieces
        if any(start <= piece.end and piece.start <= end for start, end in ranges)
    ]


async def _fill(
    replica: ReplicaBackups, file: Refilling, pieces: Sequence[Piece]
) -> BackupDamaged | None:
    """Write the pieces; what is wrong in the replica, if anything is."""
    lacking: BackupDamaged | None = None
    for piece in pieces:
        try:
            data = await replica.piece(piece)
        except ReplicaAltered as error:
            lacking = BackupDamaged(error.what)
        else:
            await to_the_end(asyncio.to_thread(file.write, piece.start, data))
    return lacking
