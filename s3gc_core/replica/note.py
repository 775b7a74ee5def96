"""What this vault knows of its replica without asking it: `replica.json`.

It may be lost: the replica itself tells up to where it is. It says what an interrupted shipment was
about, so that the next one sends the same objects once more, rather than others beside them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.places import PART, create_file, open_folder, write_all

FILE = "replica.json"


class Note(msgspec.Struct, frozen=True):
    """`number` and `seq` of the last head that the replica `replica` acknowledged, and its hash.

    `planned` is the last record of a shipment that was begun, at `planned_at` (UTC); 0 for none.
    `problem` is why the last attempt failed, empty where it did not.
    """

    replica: str
    number: int = 0
    seq: int = 0
    hash: str = ""
    planned: int = 0
    planned_at: datetime | None = None
    problem: str = ""


def read_note(vault: Path, replica: str) -> Note:
    """The note about this replica; an empty one where there is none. For a thread."""
    try:
        note = msgspec.json.decode((vault / FILE).read_bytes(), type=Note)
    except FileNotFoundError:
        return Note(replica)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Note(replica)  # it may be lost, so it may be torn
    except OSError as error:
        raise disk_failure(f"reading {FILE}", error) from error
    return note if note.replica == replica else Note(replica)


def write_note(vault: Path, note: Note) -> None:
    """Replace the note, durably. For a thread. Raises `VaultFull`, `VaultUnreachable`."""
    try:
        with open_folder(vault) as folder:
            with suppress(FileNotFoundError):
                os.unlink(FILE + PART, dir_fd=folder)
            descriptor = create_file(folder, FILE + PART)
            try:
                write_all(descriptor, msgspec.json.encode(note))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(FILE + PART, FILE, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise disk_failure(f"writing {FILE}", error) from error
