"""Looking at a scan's candidates while others write: a frozen list of any length, and its tree.

Every read is short and of its own connection, so that neither a running scan nor the reader ever
waits for the other. What is looked at is a `Snapshot`; nothing in it moves.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from s3gc_core.errors import ScanGone
from s3gc_core.judgement import candidate_queries as queries
from s3gc_core.judgement import folder_queries
from s3gc_core.judgement.candidate_views import (
    CandidateFilter,
    CandidateRow,
    Children,
    FolderRow,
    IdVector,
    Newer,
    Snapshot,
    Sort,
    Totals,
    View,
)
from s3gc_core.judgement.catalogue_version import is_ours
from s3gc_core.judgement.layers import Judged, Layers, ObjectVerdict, Verdict
from s3gc_core.judgement.read_lane import Reading, ReadLane
from s3gc_core.judgement.scan_tables import judged_candidate

PAGE = 128
_layers = msgspec.json.Decoder(Layers)

T = TypeVar("T")


class CandidateBrowser:
    """Reads candidates from `catalogue.db` for one who looks at them. Changes nothing.

    Methods raise `ScanGone` where the snapshot's scan is no longer kept, `VaultUnreachable` where
    the file cannot be read, `CatalogueTooNew` where a later version of s3gc wrote it; one that an
    older version wrote is as good as none. Cancelling a call ends its query.
    """

    def __init__(self, vault_path: Path) -> None:
        path = vault_path / "catalogue.db"
        # Pages never wait behind a sort of everything.
        self._pages = ReadLane(path, "browse-pages")
        self._whole = ReadLane(path, "browse-whole")

    async def close(self) -> None:
        """End what runs and close the file."""
        await self._whole.close()
        await self._pages.close()

    async def open(self, scan_id: str | None = None) -> Snapshot | None:
        """A snapshot of a scan: the one named, or the last finished, or else the running one.

        None where there is no catalogue yet, or no such scan in it.
        """
        try:
            return await self._pages.run(_open, scan_id)
        except FileNotFoundError:
            return None

    async def newer(self, snapshot: Snapshot) -> Newer | None:
        """What there is beyond a snapshot: a newer finished scan, or else more of a running one."""
        return await _kept(self._pages.run(_newer, snapshot))

    async def first_page(self, snapshot: Snapshot, view: View, limit: int = PAGE) -> list[int]:
        """The ids that `ids` begins with, long before it is done."""
        return await _kept(self._whole.run(queries.first_page, snapshot, view, limit))

    async def ids(self, snapshot: Snapshot, view: View) -> IdVector:
        """The ids of all candidates in a view, in its order."""
        return await _kept(self._whole.run(queries.ids, snapshot, view))

    async def totals(self, snapshot: Snapshot, wanted: CandidateFilter, now: datetime) -> Totals:
        """Counts and bytes of what a filter lets through."""
        return await _kept(self._whole.run(queries.totals, snapshot, View(now, wanted)))

    async def rows(self, snapshot: Snapshot, ids: Sequence[int]) -> list[CandidateRow | None]:
        """Lines of the list; None where an object was listed again and its line replaced."""
        return await _kept(self._pages.run(_rows, snapshot, ids))

    async def candidate(self, snapshot: Snapshot, id_: int) -> Judged | None:
        """All that was concluded about one candidate; None where it has no line any more."""
        return (await _kept(self._pages.run(_judged, snapshot, [id_]))).get(id_)

    async def judged(self, snapshot: Snapshot, ids: Sequence[int]) -> list[Judged]:
        """The same of many. Raises `ScanGone` where one has no line any more."""
        found = await _kept(self._whole.run(_judged, snapshot, ids))
        _check_none_is_missing(len(ids) - len(found))
        return [found[id_] for id_ in ids]

    async def find(self, snapshot: Snapshot, key: str) -> int | None:
        """The id of a key's candidate."""
        return await _kept(self._pages.run(_find, snapshot, key))

    async def children(self, snapshot: Snapshot, prefix: str, sort: Sort) -> Children:
        """Folders and objects directly within a folder ("" is the bucket).

        The tree of a scan is added up when it ends: a partial snapshot has none.
        """
        return await _kept(self._whole.run(folder_queries.children, snapshot, prefix, sort))

    async def folders(self, snapshot: Snapshot, ids: Sequence[int]) -> list[FolderRow | None]:
        """Lines of the tree."""
        return await _kept(self._pages.run(folder_queries.rows, snapshot, ids))

    async def folder(self, snapshot: Snapshot, prefix: str) -> FolderRow | None:
        """One folder by its prefix ("" is the bucket); None where nothing lies in it."""
        return await _kept(self._pages.run(folder_queries.by_prefix, snapshot, prefix))

    async def orphans(
        self, snapshot: Snapshot, wanted: CandidateFilter, now: datetime
    ) -> AsyncIterator[list[tuple[int, int]]]:
        """The orphans that a filter lets through, as (id, size in bytes), in pages."""
        view, after = View(now, wanted), 0
        while page := await _kept(self._whole.run(queries.orphan_page, snapshot, view, after)):
            yield page
            after = page[-1][0]

    async def orphans_among(
        self, snapshot: Snapshot, ids: Sequence[int]
    ) -> AsyncIterator[list[tuple[int, int]]]:
        """The orphans among some candidates, as (id, size in bytes), in pages."""
        for at in range(0, len(ids), queries.CHUNK):
            chunk = ids[at : at + queries.CHUNK]
            yield await _kept(self._whole.run(_orphans_among, snapshot, chunk))

    async def keys(self, snapshot: Snapshot, ids: Sequence[int]) -> AsyncIterator[list[str]]:
        """The keys of some candidates, in pages. Raises `ScanGone` where one has no line any more:
        what was marked must be what is decided about.
        """
        for at in range(0, len(ids), queries.CHUNK):
            chunk = ids[at : at + queries.CHUNK]
            yield await _kept(self._whole.run(_keys, snapshot, chunk))


