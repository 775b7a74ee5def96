"""How a million candidates are filtered and sorted without keeping anyone waiting.

Measured on a million rows: walking the index of an order is quick only while most rows match (a
prefix that few keys have, ordered by size, took 2 s for one page), reading through an index other
than the order's is quick only for some ten thousand rows, and reading the table from end to end
takes 0.1 s, whatever the filter. SQLite's planner has no statistics here and chooses wrongly
both ways, so each query is told its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from s3gc_core.errors import ScanGone
from s3gc_core.judgement.candidate_views import Column, IdVector, Snapshot, Sort, Totals, View
from s3gc_core.judgement.catalogue_version import is_ours
from s3gc_core.judgement.layers import ObjectVerdict
from s3gc_core.judgement.read_lane import Reading
from s3gc_core.judgement.scan_tables import microseconds

# Up to so many matches are read through an index of another order than the one asked for.
FEW = 20_000
# How long the first page may walk along its order before it goes another way (some 0.05 s).
WALK_TICKS = 25
CHUNK = 4_096
WHOLE_TABLE = "NOT INDEXED"
_LARGEST = (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)

_COLUMN = {
    Column.KEY: "key",
    Column.SIZE: "size",
    Column.AGE: "modified",
    Column.VERDICT: "verdict",
}


@dataclass(frozen=True, slots=True)
class _Term:
    """One condition on one column; `ranged`: an index of the column leads straight to it."""

    column: Column
    condition: str
    values: tuple[object, ...]
    ranged: bool = True


def check_kept(reading: Reading, snapshot: Snapshot) -> None:
    """Raise `ScanGone` where the catalogue no longer holds this scan: ids may have new owners."""
    query = "SELECT 1 FROM scan WHERE number = ? AND scan_id = ?"
    scan = (snapshot.number, snapshot.scan_id)
    if not is_ours(reading) or reading.execute(query, scan).fetchone() is None:
        raise ScanGone(f"the candidates of scan {snapshot.scan_id} are no longer kept")


def first_page(reading: Reading, snapshot: Snapshot, view: View, limit: int) -> list[int]:
    """The first ids of a view; the same that `ids` begins with."""
    check_kept(reading, snapshot)
    way = _way(reading, snapshot, view)
    if way == WHOLE_TABLE:
        # Most often many rows match, and the first of them are found at once.
        walked = _query(snapshot, view, _index(view.sort.column), "id", limit)
        found = reading.all_within(WALK_TICKS, *walked)
        if found is not None:
            return [row[0] for row in found]
    return [row[0] for row in reading.execute(*_query(snapshot, view, way, "id", limit))]


def ids(reading: Reading, snapshot: Snapshot, view: View) -> IdVector:
    """All ids of a view."""
    check_kept(reading, snapshot)
    vector = IdVector(snapshot.first_id)
    way = _way(reading, snapshot, view)
    query, values = _query(snapshot, view, way, f"id - {int(vector.base)}")
    return fill(reading, vector, query, values)


def fill(reading: Reading, vector: IdVector, query: str, values: tuple[object, ...]) -> IdVector:
    """Put what a query finds (ids less the vector's base) into a vector, chunk by chunk."""
    found = reading.execute(query, values)
    while chunk := found.fetchmany(CHUNK):
        reading.check()
        vector.extend_offsets(offset for (offset,) in chunk)
    return vector


def totals(reading: Reading, snapshot: Snapshot, view: View) -> Totals:
    """Counts and bytes of a view's candidates, and of the orphans among them."""
    check_kept(reading, snapshot)
    columns = (
        "count(*), coalesce(sum(size), 0), coalesce(sum(verdict = 'orphan'), 0),"
        " coalesce(sum(size * (verdict = 'orphan')), 0)"
    )
    conditions, values = _where(snapshot, view)
    way = _way(reading, snapshot, view, ordered=False)
    query = f"SELECT {columns} FROM candidate {way} WHERE {conditions}"
    return Totals(*reading.execute(query, values).fetchone())


def orphan_page(
    reading: Reading, snapshot: Snapshot, view: View, after: int
) -> list[tuple[int, int]]:
    """The next orphans of a view as (id, size), by id."""
    check_kept(reading, snapshot)
    rest = replace(snapshot, first_id=max(snapshot.first_id, after + 1))
    conditions, values = _where(rest, view)
    way = _way(reading, rest, view, ordered=False)
    query = (
        f"SELECT id, size FROM candidate {way} WHERE {conditions}"
        f" AND +verdict = 'orphan' ORDER BY id LIMIT {CHUNK}"
    )
    return reading.execute(query, values).fetchall()


def prefix_end(prefix: str) -> str | None:
    """The first text after all that begin with `prefix` in byte order; None: there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[at]) + 1
        if 0xD800 <= following < 0xE000:
            following = 0xE000  # UTF-8 has no surrogates
        if following <= 0x10FFFF:
            return prefix[:at] + chr(following)
    return None


def _index(column: Column) -> str:
    return f"INDEXED BY candidate_{_COLUMN[column]}"


def _way(reading: Reading, snapshot: Snapshot, view: View, *, ordered: bool = True) -> str:
    """The way through the table to all rows of a view."""
    terms = list(_terms(view))
    own = view.sort.column
    if ordered and all(term.column is own for term in terms):
        return _index(own)  # its index alone answers everything
    for column in (Column.KEY, Column.SIZE, Column.AGE):
        ranged = [term for term in terms if term.column is column and term.ranged]
        if ranged and _are_few(reading, snapshot, column, ranged):
            return _index(column)
    return WHOLE_TABLE


def _are_few(reading: Reading, snapshot: Snapshot, column: Column, terms: list[_Term]) -> bool:
    conditions = " AND ".join(("scan = ?", *(term.condition for term in terms)))
    values = [snapshot.number, *(value for term in terms for value in term.values)]
    query = f"SELECT 1 FROM candidate {_index(column)} WHERE {conditions} LIMIT {FEW + 1}"
    return bool(reading.execute(f"SELECT count(*) <= {FEW} FROM ({query})", values).fetchone()[0])


def _query(
    snapshot: Snapshot, view: View, way: str, columns: str, limit: int | None = None
) -> tuple[str, tuple[object, ...]]:
    conditions, values = _where(snapshot, view)
    query = f"SELECT {columns} FROM candidate {way} WHERE {conditions} ORDER BY {order(view.sort)}"
    # With a LIMIT, SQLite sorts in a tree; without one in runs, four times as fast for all rows.
    return (query, values) if limit is None else (f"{query} LIMIT {int(limit)}", values)


def order(sort: Sort) -> str:
    """The order in SQL. The oldest were modified first."""
    descending = sort.descending != (sort.column is Column.AGE)
    direction = "DESC" if descending else "ASC"
    return f"{_COLUMN[sort.column]} {direction}, id {direction}"


def _where(snapshot: Snapshot, view: View) -> tuple[str, tuple[object, ...]]:
    terms = list(_terms(view))
    conditions = ("scan = ?", "id BETWEEN ? AND ?", *(term.condition for term in terms))
    values = (snapshot.number, snapshot.first_id, snapshot.last_id)
    return " AND ".join(conditions), (*values, *(value for term in terms for value in term.values))


def _terms(view: View) -> Iterator[_Term]:
    wanted = view.filter
    if wanted.prefix:
        # A range, which an index can answer; LIKE knows wildcards and folds case.
        yield _Term(Column.KEY, "key >= ?", (wanted.prefix,))
        if (end := prefix_end(wanted.prefix)) is not None:
            yield _Term(Column.KEY, "key < ?", (end,))
    for part in wanted.containing:
        # As bytes: text functions end at a NUL.
        condition = "instr(CAST(key AS BLOB), ?) > 0"
        yield _Term(Column.KEY, condition, (part.encode(),), ranged=False)
    if wanted.larger_than is not None:
        yield _Term(Column.SIZE, "size > ?", (_bounded(wanted.larger_than),))
    if wanted.smaller_than is not None:
        yield _Term(Column.SIZE, "size < ?", (_bounded(wanted.smaller_than),))
    now = microseconds(view.now)
    if wanted.older_than is not None:
        before = _bounded(now - wanted.older_than // _MICROSECOND)
        yield _Term(Column.AGE, "modified < ?", (before,))
    if wanted.younger_than is not None:
        after = _bounded(now - wanted.younger_than // _MICROSECOND)
        yield _Term(Column.AGE, "modified > ?", (after,))
    if wanted.verdicts:
        marks = ", ".join("?" * len(wanted.verdicts))
        values = tuple(sorted(ObjectVerdict(verdict) for verdict in wanted.verdicts))
        yield _Term(Column.VERDICT, f"verdict IN ({marks})", values, ranged=False)


def _bounded(number: int) -> int:
    return max(-_LARGEST, min(_LARGEST, number))
