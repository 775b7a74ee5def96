"""How columns stand: tracked, cleared, unknown; and which are meant by a name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from s3gc_core.references import (
    Clearance,
    ColumnId,
    Covered,
    Finding,
    Standing,
    columns_named,
    ledger,
    standing,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMN = ColumnId("main", "public.users", "avatar")
CLEARED = Clearance("text", "anna@host", NOW, "colours only")


@pytest.mark.parametrize(
    ("tracked", "type_name", "clearance", "expected"),
    [
        ({COLUMN}, "text", None, Standing.TRACKED),
        ({COLUMN}, "text", CLEARED, Standing.TRACKED),
        (set(), "text", CLEARED, Standing.CLEARED),
        (set(), "varchar", CLEARED, Standing.UNKNOWN),  # a migration made something else of it
        (set(), "text", None, Standing.UNKNOWN),
    ],
)
def test_standing(
    tracked: set[ColumnId], type_name: str, clearance: Clearance | None, expected: Standing
) -> None:
    assert standing(COLUMN, type_name, tracked, clearance) is expected


def test_only_an_unknown_column_with_keys_is_open() -> None:
    ids = [ColumnId("main", "t", name) for name in "abcde"]
    seen = {
        id_: Finding(id_, "t", "text", NOW, values=3, resolved=resolved)
        for id_, resolved in zip(ids, (1, 1, 1, 0, 0), strict=True)
        if id_.column != "e"
    }
    found = ledger([(id_, "t", "text") for id_ in ids], {ids[0]}, {ids[1]: CLEARED}, seen)
    assert [(c.id.column, c.standing, c.is_open) for c in found] == [
        ("a", Standing.TRACKED, False),
        ("b", Standing.CLEARED, False),
        ("c", Standing.UNKNOWN, True),
        ("d", Standing.UNKNOWN, False),
        ("e", Standing.UNKNOWN, False),
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("users", {"avatar", "name"}),
        ("users.avatar", {"avatar"}),
        ("public.users.avatar", {"avatar"}),
        ("main:public.users", {"avatar", "name"}),
        ("main:users.name", {"name"}),
        ("other:users", {"avatar"}),
        ("public", set()),
        ("avatar", set()),
        ("user", set()),
        ("", set()),
    ],
)
def test_what_a_name_means(name: str, meant: set[str]) -> None:
    columns = [
        Covered(ColumnId(database, "public.users", column), "users", "text", Standing.UNKNOWN)
        for database, column in (("main", "avatar"), ("main", "name"), ("other", "avatar"))
    ]
    found = [c for c in columns_named(columns, name) if c.id.database == "main" or ":" in name]
    assert {c.id.column for c in found} == meant