async def _kept(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except FileNotFoundError as error:
        raise ScanGone("the catalogue was deleted; nothing of it is kept") from error


def _open(reading: Reading, scan_id: str | None) -> Snapshot | None:
    if not is_ours(reading):
        return None  # being made right now, or to be made anew
    scan = reading.execute(
        "SELECT number, scan_id, began_at, summary FROM scan WHERE ?1 IS NULL OR scan_id = ?1"
        " ORDER BY summary IS NULL, number DESC LIMIT 1",
        (scan_id,),
    ).fetchone()
    if scan is None:
        return None
    number, name, began_at, summary = scan
    first, last = _span(reading, number)
    began = datetime.fromisoformat(began_at)
    return Snapshot(name, number, began, first, last, summary is None, summary)


def _span(reading: Reading, number: int) -> tuple[int, int]:
    """The first and the last id of a scan; (1, 0) where it has none."""
    ends: list[int] = []
    for verdict in ObjectVerdict:
        # One step into the index each; over the whole scan it would read every row.
        for end in ("min", "max"):
            query = f"SELECT {end}(id) FROM candidate WHERE scan = ? AND verdict = ?"
            ends += [e for (e,) in reading.execute(query, (number, verdict)) if e is not None]
    return (min(ends), max(ends)) if ends else (1, 0)


def _newer(reading: Reading, snapshot: Snapshot) -> Newer | None:
    queries.check_kept(reading, snapshot)
    scans = reading.execute(
        "SELECT number, scan_id, summary IS NULL FROM scan WHERE number >= ?"
        " ORDER BY summary IS NULL, number DESC",
        (snapshot.number,),
    ).fetchall()
    for number, scan_id, partial in scans:
        if number == snapshot.number and not snapshot.partial:
            continue
        first, last = _span(reading, number)
        first = max(first, snapshot.last_id + 1)
        query = "SELECT count(*) FROM candidate NOT INDEXED WHERE scan = ? AND id BETWEEN ? AND ?"
        rows = reading.execute(query, (number, first, last)).fetchone()[0]
        if rows or not partial:
            return Newer(scan_id, rows, bool(partial))
    return None


def _rows(reading: Reading, snapshot: Snapshot, ids: Sequence[int]) -> list[CandidateRow | None]:
    queries.check_kept(reading, snapshot)
    found = reading.execute(
        "SELECT candidate.id, candidate.key, size, modified, verdict,"
        " CASE verdict WHEN 'orphan' THEN NULL ELSE layers END"
        " FROM json_each(?) AS wanted CROSS JOIN candidate ON candidate.id = wanted.value"
        " LEFT JOIN conclusion ON conclusion.id = candidate.id WHERE +scan = ?",
        (json.dumps(list(ids)), snapshot.number),
    )
    rows = {
        id_: CandidateRow(id_, key, size, modified, ObjectVerdict(verdict), _layer(layers))
        for id_, key, size, modified, verdict, layers in found
    }
    return [rows.get(id_) for id_ in ids]


def _layer(layers: bytes | None) -> str | None:
    if layers is None:
        return None
    verdicts = _layers.decode(layers)
    for wanted in (Verdict.KEEP, Verdict.UNKNOWN):
        for name in Layers.__struct_fields__:
            if getattr(verdicts, name).verdict is wanted:
                return name
    return "doubt"


def _judged(reading: Reading, snapshot: Snapshot, ids: Sequence[int]) -> dict[int, Judged]:
    queries.check_kept(reading, snapshot)
    found = reading.execute(
        "SELECT candidate.id, candidate.key, size, etag, modified, storage_class, verdict, layers,"
        " doubts FROM json_each(?) AS wanted CROSS JOIN candidate ON candidate.id = wanted.value"
        " JOIN conclusion ON conclusion.id = candidate.id WHERE +scan = ?",
        (json.dumps(list(ids)), snapshot.number),
    )
    return {row[0]: judged_candidate(row[1:]) for row in found}


def _check_none_is_missing(missing: int) -> None:
    if missing:
        raise ScanGone(f"{missing} objects were listed again since; look anew")


def _find(reading: Reading, snapshot: Snapshot, key: str) -> int | None:
    queries.check_kept(reading, snapshot)
    query = "SELECT id FROM candidate WHERE scan = ? AND key = ? AND id <= ?"
    row = reading.execute(query, (snapshot.number, key, snapshot.last_id)).fetchone()
    return row[0] if row else None


def _orphans_among(
    reading: Reading, snapshot: Snapshot, ids: Sequence[int]
) -> list[tuple[int, int]]:
    queries.check_kept(reading, snapshot)
    query = (
        "SELECT candidate.id, size FROM json_each(?) AS wanted"
        " CROSS JOIN candidate ON candidate.id = wanted.value"
        " WHERE +scan = ? AND +verdict = 'orphan'"
    )
    return reading.execute(query, (json.dumps(list(ids)), snapshot.number)).fetchall()


def _keys(reading: Reading, snapshot: Snapshot, ids: Sequence[int]) -> list[str]:
    queries.check_kept(reading, snapshot)
    query = (
        "SELECT candidate.key FROM json_each(?) AS wanted"
        " CROSS JOIN candidate ON candidate.id = wanted.value WHERE +scan = ?"
    )
    found = reading.execute(query, (json.dumps(list(ids)), snapshot.number)).fetchall()
    _check_none_is_missing(len(ids) - len(found))
    return [key for (key,) in found]
