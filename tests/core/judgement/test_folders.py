"""Candidates added up by folder, beside a sum that goes over every key for every folder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.judgement.folders import MAXIMUM_DEPTH, FolderTotals, roll_up

Row = tuple[str, int, int, int]


def slowly(rows: list[Row]) -> dict[str, tuple[str | None, int, int, int, int, int]]:
    """The same totals, each folder for itself."""
    prefixes = {""} if rows else set()
    for key, *_ in rows:
        parts = key.split("/")[:-1][:MAXIMUM_DEPTH]
        prefixes |= {"".join(f"{part}/" for part in parts[: n + 1]) for n in range(len(parts))}
    totals = {}
    for prefix in prefixes:
        below = [row for row in rows if row[0].startswith(prefix)]
        gone = [row for row in below if row[3]]
        around = prefix[: prefix[:-1].rfind("/") + 1] if prefix else None
        totals[prefix] = (
            around,
            len(below),
            sum(size for _, size, _, _ in below),
            len(gone),
            sum(size for _, size, _, _ in gone),
            min(modified for _, _, modified, _ in below),
        )
    return totals


def quickly(rows: list[Row]) -> dict[str, tuple[str | None, int, int, int, int, int]]:
    found: list[FolderTotals] = list(roll_up(rows))
    assert len({f.prefix for f in found}) == len(found)
    return {
        f.prefix: (f.parent, f.objects, f.bytes, f.orphans, f.orphan_bytes, f.oldest) for f in found
    }


keys = st.lists(st.text("ab/\u00e9 ", max_size=9), unique=True, max_size=25)


@given(keys)
def test_totals_are_those_of_every_folder_for_itself(some: list[str]) -> None:
    rows = [
        (key, len(key) * 7 + 1, 1_000 - len(key), n % 2)
        for n, key in enumerate(sorted(some, key=str.encode))
    ]
    assert quickly(rows) == slowly(rows)


def test_nothing_has_no_folder() -> None:
    assert list(roll_up([])) == []


def test_a_key_of_a_thousand_slashes_opens_no_thousand_folders() -> None:
    rows = [("/" * 1_000, 1, 1, 1), ("/" * 1_000 + "x", 2, 1, 0)]
    totals = quickly(rows)
    assert len(totals) == MAXIMUM_DEPTH + 1
    assert totals["/" * MAXIMUM_DEPTH] == ("/" * (MAXIMUM_DEPTH - 1), 2, 3, 1, 1, 1)
    assert totals == slowly(rows)
