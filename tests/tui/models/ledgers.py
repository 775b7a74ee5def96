"""Coverage ledgers, matches and dangling rows made by hand: values for what draws them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from s3gc_core.actions.dangling import Dangling
from s3gc_core.actions.standing import Matched, MatchHistory
from s3gc_core.config import Codec
from s3gc_core.judgement import Tripped
from s3gc_core.references import Clearance, ColumnId, Covered, Finding, Standing
from tests.tui.models.pictures import NOW

CLEARANCE = Clearance("text", "ana@ops-2", NOW - timedelta(days=3), "free words, no keys")
TRIPPED = Tripped(
    "reverse-match",
    "the share of main:users.avatar's rows whose object is in the bucket fell from 100.0% to 95.0%"
    " (57 of 60 rows)",
    "is its codec right (`s3gc discover`), and the bucket?",
    "main:users.avatar",
)


def finding(column: ColumnId, **changes: Any) -> Finding:
    """40 values in a sample of 1,000 rows, none of them a key."""
    made = Finding(
        column,
        column.table,
        "text",
        NOW - timedelta(minutes=3),
        rows=12_000,
        sampled=1_000,
        values=40,
    )
    return msgspec.structs.replace(made, **changes)


def covered(
    name: str = "users.note",
    standing: Standing = Standing.UNKNOWN,
    *,
    type_: str = "text",
    clearance: Clearance | None = None,
    looked: bool = True,
    **seen: Any,
) -> Covered:
    """One column, looked at (with what was `seen`) unless told otherwise."""
    table, _, column = name.rpartition(".")
    id_ = ColumnId("main", table, column)
    found = finding(id_, **seen) if looked else None
    return Covered(id_, table, type_, standing, clearance, found)


def ledger() -> list[Covered]:
    """One of each kind, by name as the core gives them."""
    return [
        covered("logs.line", problem="the right to read logs is missing", sampled=0, values=0),
        covered("pages.body", looked=False),
        covered("users.avatar", Standing.TRACKED, looked=False),
        covered(
            "users.banner",
            type_="character varying(200)",
            resolved=37,
            objects=35,
            codec=Codec.KEY,
            samples=("b/new.jpg", "b/old.jpg"),
        ),
        covered("users.bio", Standing.CLEARED, clearance=CLEARANCE, values=0),
        covered("users.note"),
        covered("users.old", type_="varchar(9)", clearance=CLEARANCE, values=0),
    ]


def matches() -> list[MatchHistory]:
    """A source that fell, a healthy one, a small one, and one that no scan has read."""

    def history(*seen: tuple[int, int]) -> tuple[Matched, ...]:
        first = NOW - timedelta(hours=len(seen))
        return tuple(Matched(first + timedelta(hours=n), *one) for n, one in enumerate(seen))

    return [
        MatchHistory("main:users.avatar", history((58, 58), (60, 60), (60, 57)), TRIPPED),
        MatchHistory("main:posts.body", history((90_000, 80_000), (100_000, 99_999)), None),
        MatchHistory("main:small.key", history((3, 2)), None),
        MatchHistory("main:new.column", (), None),
    ]


def dangling(number: int = 1, *, kept: bool = False) -> Dangling:
    """A row whose object is missing; the vault may hold it."""
    keys = (f"a/{number}.jpg", f"media/a/{number}.jpg")
    return Dangling("main:users.avatar", number, keys, keys[:1] if kept else ())
