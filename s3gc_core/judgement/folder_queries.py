"""The tree of a finished scan's candidates: what the scan added up, and objects beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from s3gc_core.judgement import candidate_queries as queries
from s3gc_core.judgement.candidate_views import (
    Children,
    Column,
    FolderRow,
    IdVector,
    Snapshot,
    Sort,
)
from s3gc_core.judgement.folders import MAXIMUM_DEPTH
from s3gc_core.judgement.read_lane import Reading

_TOTALS = "prefix, objects, bytes, orphans, orphan_bytes, oldest"
_COLUMN = {
    Column.KEY: "prefix",
    Column.SIZE: "bytes",
    Column.AGE: "oldest",
    Column.VERDICT: "orphans",
}


def children(reading: Reading, snapshot: Snapshot, prefix: str, sort: Sort) -> Children:
    """Folders and objects directly within a folder, each in the order asked for."""
    queries.check_kept(reading, snapshot)
    around = by_prefix(reading, snapshot, prefix)
    if around is None:
        return Children(IdVector(), IdVector())
    first, below = reading.execute(
        "SELECT coalesce(min(id), 0), coalesce(sum(objects), 0) FROM folder"
        " WHERE scan = ? AND parent = ?",
        (snapshot.number, prefix),
    ).fetchone()
    descending = sort.descending != (sort.column is Column.AGE)
    direction = "DESC" if descending else "ASC"
    query = (
        f"SELECT id - {int(first)} FROM folder WHERE scan = ? AND parent = ?"
        f" ORDER BY {_COLUMN[sort.column]} {direction}, prefix"
    )
    folders = queries.fill(reading, IdVector(first), query, (snapshot.number, prefix))
    objects = IdVector(snapshot.first_id)
    if below < around.objects:
        objects = _objects(reading, snapshot, prefix, sort)
    return Children(folders, objects)


def _objects(reading: Reading, snapshot: Snapshot, prefix: str, sort: Sort) -> IdVector:
    conditions, values = ["scan = ?", "key >= ?"], [snapshot.number, prefix]
    if (end := queries.prefix_end(prefix)) is not None:
        conditions.append("key < ?")
        values.append(end)
    if prefix.count("/") < MAXIMUM_DEPTH:
        # As bytes: text functions end at a NUL.
        conditions.append("instr(substr(CAST(key AS BLOB), ?), x'2f') = 0")
        values.append(len(prefix.encode()) + 1)
    query = (
        f"SELECT id - {int(snapshot.first_id)} FROM candidate INDEXED BY candidate_key"
        f" WHERE {' AND '.join(conditions)} ORDER BY {queries.order(sort)}"
    )
    return queries.fill(reading, IdVector(snapshot.first_id), query, tuple(values))


def rows(reading: Reading, snapshot: Snapshot, ids: Sequence[int]) -> list[FolderRow | None]:
    """Folders by id; None where there is none."""
    queries.check_kept(reading, snapshot)
    found = reading.execute(
        f"SELECT folder.id, {_TOTALS} FROM json_each(?) AS wanted"
        " CROSS JOIN folder ON folder.id = wanted.value WHERE +scan = ?",
        (json.dumps(list(ids)), snapshot.number),
    )
    folders = {row[0]: FolderRow(*row) for row in found}
    return [folders.get(id_) for id_ in ids]


def by_prefix(reading: Reading, snapshot: Snapshot, prefix: str) -> FolderRow | None:
    """One folder ("" is the bucket)."""
    queries.check_kept(reading, snapshot)
    slash = prefix[:-1].rfind("/") + 1
    parent = prefix[:slash] if prefix else None
    row = reading.execute(
        f"SELECT id, {_TOTALS} FROM folder WHERE scan = ? AND parent IS ? AND prefix = ?",
        (snapshot.number, parent, prefix),
    ).fetchone()
    return FolderRow(*row) if row else None
