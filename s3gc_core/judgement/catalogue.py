"""The catalogue: the last listings, their candidates, and plans, in `catalogue.db`.

It can be deleted and rebuilt by a scan; nothing that must survive lives here. What a plan was
approved for is in the audit log, by its hash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from s3gc_core.bucket import ListedObject
from s3gc_core.errors import NoSuchKey, PlanChanged
from s3gc_core.judgement.layers import Judged, Layers, ObjectVerdict
from s3gc_core.judgement.plans import Plan, PlanItem, plan_sha256, selects
from s3gc_core.local_store import LocalStore
from s3gc_core.references import Found, key_hash

SCHEMA = """
CREATE TABLE IF NOT EXISTS scan (
    scan_id TEXT PRIMARY KEY, began_at TEXT NOT NULL, summary BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS listing (
    id INTEGER PRIMARY KEY, h INTEGER NOT NULL, object BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS candidate (
    scan_id TEXT NOT NULL, key TEXT NOT NULL, h INTEGER NOT NULL, size INTEGER NOT NULL,
    verdict TEXT, object BLOB NOT NULL, layers BLOB, doubts BLOB,
    PRIMARY KEY (scan_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS candidate_h ON candidate (h);
CREATE INDEX IF NOT EXISTS candidate_open ON candidate (scan_id) WHERE verdict IS NULL;
CREATE TABLE IF NOT EXISTS hit (
    h INTEGER NOT NULL, source TEXT NOT NULL, row ANY NOT NULL, PRIMARY KEY (h, source, row)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan (plan_id TEXT PRIMARY KEY, head BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS plan_item (
    plan_id TEXT NOT NULL, key TEXT NOT NULL, item BLOB NOT NULL, PRIMARY KEY (plan_id, key)
) STRICT, WITHOUT ROWID;
"""

PAGE = 2_000
# Candidates of this many scans stay to look at; plans stay until they are that old.
_SCANS_KEPT = 5
_PLANS_KEPT = 50

_encoder = msgspec.json.Encoder()
_object = msgspec.json.Decoder(ListedObject)
_layers = msgspec.json.Decoder(Layers)
_doubts = msgspec.json.Decoder(tuple[str, ...])
_plan = msgspec.json.Decoder(Plan)
_item = msgspec.json.Decoder(PlanItem)


class Catalogue:
    """The door to `catalogue.db`. Every call is one batch in the store's thread."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    @classmethod
    async def open(cls, vault_path: Path) -> Catalogue:
        """Open or create `catalogue.db` in the vault folder."""
        return cls(await LocalStore.open(vault_path / "catalogue.db", SCHEMA, durable=False))

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    async def begin_scan(self, scan_id: str, began_at: datetime) -> None:
        """Make room for a new listing; candidates of old scans go."""
        await self._store.run(_begin_scan, scan_id, began_at)

    async def add_listing(self, page: Sequence[ListedObject]) -> None:
        """Add a page of the bucket's listing."""
        await self._store.run(_add_listing, page)

    async def listing_page(self, after: int) -> tuple[list[tuple[int, ListedObject]], int]:
        """The next page of the listing as (key hash, object), and where to go on from."""
        return await self._store.run(_listing_page, after)

    async def add_candidates(
        self, scan_id: str, candidates: Sequence[tuple[int, ListedObject]]
    ) -> None:
        """Add unreferenced objects, not judged yet."""
        await self._store.run(_add_candidates, scan_id, candidates)

    async def wanted(self, hashes: Sequence[int]) -> set[int]:
        """Those of `hashes` that are hashes of candidates of any scan still kept."""
        return await self._store.run(_wanted, json.dumps(list(hashes)))

    async def add_hits(self, found: Sequence[Found]) -> None:
        """Remember rows in which the databases hold a candidate's key."""
        await self._store.run(_add_hits, found)

    async def unjudged_page(self, scan_id: str) -> tuple[list[ListedObject], list[Found]]:
        """Up to a page of candidates without verdict, and the hits on them."""
        return await self._store.run(_unjudged_page, scan_id)

    async def set_verdicts(self, scan_id: str, judged: Sequence[Judged]) -> None:
        """Write what was concluded about candidates."""
        await self._store.run(_set_verdicts, scan_id, judged)

    async def totals(self, scan_id: str) -> dict[str, tuple[int, int]]:
        """Objects and bytes of a scan's candidates by verdict."""
        return await self._store.run(_totals, scan_id)

    async def finish_scan(self, scan_id: str, summary: bytes) -> None:
        """Keep the scan's summary (JSON) beside its candidates."""
        await self._store.run(_finish_scan, scan_id, summary)

    async def last_scan(self) -> tuple[str, bytes] | None:
        """Id and summary (JSON) of the last finished scan."""
        return await self._store.run(_last_scan)

    async def candidates(
        self, scan_id: str, *, verdict: ObjectVerdict | None = None, prefix: str = ""
    ) -> AsyncIterator[list[Judged]]:
        """The judged candidates of a scan, by key, in pages."""
        after = ""
        while True:
            page = await self._store.run(_candidates, scan_id, verdict, prefix, after)
            if not page:
                return
            yield page
            after = page[-1].object.key

    async def create_plan(self, head: Plan) -> Plan:
        """Freeze the orphans of `head.scan_id` as a plan; counts and hash are filled in."""
        return await self._store.run(_create_plan, head)

    async def select_plan(
        self, parent: Plan, plan_id: str, prefixes: Sequence[str], keys: frozenset[str]
    ) -> Plan:
        """Freeze a part of a plan as a plan of its own, with the parent's expiry.

        Raises `NoSuchKey` where nothing of it is selected.
        """
        return await self._store.run(_select_plan, parent, plan_id, prefixes, keys)

    async def plan(self, plan_id: str) -> Plan | None:
        """A plan's head."""
        return await self._store.run(_get_plan, plan_id)

    async def plans(self) -> list[Plan]:
        """All plans kept, newest first."""
        return await self._store.run(_plans)

    async def recompute_sha256(self, plan: Plan) -> str:
        """The hash of the plan as its items are stored now."""
        return await self._store.run(_recompute, plan)

    async def plan_items(self, plan_id: str) -> AsyncIterator[list[PlanItem]]:
        """A plan's items by key, in pages."""
        after = ""
        while True:
            page = await self._store.run(_plan_page, plan_id, after)
            if not page:
                return
            yield page
            after = page[-1].key


def _begin_scan(connection: sqlite3.Connection, scan_id: str, began_at: datetime) -> None:
    connection.execute("DELETE FROM listing")
    connection.execute("DELETE FROM hit")
    connection.execute(
        "INSERT INTO scan VALUES (?, ?, NULL)", (scan_id, began_at.astimezone(UTC).isoformat())
    )
    connection.execute(
        "DELETE FROM scan WHERE scan_id NOT IN"
        " (SELECT scan_id FROM scan ORDER BY scan_id DESC LIMIT ?)",
        (_SCANS_KEPT,),
    )
    connection.execute("DELETE FROM candidate WHERE scan_id NOT IN (SELECT scan_id FROM scan)")
    connection.execute(
        "DELETE FROM plan WHERE plan_id NOT IN"
        " (SELECT plan_id FROM plan ORDER BY plan_id DESC LIMIT ?)",
        (_PLANS_KEPT,),
    )
    connection.execute("DELETE FROM plan_item WHERE plan_id NOT IN (SELECT plan_id FROM plan)")


def _add_listing(connection: sqlite3.Connection, page: Sequence[ListedObject]) -> None:
    connection.executemany(
        "INSERT INTO listing (h, object) VALUES (?, ?)",
        [(key_hash(entry.key), _encoder.encode(entry)) for entry in page],
    )


def _listing_page(
    connection: sqlite3.Connection, after: int
) -> tuple[list[tuple[int, ListedObject]], int]:
    rows = connection.execute(
        "SELECT id, h, object FROM listing WHERE id > ? ORDER BY id LIMIT ?", (after, PAGE)
    ).fetchall()
    return [(h, _object.decode(blob)) for _, h, blob in rows], rows[-1][0] if rows else after


def _add_candidates(
    connection: sqlite3.Connection, scan_id: str, candidates: Sequence[tuple[int, ListedObject]]
) -> None:
    # A key that a store lists twice in one listing is one object: the later entry counts.
    connection.executemany(
        "INSERT OR REPLACE INTO candidate (scan_id, key, h, size, object) VALUES (?, ?, ?, ?, ?)",
        [(scan_id, c.key, h, c.size, _encoder.encode(c)) for h, c in candidates],
    )


def _wanted(connection: sqlite3.Connection, hashes: str) -> set[int]:
    query = (
        "SELECT value FROM json_each(?)"
        " WHERE EXISTS (SELECT 1 FROM candidate WHERE candidate.h = value)"
    )
    return {row[0] for row in connection.execute(query, (hashes,))}


def _add_hits(connection: sqlite3.Connection, found: Sequence[Found]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO hit VALUES (?, ?, ?)", [(f.hash, f.source, f.row) for f in found]
    )


def _unjudged_page(
    connection: sqlite3.Connection, scan_id: str
) -> tuple[list[ListedObject], list[Found]]:
    rows = connection.execute(
        "SELECT object, h FROM candidate WHERE scan_id = ? AND verdict IS NULL LIMIT ?",
        (scan_id, PAGE),
    ).fetchall()
    hits = connection.execute(
        "SELECT h, source, row FROM hit WHERE h IN (SELECT value FROM json_each(?))",
        (json.dumps([h for _, h in rows]),),
    )
    return [_object.decode(blob) for blob, _ in rows], [Found(*hit) for hit in hits]


def _set_verdicts(connection: sqlite3.Connection, scan_id: str, judged: Sequence[Judged]) -> None:
    connection.executemany(
        "UPDATE candidate SET verdict = ?, layers = ?, doubts = ? WHERE scan_id = ? AND key = ?",
        [
            (j.verdict, _encoder.encode(j.layers), _encoder.encode(j.doubts), scan_id, j.object.key)
            for j in judged
        ],
    )


def _totals(connection: sqlite3.Connection, scan_id: str) -> dict[str, tuple[int, int]]:
    query = (
        "SELECT verdict, count(*), sum(size) FROM candidate"
        " WHERE scan_id = ? AND verdict IS NOT NULL GROUP BY verdict"
    )
    return {verdict: (n, size) for verdict, n, size in connection.execute(query, (scan_id,))}


def _finish_scan(connection: sqlite3.Connection, scan_id: str, summary: bytes) -> None:
    connection.execute("UPDATE scan SET summary = ? WHERE scan_id = ?", (summary, scan_id))


def _last_scan(connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    row = connection.execute(
        "SELECT scan_id, summary FROM scan WHERE summary IS NOT NULL ORDER BY scan_id DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None


def _candidates(
    connection: sqlite3.Connection,
    scan_id: str,
    verdict: ObjectVerdict | None,
    prefix: str,
    after: str,
) -> list[Judged]:
    # substr, not LIKE: a prefix is compared exactly, whatever characters it holds.
    query = (
        "SELECT object, verdict, layers, doubts FROM candidate"
        " WHERE scan_id = ?1 AND key > ?2 AND key >= ?3 AND substr(key, 1, length(?3)) = ?3"
        " AND verdict IS NOT NULL AND (?4 IS NULL OR verdict = ?4) ORDER BY key LIMIT ?5"
    )
    rows = connection.execute(query, (scan_id, after, prefix, verdict, PAGE))
    return [
        Judged(_object.decode(blob), ObjectVerdict(v), _layers.decode(ls), _doubts.decode(ds))
        for blob, v, ls, ds in rows
    ]


def _create_plan(connection: sqlite3.Connection, head: Plan) -> Plan:
    rows = connection.execute(
        "SELECT object, layers FROM candidate WHERE scan_id = ? AND verdict = 'orphan'"
        " ORDER BY key",
        (head.scan_id,),
    )
    items = (
        PlanItem(
            (o := _object.decode(blob)).key,
            o.etag,
            o.size,
            o.last_modified,
            o.storage_class,
            _layers.decode(layers),
        )
        for blob, layers in rows
    )
    return _store_plan(connection, head, items)


def _select_plan(
    connection: sqlite3.Connection,
    parent: Plan,
    plan_id: str,
    prefixes: Sequence[str],
    keys: frozenset[str],
) -> Plan:
    head = msgspec.structs.replace(parent, plan_id=plan_id, parent=parent.plan_id)
    items = (i for i in _items(connection, parent.plan_id) if selects(i.key, prefixes, keys))
    part = _store_plan(connection, head, items)
    if part.objects == 0:
        raise NoSuchKey(f"plan {parent.plan_id} holds no such key or prefix")
    return part


def _store_plan(connection: sqlite3.Connection, head: Plan, items: Iterator[PlanItem]) -> Plan:
    objects = size = 0
    writer = connection.cursor()
    for item in items:
        writer.execute(
            "INSERT INTO plan_item VALUES (?, ?, ?)",
            (head.plan_id, item.key, _encoder.encode(item)),
        )
        objects += 1
        size += item.size
    plan = msgspec.structs.replace(head, objects=objects, bytes=size)
    plan = msgspec.structs.replace(plan, sha256=_recompute(connection, plan))
    connection.execute("INSERT INTO plan VALUES (?, ?)", (plan.plan_id, _encoder.encode(plan)))
    return plan


def _recompute(connection: sqlite3.Connection, plan: Plan) -> str:
    items = _items(connection, plan.plan_id)
    try:
        return plan_sha256(plan, items)
    except msgspec.DecodeError as error:
        raise PlanChanged(f"plan {plan.plan_id} cannot be read: {error}") from error


def _items(connection: sqlite3.Connection, plan_id: str) -> Iterator[PlanItem]:
    query = "SELECT item FROM plan_item WHERE plan_id = ? ORDER BY key"
    return (_item.decode(row[0]) for row in connection.execute(query, (plan_id,)))


def _get_plan(connection: sqlite3.Connection, plan_id: str) -> Plan | None:
    row = connection.execute("SELECT head FROM plan WHERE plan_id = ?", (plan_id,)).fetchone()
    return _plan.decode(row[0]) if row else None


def _plans(connection: sqlite3.Connection) -> list[Plan]:
    query = "SELECT head FROM plan ORDER BY plan_id DESC"
    return [_plan.decode(row[0]) for row in connection.execute(query)]


def _plan_page(connection: sqlite3.Connection, plan_id: str, after: str) -> list[PlanItem]:
    query = "SELECT item FROM plan_item WHERE plan_id = ? AND key > ? ORDER BY key LIMIT ?"
    return [_item.decode(row[0]) for row in connection.execute(query, (plan_id, after, PAGE))]
