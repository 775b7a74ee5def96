"""What becomes of rows that change several times: each case, exactly."""

from __future__ import annotations

import pytest

from s3gc_core.databases.changes import (
    UNCHANGED,
    UNTOLD,
    RowChange,
    TableAltered,
    TableEmptied,
    Untold,
)
from s3gc_core.databases.protocol import RowId, Value
from s3gc_core.references.row_changes import RowMoved, RowsNow, Step, fold

V = Value | Untold


def put(row: RowId, *values: V, table: str = "t") -> RowChange:
    return RowChange(table, None, row, values)


def update(row: RowId, *values: V) -> RowChange:
    return RowChange("t", row, row, values)


def move(before: RowId, after: RowId, *values: V) -> RowChange:
    return RowChange("t", before, after, values)


def drop(row: RowId) -> RowChange:
    return RowChange("t", row, None, ())


def now(*gone: RowId, more: int = 0, **rows: tuple[V, ...]) -> RowsNow:
    """Rows by "r" and their number."""
    return RowsNow("t", set(gone), {int(name[1:]): told for name, told in rows.items()}, more)


EMPTIED = TableEmptied("t")
CASES: dict[str, tuple[list[RowChange | TableEmptied | TableAltered], list[Step]]] = {
    "nothing": ([], []),
    "inserted": ([put(1, "a", None)], [now(r1=("a", None), more=1)]),
    "inserted with what cannot be unchanged": (
        [put(1, "a", UNCHANGED, UNTOLD)],
        [now(r1=("a", UNTOLD, UNTOLD), more=1)],
    ),
    "updated": ([update(1, "a")], [now(r1=("a",))]),
    "updated twice": ([update(1, "a"), update(1, "b")], [now(r1=("b",))]),
    "unchanged from before all of this": ([update(1, "a", UNCHANGED)], [now(r1=("a", UNCHANGED))]),
    "unchanged from what was told": (
        [update(1, "a", "x"), update(1, UNCHANGED, "y")],
        [now(r1=("a", "y"))],
    ),
    "unchanged from what was not told": (
        [update(1, UNTOLD, "x"), update(1, UNCHANGED, "y")],
        [now(r1=(UNTOLD, "y"))],
    ),
    "unchanged from what was unchanged": (
        [update(1, UNCHANGED, "x"), update(1, UNCHANGED, UNCHANGED)],
        [now(r1=(UNCHANGED, "x"))],
    ),
    "told after it was not": ([update(1, UNTOLD), update(1, "a")], [now(r1=("a",))]),
    "deleted": ([drop(1)], [now(1, more=-1)]),
    "inserted and deleted": ([put(1, "a"), drop(1)], [now(1)]),
    "deleted and inserted again": ([drop(1), put(1, "b")], [now(r1=("b",))]),
    "deleted and inserted with what cannot be unchanged": (
        [update(1, "a"), drop(1), put(1, UNCHANGED)],
        [now(r1=(UNTOLD,))],
    ),
    "moved": ([move(1, 2, "a")], [now(1, r2=("a",))]),
    "moved, not told what it holds": ([move(1, 2, UNTOLD)], [now(1, r2=(UNTOLD,))]),
    "moved on": ([move(1, 2, "a"), move(2, 3, "b")], [now(1, 2, r3=("b",))]),
    "moved there and back": ([move(1, 2, "a"), move(2, 1, "b")], [now(2, r1=("b",))]),
    "moved to where one was deleted": ([drop(2), move(1, 2, "a")], [now(1, r2=("a",), more=-1)]),
    "moved away and another put there": (
        [move(1, 2, "a"), put(1, "b")],
        [now(r1=("b",), r2=("a",), more=1)],
    ),
    "moved with what was told before": (
        [update(1, "a"), move(1, 2, UNCHANGED)],
        [now(1, r2=("a",))],
    ),
    "moved with what was not told before": (
        [put(1, UNTOLD), move(1, 2, UNCHANGED)],
        [now(1, r2=(UNTOLD,), more=1)],
    ),
    "moved with what is written already": (
        [put(3, "c"), move(1, 2, UNCHANGED, "x"), update(2, "y", UNCHANGED)],
        [
            now(r3=("c",), more=1),
            RowMoved("t", 1, 2, (UNCHANGED, "x")),
            now(r2=("y", UNCHANGED)),
        ],
    ),
    "moved with some that is told and some that is written": (
        [update(1, "a", UNCHANGED), move(1, 2, UNCHANGED, UNCHANGED)],
        [now(r1=("a", UNCHANGED)), RowMoved("t", 1, 2, ("a", UNCHANGED))],
    ),
    "emptied": ([put(1, "a"), drop(2), EMPTIED], [EMPTIED]),
    "filled after it was emptied": (
        [drop(2), EMPTIED, put(1, "a")],
        [EMPTIED, now(r1=("a",), more=1)],
    ),
    "altered": (
        [put(1, "a"), TableAltered("t", "why"), update(1, "b")],
        [TableAltered("t", "why"), now(r1=("b",), more=1)],
    ),
    "anything altered": ([TableAltered(None, "why")], [TableAltered(None, "why")]),
    "a number is not its text": (
        [put(1, "a"), RowChange("t", "1", None, ())],
        [RowsNow("t", {"1"}, {1: ("a",)}, 0)],
    ),
    "nothing of nothing": ([RowChange("t", None, None, ())], [now()]),
}


@pytest.mark.parametrize("case", CASES)
def test_fold(case: str) -> None:
    changes, steps = CASES[case]
    assert list(fold(changes)) == steps


def test_tables_mind_no_other() -> None:
    """Emptying or moving in one leaves what came before in another alone, and once."""
    changes: list[RowChange | TableEmptied | TableAltered]
    changes = [put(1, "a", table="u"), put(1, "a"), EMPTIED, move(1, 2, UNCHANGED)]
    assert list(fold(changes)) == [
        EMPTIED,
        now(),
        RowMoved("t", 1, 2, (UNCHANGED,)),
        RowsNow("u", set(), {1: ("a",)}, 1),
    ]
