"""Dangling references as lines: rows that name an object which is not in the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from s3gc_core.actions.dangling import Dangling
from s3gc_tui.display import column, count, counted, fit
from s3gc_tui.models.lines import Line, Look, dim, good, line, strong, warn, wrapped

# Rows that are kept and shown; a file takes all of them.
SHOWN = 500


@dataclass(slots=True)
class DanglingList:
    """The first rows that were found. `is_done`: the reading has ended, at the end or when full."""

    rows: list[Dangling] = field(default_factory=list)
    is_done: bool = False
    has_more: bool = False

    def add(self, page: Sequence[Dangling]) -> None:
        """Take what there is room for."""
        room = SHOWN - len(self.rows)
        self.rows += page[:room]
        self.has_more = self.has_more or len(page) > room

    def at(self, line_id: str | None) -> Dangling | None:
        """The row that a line shows."""
        return self.rows[int(line_id)] if line_id is not None else None


def found_line(found: DanglingList | None, expected: int | None) -> Line:
    """How far the reading is, and what it found. `expected` is what the last scan counted."""
    if found is None:
        return line(dim(" not read yet: r reads all sources"))
    rows = len(found.rows)
    back = sum(bool(one.in_vault) for one in found.rows)
    vault = good(f"; the vault holds the object of {count(back)}") if back else dim("")
    if not found.is_done:
        of = f" (the last scan counted {count(expected)})" if expected is not None else ""
        return line(warn(" reading the sources"), f": {count(rows)} found so far{of}")
    if found.has_more:
        return line(f" the first {counted(rows, 'row')}; there are more: w writes all", vault)
    if not rows:
        return line(good(" every row that holds a key has its object"))
    return line(f" {counted(rows, 'row')} without their object", vault)


def title_line(width: int) -> Line:
    """What the columns of the list are."""
    source, row = _widths(width)
    return line(dim(f" {'VAULT':<7}{'SOURCE':<{source}} {'ROW':<{row}} KEY"))


def dangling_lines(found: DanglingList | None, width: int) -> list[Line]:
    """One line a row, in the order of reading."""
    if found is None:
        return []
    source, row = _widths(width)
    return [
        line(
            " ",
            good("holds  ") if one.in_vault else dim("-      "),
            f"{column(one.source, source)} {column(str(one.row), row)} ",
            fit(one.keys[0], width - source - row - 10),
            id=str(number),
        )
        for number, one in enumerate(found.rows)
    ]


def _widths(width: int) -> tuple[int, int]:
    """Cells for source and row."""
    return max(16, width * 3 // 10), max(8, width // 6)


def reference_lines(one: Dangling | None, width: int) -> list[Line]:
    """Everything about the row under the cursor."""
    if one is None:
        return []
    lines = [line(strong(f" {fit(f'{one.source} row {one.row}', width - 2)}"))]
    for key in one.in_vault:
        lines += wrapped(f"the vault holds {key}: u brings it back", width, Look.GOOD)
    more = [key for key in one.keys if key not in one.in_vault]
    for key in more:
        lines += wrapped(f"not in the bucket: {key}", width, Look.PLAIN)
    return lines
