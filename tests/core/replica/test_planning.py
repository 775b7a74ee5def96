"""Which bytes go with which records, where several records name the same bytes."""

from __future__ import annotations

import msgspec

from s3gc_core.replica.planning import PIECE_BYTES, pack_ends, wanted_of
from s3gc_core.vault import Entry, StoredBackup
from tests.core.vault.builders import LATER, NOON, OPERATION, intent

PACK = f"backups/{OPERATION}/pack-000001.tar"


def at(seq: int, offset: int, *, of: str = LATER, size: int = 512) -> Entry:
    """A record of `of` about a backup in the first operation's pack."""
    backup = StoredBackup(PACK, "raw", size, "a" * 64, size, "b" * 64, offset, "m")
    return Entry(seq, NOON, of, msgspec.structs.replace(intent(f"k{seq}"), backup=backup), b"")


def ranges(entries: list[Entry], ends: dict[str, int]) -> list[tuple[int, int, int]]:
    wanted = wanted_of(entries, ends)
    # Whose folder it is decides where it is looked up, not who names it.
    assert {(one.operation_id, one.path) for one in wanted} == {(OPERATION, PACK)}
    return [(one.start, one.end, len(one.backups)) for one in wanted]


def test_one_place_goes_once_however_many_name_it() -> None:
    entries = [at(1, 1_024, of=OPERATION), *(at(seq, 1_024) for seq in range(2, 9))]
    assert ranges(entries, {}) == [(0, 1_536, 1)]
    assert pack_ends(entries) == {PACK: 1_536}


def test_what_was_shipped_goes_by_itself_and_nothing_in_between() -> None:
    far = 20 * PIECE_BYTES
    entries = [at(5, far), at(6, 1_024), at(7, far), at(8, far + 1_024, of=OPERATION)]
    assert ranges(entries, {PACK: far + 512}) == [
        (512, 1_536, 1),
        (far - 512, far + 512, 1),
        (far + 512, far + 1_536, 1),
    ]
