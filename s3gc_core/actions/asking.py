"""Questions that change nothing: why is this key kept or a candidate, and how do things stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from s3gc_core.actions.parts import Parts, refuse_impossible_key
from s3gc_core.bucket import ListedObject
from s3gc_core.config import SourceConfig
from s3gc_core.databases import RowId
from s3gc_core.judgement import Judge, Judged, holders_of, mentioned_in, rules_of
from s3gc_core.references import (
    BucketNames,
    Edge,
    Found,
    find_references,
    key_hash,
    near_forms,
    table_read,
)

# References of one key that are told with the query that shows their row.
_QUERIES = 20


class Reference(msgspec.Struct, frozen=True):
    """A row that holds a key, and who says so: `registry` or `database`.

    `first_seen` and `last_seen` (UTC) are readings of the registry; `query` is SQL that shows the
    row. `spelling`: how the row writes the key, where it is another one (a near miss).
    """

    database: str
    table: str
    column: str
    row: RowId
    seen_by: str
    codec: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    query: str = ""
    spelling: str = ""


class LastReference(msgspec.Struct, frozen=True):
    """The row that held the key last, and when the registry first saw it gone (UTC).

    `source` and `row` are None where an older s3gc saw it, which did not write them down.
    """

    at: datetime
    source: str | None
    row: RowId | None


class BackupOf(msgspec.Struct, frozen=True):
    """A backup of a key in the vault. `deleted_at` is UTC; `lossy`: it is a compact copy."""

    operation_id: str
    deleted_at: datetime
    size: int
    lossy: bool = False


class Explanation(msgspec.Struct, frozen=True):
    """Everything known about a key now. `judged` is None where no object is at the key.

    `near` are rows that write the key almost so, `tried` the forms in which they were looked for,
    `searched` the sources that were asked.
    """

    key: str
    judged: Judged | None
    references: list[Reference]
    backups: list[BackupOf]
    near: list[Reference] = []
    last_reference: LastReference | None = None
    tried: list[str] = []
    searched: list[str] = []


async def explain(parts: Parts, key: str) -> Explanation | None:
    """Ask bucket, registry, databases and vault about one key; None where none of them knows it.

    A referenced object is judged as well: its verdict is `keep`, with the reference as reason.
    """
    parts.refuse_nothing_tracked()
    refuse_impossible_key(key)
    began_at = parts.clock.now()
    found = await _ask_databases(parts, key)
    judged = await _judge(parts, key, found, began_at)
    references = await _references(parts, key, found)
    backups = [
        BackupOf(b.operation_id, b.deleted_at, b.intent.size, b.intent.backup.is_lossy)
        async for page in parts.audit.deleted_objects(keys=(key,))
        for b in page
    ]
    if judged is None and not references and not backups:
        return None
    last = (await parts.registry.last_holders([key_hash(key)])).get(key_hash(key))
    return Explanation(
        key,
        judged,
        references,
        backups,
        await _told(parts, (_of_database(one) for one in found if one.near), "database"),
        LastReference(last.at, last.source, last.row) if last else None,
        list(dict.fromkeys([key, *(form.lstrip("/") for form in near_forms(key))])),
        [source.name for source in parts.config.sources],
    )


async def _ask_databases(parts: Parts, key: str) -> list[Found]:
    wanted = {key_hash(form) for form in (key, *near_forms(key))}

    async def is_wanted(hashes: list[int]) -> set[int]:
        return wanted.intersection(hashes)

    names = BucketNames.of(parts.config)
    found: list[Found] = []
    async for hits in find_references(
        parts.databases, parts.config.sources, names, is_wanted, near=True
    ):
        found.extend(hits)
    exact = {(one.source, one.row) for one in found if one.hash == key_hash(key) and not one.near}
    # A row that holds the key itself is no near miss, and a row is told once.
    rows = {
        (one.source, one.row): one
        for one in found
        if one.near and (one.source, one.row) not in exact
    }
    return [one for one in found if (one.source, one.row) in exact and not one.near] + [
        *rows.values()
    ]


async def _judge(
    parts: Parts, key: str, found: Sequence[Found], began_at: datetime
) -> Judged | None:
    # First, as it gives up soon: someone waits for the answer.
    await parts.bucket.check()
    state = await parts.bucket.head(key)
    if state is None:
        return None
    entry = ListedObject(
        key, state.size, state.etag, state.last_modified, state.headers.storage_class
    )
    # The registry is as current as it says: a scan's answer, not a new one.
    valid_at = await parts.registry.valid_at()
    [judged] = await Judge(parts.registry, rules_of(parts.config)).judge_page(
        [entry],
        holders_of(found),
        near_holders=holders_of(found, near=True),
        # What the last scan saw elsewhere: reading all tables anew would take too long.
        mentioned=mentioned_in(await parts.catalogue.mentions([key_hash(key)])),
        current_since=valid_at or began_at,
        now=parts.clock.now(),
        bucket_now=await parts.bucket.server_now(),
    )
    return judged


async def _references(parts: Parts, key: str, found: Sequence[Found]) -> list[Reference]:
    by_registry = await parts.registry.edges_of(key)
    by_database = [_of_database(one) for one in found if not one.near]
    return [
        *await _told(parts, by_registry, "registry"),
        *await _told(parts, by_database, "database"),
    ]


def _of_database(found: Found) -> Edge:
    return Edge(found.source, found.row, spelling=found.spelling or None)


async def _told(parts: Parts, edges: Iterable[Edge], seen_by: str) -> list[Reference]:
    """Edges of the sources that are configured, in full."""
    by_name = {source.name: source for source in parts.config.sources}
    valid_at = await parts.registry.valid_at() if seen_by == "registry" else None
    told: list[Reference] = []
    for edge in edges:
        source = by_name.get(edge.source)
        if source is None:
            continue
        query = await _query(parts, source, edge.row) if len(told) < _QUERIES else ""
        told.append(
            Reference(
                source.database,
                source.table,
                ",".join(source.columns),
                edge.row,
                seen_by,
                str(source.codec),
                edge.first_seen,
                valid_at,
                query,
                edge.spelling or "",
            )
        )
    return told


async def _query(parts: Parts, source: SourceConfig, row: RowId) -> str:
    [database] = [one for one in parts.databases if one.name == source.database]
    async with database.snapshot() as snapshot:
        return await snapshot.query_for(table_read(source), row)
