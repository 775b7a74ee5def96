"""The catalogue's tables of scans: listing, candidates with their verdicts, and folders.

Functions take the connection and run in the catalogue's thread, each in one transaction. Times are
kept as whole microseconds since 1970 (UTC), the verdict apart from its reasons, so that a million
candidates can be sorted and filtered without reading what was concluded about each.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from s3gc_core.bucket import ListedObject
from s3gc_core.judgement import finding_tables, mention_tables
from s3gc_core.judgement.folders import FolderTotals, roll_up
from s3gc_core.judgement.guards import PrefixFacts
from s3gc_core.judgement.layers import Judged, Layers, ObjectVerdict
from s3gc_core.references import Found, key_hash, key_hashes, near_forms, storable

if TYPE_CHECKING:
    from s3gc_core.bucket import UploadInProgress

SCHEMA = """
CREATE TABLE scan (
    number INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, began_at TEXT NOT NULL, summary BLOB
) STRICT;
CREATE TABLE listing (
    id INTEGER PRIMARY KEY, h INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, storage_class TEXT NOT NULL
) STRICT;
CREATE TABLE unreferenced (id INTEGER PRIMARY KEY, h INTEGER NOT NULL) STRICT;
CREATE INDEX unreferenced_h ON unreferenced (h);
CREATE TABLE upload (h INTEGER PRIMARY KEY, began_at INTEGER NOT NULL) STRICT;
CREATE TABLE near_form (h INTEGER PRIMARY KEY) STRICT;
CREATE TABLE hit (
    h INTEGER NOT NULL, near INTEGER NOT NULL, source TEXT NOT NULL, row ANY NOT NULL,
    spelling TEXT NOT NULL, PRIMARY KEY (h, near, source, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidate (
    id INTEGER PRIMARY KEY, scan INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, storage_class TEXT NOT NULL,
    verdict TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX candidate_key ON candidate (scan, key);
CREATE INDEX candidate_size ON candidate (scan, size);
CREATE INDEX candidate_modified ON candidate (scan, modified);
CREATE INDEX candidate_verdict ON candidate (scan, verdict);
CREATE TABLE conclusion (
    id INTEGER PRIMARY KEY, layers BLOB NOT NULL, doubts BLOB NOT NULL
) STRICT;
CREATE TABLE folder (
    id INTEGER PRIMARY KEY, scan INTEGER NOT NULL, parent TEXT, prefix TEXT NOT NULL,
    objects INTEGER NOT NULL, bytes INTEGER NOT NULL, orphans INTEGER NOT NULL,
    orphan_bytes INTEGER NOT NULL, oldest INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX folder_parent ON folder (scan, parent, prefix);
"""

PAGE = 2_000
# The last finished scan, the one before it (a dashboard may still show it), and a running one.
_SCANS_KEPT = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_encoder = msgspec.json.Encoder()
_layers = msgspec.json.Decoder(Layers)
_doubts = msgspec.json.Decoder(tuple[str, ...])

_OBJECT = "key, size, etag, modified, storage_class"


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds_since_1970: int) -> datetime:
    """The time (UTC) that `microseconds` made a number of."""
    return _EPOCH + microseconds_since_1970 * _MICROSECOND


def listed_object(key: str, size: int, etag: str, modified: int, storage: str) -> ListedObject:
    """The object of a row with the columns `key, size, etag, modified, storage_class`."""
    return ListedObject(key, size, etag, time_of(modified), storage)


def begin_scan(connection: sqlite3.Connection, scan_id: str, began_at: datetime) -> None:
    """Make room for a new listing; what old scans found goes."""
    finding_tables.forget_listing(connection)
    mention_tables.forget(connection)
    for table in ("unreferenced", "near_form", "hit", "canary", "upload"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute(
        "INSERT INTO scan (scan_id, began_at) VALUES (?, ?)",
        (scan_id, began_at.astimezone(UTC).isoformat()),
    )
    connection.execute(
        "DELETE FROM scan WHERE number NOT IN"
        " (SELECT number FROM scan ORDER BY number DESC LIMIT ?)",
        (_SCANS_KEPT,),
    )
    for table in ("candidate", "folder"):
        connection.execute(f"DELETE FROM {table} WHERE scan NOT IN (SELECT number FROM scan)")
    connection.execute("DELETE FROM conclusion WHERE id NOT IN (SELECT id FROM candidate)")


def add_listing(connection: sqlite3.Connection, page: Sequence[ListedObject]) -> None:
    """Add a page of the bucket's listing."""
    hashes = key_hashes([o.key for o in page])
    connection.executemany(
        f"INSERT INTO listing (h, {_OBJECT}) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (h, o.key, o.size, o.etag, microseconds(o.last_modified), o.storage_class)
            for h, o in zip(hashes, page, strict=True)
        ],
    )


def listed_twice(connection: sqlite3.Connection) -> bool:
    """Whether the listing has any key twice, by its hash."""
    [(more,)] = connection.execute("SELECT count(*) > count(DISTINCT h) FROM listing")
    return bool(more)


def add_uploads(connection: sqlite3.Connection, page: Sequence[UploadInProgress]) -> None:
    """Add a page of the uploads in progress; of several to one key the first counts."""
    connection.executemany(
        "INSERT INTO upload VALUES (?, ?)"
        " ON CONFLICT (h) DO UPDATE SET began_at = min(began_at, excluded.began_at)",
        [(key_hash(upload.key), microseconds(upload.began_at)) for upload in page],
    )


def uploads_to(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[int, datetime]:
    """Since when uploads to these keys are in progress, by the key's hash."""
    found = connection.execute(
        "SELECT h, began_at FROM upload WHERE h IN (SELECT value FROM json_each(?))",
        (json.dumps(key_hashes(keys)),),
    )
    return {h: time_of(began_at) for h, began_at in found}


def hash_page(connection: sqlite3.Connection, after: int) -> list[tuple[int, int]]:
    """The next page of the listing as (id, key hash)."""
    return connection.execute(
        "SELECT id, h FROM listing WHERE id > ? ORDER BY id LIMIT ?", (after, PAGE)
    ).fetchall()


def add_unreferenced(connection: sqlite3.Connection, rows: Sequence[tuple[int, int]]) -> None:
    """Remember listed objects, as (id, key hash), to be judged; and how they might be written."""
    connection.executemany("INSERT INTO unreferenced VALUES (?, ?)", rows)
    keys = connection.execute(
        "SELECT key FROM listing WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps([id_ for id_, _ in rows]),),
    ).fetchall()
    connection.executemany(
        "INSERT OR IGNORE INTO near_form VALUES (?)",
        zip(key_hashes([form for (key,) in keys for form in near_forms(key)])),
    )


def wanted(connection: sqlite3.Connection, hashes: str) -> set[int]:
    """Those of the hashes (a JSON list) that candidates or canaries have, or their near forms."""
    query = (
        "SELECT value FROM json_each(?)"
        " WHERE EXISTS (SELECT 1 FROM unreferenced WHERE unreferenced.h = value)"
        " OR EXISTS (SELECT 1 FROM near_form WHERE near_form.h = value)"
        " OR EXISTS (SELECT 1 FROM canary WHERE canary.h = value)"
    )
    return {row[0] for row in connection.execute(query, (hashes,))}


def add_hits(connection: sqlite3.Connection, found: Sequence[Found]) -> None:
    """Remember rows in which the databases hold an unreferenced object's key, or nearly so."""
    connection.executemany(
        "INSERT OR IGNORE INTO hit VALUES (?, ?, ?, ?, ?)",
        [(f.hash, f.near, f.source, f.row, storable(f.spelling)) for f in found],
    )


def unjudged_page(
    connection: sqlite3.Connection, after: int
) -> tuple[list[ListedObject], list[Found], int]:
    """The next page of unreferenced objects, the hits on them, and where to go on from."""
    rows = connection.execute(
        f"SELECT listing.id, {_OBJECT} FROM unreferenced"
        " JOIN listing USING (id) WHERE unreferenced.id > ? ORDER BY unreferenced.id LIMIT ?",
        (after, PAGE),
    ).fetchall()
    objects = [listed_object(*row[1:]) for row in rows]
    return objects, hits_on(connection, objects), rows[-1][0] if rows else after


def hits_on(connection: sqlite3.Connection, objects: Sequence[ListedObject]) -> list[Found]:
    """Rows in which the databases hold the objects' keys, or nearly so."""
    hits = _hits(connection, False, key_hashes([o.key for o in objects]))
    if connection.execute("SELECT EXISTS (SELECT 1 FROM hit WHERE near)").fetchone()[0]:
        hits += _hits(connection, True, key_hashes([f for o in objects for f in near_forms(o.key)]))
    return hits


def _hits(connection: sqlite3.Connection, near: bool, hashes: Sequence[int]) -> list[Found]:
    found = connection.execute(
        "SELECT h, source, row, near, spelling FROM hit"
        " WHERE near = ? AND h IN (SELECT value FROM json_each(?))",
        (near, json.dumps(hashes)),
    )
    return [Found(h, source, row, bool(n), spelling) for h, source, row, n, spelling in found]


def add_candidates(connection: sqlite3.Connection, scan_id: str, judged: Sequence[Judged]) -> None:
    """Add candidates with what was concluded about them.

    A key that a store lists twice in one listing is one object: the later entry counts.
    """
    scan = _number(connection, scan_id)
    last = connection.execute("SELECT coalesce(max(id), 0) FROM conclusion").fetchone()[0]
    connection.executemany(
        f"INSERT OR REPLACE INTO candidate (id, scan, {_OBJECT}, verdict)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (id_, scan, o.key, o.size, o.etag, microseconds(o.last_modified), o.storage_class, v)
            for id_, (o, v) in enumerate(((j.object, j.verdict) for j in judged), last + 1)
        ],
    )
    connection.executemany(
        "INSERT INTO conclusion VALUES (?, ?, ?)",
        [
            (id_, _encoder.encode(one.layers), _encoder.encode(one.doubts))
            for id_, one in enumerate(judged, last + 1)
        ],
    )


def totals(connection: sqlite3.Connection, scan_id: str) -> dict[str, tuple[int, int]]:
    """Objects and bytes of a scan's candidates by verdict."""
    query = "SELECT verdict, count(*), sum(size) FROM candidate WHERE scan = ? GROUP BY verdict"
    rows = connection.execute(query, (_number(connection, scan_id),))
    return {verdict: (count, size) for verdict, count, size in rows}


def under_prefix(connection: sqlite3.Connection, scan_id: str, prefix: str) -> PrefixFacts:
    """What the listing, and the scan's candidates, hold under a prefix."""
    # substr, not LIKE: a prefix is compared exactly, whatever characters it holds.
    [listed] = connection.execute(
        "SELECT count(*) FROM listing WHERE substr(key, 1, length(?1)) = ?1", (prefix,)
    ).fetchone()
    orphans, size = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM candidate WHERE scan = ?1"
        " AND verdict = 'orphan' AND key >= ?2 AND substr(key, 1, length(?2)) = ?2",
        (_number(connection, scan_id), prefix),
    ).fetchone()
    return PrefixFacts(listed, orphans, size)


def add_folders(connection: sqlite3.Connection, scan_id: str) -> None:
    """Add up a scan's candidates by folder, for those who look at them as a tree."""
    scan = _number(connection, scan_id)
    candidates = connection.execute(
        "SELECT key, size, modified, verdict = 'orphan' FROM candidate WHERE scan = ? ORDER BY key",
        (scan,),
    )
    connection.executemany(
        "INSERT INTO folder (scan, parent, prefix, objects, bytes, orphans, orphan_bytes, oldest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (_folder_row(scan, folder) for folder in roll_up(candidates)),
    )


def _folder_row(scan: int, folder: FolderTotals) -> tuple[object, ...]:
    return (
        scan,
        folder.parent,
        folder.prefix,
        folder.objects,
        folder.bytes,
        folder.orphans,
        folder.orphan_bytes,
        folder.oldest,
    )


def finish_scan(connection: sqlite3.Connection, scan_id: str, summary: bytes) -> None:
    """Keep a scan's summary (JSON); from now on it is the last finished one."""
    connection.execute("UPDATE scan SET summary = ? WHERE scan_id = ?", (summary, scan_id))


def last_scan(connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    """Id and summary (JSON) of the last finished scan."""
    row = connection.execute(
        "SELECT scan_id, summary FROM scan WHERE summary IS NOT NULL ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None


def candidate_page(
    connection: sqlite3.Connection,
    scan_id: str,
    verdict: ObjectVerdict | None,
    prefix: str,
    after: str,
) -> list[Judged]:
    """The next page of a scan's candidates by key."""
    # substr, not LIKE: a prefix is compared exactly, whatever characters it holds.
    query = (
        f"SELECT {_OBJECT}, verdict, layers, doubts"
        " FROM candidate JOIN conclusion USING (id)"
        " WHERE scan = ?1 AND key > ?2 AND key >= ?3 AND substr(key, 1, length(?3)) = ?3"
        " AND (?4 IS NULL OR verdict = ?4) ORDER BY key LIMIT ?5"
    )
    scan = _number(connection, scan_id)
    rows = connection.execute(query, (scan, after, prefix, verdict, PAGE))
    return [judged_candidate(row) for row in rows]


def judged_candidate(row: tuple[str, int, str, int, str, str, bytes, bytes]) -> Judged:
    """The candidate of a row with the object's columns, then `verdict, layers, doubts`."""
    key, size, etag, modified, storage, verdict, layers, doubts = row
    return Judged(
        listed_object(key, size, etag, modified, storage),
        ObjectVerdict(verdict),
        _layers.decode(layers),
        _doubts.decode(doubts),
    )


def orphans(connection: sqlite3.Connection, scan_id: str) -> Iterator[Judged]:
    """A scan's orphans by key."""
    query = (
        f"SELECT {_OBJECT}, verdict, layers, doubts"
        " FROM candidate JOIN conclusion USING (id)"
        " WHERE scan = ? AND verdict = 'orphan' ORDER BY key"
    )
    rows = connection.execute(query, (_number(connection, scan_id),))
    return (judged_candidate(row) for row in rows)


def _number(connection: sqlite3.Connection, scan_id: str) -> int:
    """The scan's number in these tables; -1, which no row has, where it is no longer kept."""
    row = connection.execute("SELECT number FROM scan WHERE scan_id = ?", (scan_id,)).fetchone()
    return int(row[0]) if row else -1
