"""Edges into tables, thousands in one statement: SQLite works on them while Python does something
else, where a statement for each would hand Python's lock to and fro a million times.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

# Sizes of blocks. Few, since each is a statement that SQLite compiles once and keeps.
_BLOCKS = (4096, 256, 16, 1)


@dataclass(frozen=True, slots=True)
class Target:
    """What a block is written into: `row` with the numbers of fixed values, and `{}` for others."""

    into: str
    row: tuple[str, ...]
    conflict: str

    @property
    def width(self) -> int:
        """How many values each row brings."""
        return self.row.count("{}")


# Where an edge is known, only what follows from its key may have changed, with new code.
EDGE = Target(
    "edge (src, row, h, seen)",
    ("?1", "{}", "{}", "?2"),
    "(src, row, h) DO UPDATE SET form = NULL, spelling = NULL WHERE form IS NOT NULL",
)
NEAR = Target(
    "edge (src, row, h, form, spelling, seen)",
    ("?1", "{}", "{}", "{}", "{}", "?2"),
    "(src, row, h) DO UPDATE SET form = excluded.form, spelling = excluded.spelling"
    " WHERE form IS NOT excluded.form OR spelling IS NOT excluded.spelling",
)
FRESH = Target("temp.fresh", ("{}", "{}"), "DO NOTHING")
TOUCHED = Target("temp.touched", ("{}",), "DO NOTHING")


def write_blocks(
    connection: sqlite3.Connection,
    target: Target,
    fixed: Sequence[int],
    columns: Sequence[list[Any]],
    *,
    rest: bool,
) -> int:
    """Write rows from their columns, and take what was written out of these.

    Less than a large block stays for later, unless the `rest` is wanted. Returns how many rows
    were not there before, or otherwise.
    """
    changed = 0
    for size in _BLOCKS if rest else _BLOCKS[:1]:
        statement = _statement(target, len(fixed), size)
        while len(columns[0]) >= size:
            values: list[Any] = [None] * (size * len(columns))
            for place, column in enumerate(columns):
                values[place :: len(columns)] = column[:size]
                del column[:size]
            changed += connection.execute(statement, [*fixed, *values]).rowcount
    return changed


@cache
def _statement(target: Target, fixed: int, size: int) -> str:
    row = f"({', '.join(target.row)})"
    first = range(fixed + 1, fixed + 1 + size * target.width, target.width)
    rows = (row.format(*(f"?{n}" for n in range(at, at + target.width))) for at in first)
    return f"INSERT INTO {target.into} VALUES {', '.join(rows)} ON CONFLICT {target.conflict}"
