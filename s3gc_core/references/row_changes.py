"""From the changes of many transactions to what became of each row: pure.

Of a row that changed several times only the last is left. The changes are taken in the order of
their commits, and are not to be seen before all of them are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from s3gc_core.databases.changes import RowChange, TableAltered, TableEmptied, Untold
from s3gc_core.databases.protocol import RowId, Value

Told = tuple[Value | Untold, ...]


@dataclass(slots=True)
class RowsNow:
    """Rows of one table: those that are gone, and what the others hold.

    `UNCHANGED` is what the row held before all of this. `more` is how many rows there are more.
    """

    table: str
    gone: set[RowId] = field(default_factory=set)
    rows: dict[RowId, Told] = field(default_factory=dict)
    more: int = 0


@dataclass(frozen=True, slots=True)
class RowMoved:
    """A row has another identity, and some of what it holds is as it was under the old one."""

    table: str
    before: RowId
    after: RowId
    values: Told


Step = RowsNow | RowMoved | TableEmptied | TableAltered


def fold(changes: Iterable[RowChange | TableEmptied | TableAltered]) -> Iterator[Step]:
    """What became of the rows. Of one table the steps come in order; tables mind no other."""
    tables: dict[str, RowsNow] = {}
    for change in changes:
        if isinstance(change, TableAltered):
            yield change
            continue
        now = tables.get(change.table)
        if now is None:
            now = tables[change.table] = RowsNow(change.table)
        if isinstance(change, TableEmptied):
            # What rows held before it is of no matter any more.
            del tables[change.table]
            yield change
        elif (moved := _take(now, change)) is not None:
            del tables[change.table]
            yield now
            yield moved
    yield from tables.values()


def _take(now: RowsNow, change: RowChange) -> RowMoved | None:
    """Take a change in; a move that needs what is written already comes back instead."""
    before, after = change.before, change.after
    if after is None:
        if before is not None:
            now.rows.pop(before, None)
            now.gone.add(before)
            now.more -= 1
        return None
    values = change.values
    if before is None:
        now.more += 1
        if Untold.UNCHANGED in values:
            # There is nothing that it could be unchanged from.
            values = tuple(Untold.UNTOLD if v is Untold.UNCHANGED else v for v in values)
    elif Untold.UNCHANGED in values:
        earlier = now.rows.get(before)
        if earlier is not None:
            values = tuple(
                was if value is Untold.UNCHANGED else value
                for value, was in zip(values, earlier, strict=True)
            )
        if before != after and Untold.UNCHANGED in values:
            return RowMoved(change.table, before, after, values)
    if before is not None and before != after:
        now.rows.pop(before, None)
        now.gone.add(before)
    now.rows[after] = values
    now.gone.discard(after)
    return None
