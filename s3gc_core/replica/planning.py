"""Which bytes of the vault go with which records: pure, from records to pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from s3gc_core.vault import Entry, Intent, StoredBackup
from s3gc_core.vault.places import split_place
from s3gc_core.vault.tar import BLOCK, end_of

# Bytes held in memory for one piece, but for a larger stretch of a pack that no record needs.
PIECE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bytes `start` to `end` of `path`; `backups` lie in them whole.

    `operation_id`: in whose folder that is. `whole`: they are all of a file that is no pack. Of
    such a file in parts the first one has its backup, and the others none.
    """

    operation_id: str
    path: str
    start: int
    end: int
    whole: bool
    backups: tuple[StoredBackup, ...] = ()


def pack_ends(entries: Iterable[Entry]) -> dict[str, int]:
    """Where the last recorded backup of each pack ends, by the pack's path."""
    ends: dict[str, int] = {}
    for entry in entries:
        backup = _packed(entry)
        if backup is not None:
            ends[backup.path] = max(_end(backup), ends.get(backup.path, 0))
    return ends


def wanted_of(entries: Iterable[Entry], ends: Mapping[str, int]) -> list[Wanted]:
    """What has to be shipped with these records.

    `ends` tells how much of each pack was shipped with the records before them; of a pack that is
    not in it, nothing was. Pieces of a pack follow each other, so that they make a tar file.
    """
    wanted: list[Wanted] = []
    packed: dict[str, dict[int, StoredBackup]] = {}  # several may lie in one place
    for entry in entries:
        if not isinstance(entry.record, Intent):
            continue
        backup = entry.record.backup
        if backup.offset is None:
            wanted += _of_file(entry.operation_id, backup)
        else:
            packed.setdefault(backup.path, {})[backup.offset] = backup
    for path, members in packed.items():
        start = ends.get(path, 0)
        ordered = [members[offset] for offset in sorted(members)]
        # Of what is there already each goes once more by itself, however far they are apart: the
        # replica compares it, and has it then, should it have lacked it.
        wanted += [_piece(path, (b.offset or 0) - BLOCK, [b]) for b in ordered if _end(b) <= start]
        if new := [backup for backup in ordered if _end(backup) > start]:
            wanted += _of_pack(path, new, start)
    return wanted


def _of_file(operation_id: str, backup: StoredBackup) -> list[Wanted]:
    size = backup.stored_size
    if size <= PIECE_BYTES:
        return [Wanted(operation_id, backup.path, 0, size, True, (backup,))]
    return [
        Wanted(
            operation_id,
            backup.path,
            start,
            min(start + PIECE_BYTES, size),
            False,
            () if start else (backup,),
        )
        for start in range(0, size, PIECE_BYTES)
    ]


def _of_pack(path: str, members: list[StoredBackup], start: int) -> list[Wanted]:
    pieces: list[Wanted] = []
    held: list[StoredBackup] = []
    for number, backup in enumerate(members, start=1):
        held.append(backup)
        if _end(backup) - start >= PIECE_BYTES or number == len(members):
            pieces.append(_piece(path, start, held))
            held, start = [], _end(backup)
    return pieces


def _piece(path: str, start: int, backups: list[StoredBackup]) -> Wanted:
    operation_id, _ = split_place(path, packed=True)
    return Wanted(operation_id, path, start, _end(backups[-1]), False, tuple(backups))


def _packed(entry: Entry) -> StoredBackup | None:
    backup = entry.record.backup if isinstance(entry.record, Intent) else None
    return backup if backup is not None and backup.offset is not None else None


def _end(backup: StoredBackup) -> int:
    return end_of(backup.offset or 0, backup.stored_size)
