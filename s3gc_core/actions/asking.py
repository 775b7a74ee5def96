"""Questions that change nothing: why is this key kept or a candidate, and how do things stand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from s3gc_core.actions.parts import Parts, refuse_impossible_key
from s3gc_core.bucket import ListedObject
from s3gc_core.databases.protocol import RowId
from s3gc_core.judgement import Judge, Judged, holders_of, rules_of
from s3gc_core.references import BucketNames, Found, find_references, key_hash


class Reference(msgspec.Struct, frozen=True):
    """A row that holds a key, and who says so: `registry` or `database`."""

    database: str
    table: str
    column: str
    row: RowId
    seen_by: str


class BackupOf(msgspec.Struct, frozen=True):
    """A backup of a key in the vault. `deleted_at` is UTC."""

    operation_id: str
    deleted_at: datetime
    size: int


class Explanation(msgspec.Struct, frozen=True):
    """Everything known about a key now. `judged` is None where no object is at the key."""

    key: str
    judged: Judged | None
    references: list[Reference]
    backups: list[BackupOf]


async def explain(parts: Parts, key: str) -> Explanation | None:
    """Ask bucket, registry, databases and vault about one key; None where none of them knows it.

    A referenced object is judged as well: its verdict is `keep`, with the reference as reason.
    """
    parts.refuse_nothing_tracked()
    refuse_impossible_key(key)
    wanted = {key_hash(key)}

    async def is_wanted(hashes: list[int]) -> set[int]:
        return wanted.intersection(hashes)

    began_at = parts.clock.now()
    found: list[Found] = []
    async for hits in find_references(
        parts.databases, parts.config.sources, BucketNames.of(parts.config), is_wanted
    ):
        found.extend(hits)
    state = await parts.bucket.head(key)
    judged = None
    if state is not None:
        entry = ListedObject(
            key, state.size, state.etag, state.last_modified, state.headers.storage_class
        )
        # The registry is as current as it says: a scan's answer, not a new one.
        valid_at = await parts.registry.valid_at()
        [judged] = await Judge(parts.registry, rules_of(parts.config)).judge_page(
            [entry],
            holders_of(found),
            current_since=valid_at or began_at,
            now=parts.clock.now(),
            bucket_now=await parts.bucket.server_now(),
        )
    by_name = {source.name: source for source in parts.config.sources}
    references = [(e.source, e.row, "registry") for e in await parts.registry.edges_of(key)]
    references += [(f.source, f.row, "database") for f in found]
    backups = [
        BackupOf(b.operation_id, b.deleted_at, b.intent.size)
        async for page in parts.audit.deleted_objects(keys=(key,))
        for b in page
    ]
    if judged is None and not references and not backups:
        return None
    return Explanation(
        key,
        judged,
        [
            Reference(s.database, s.table, ",".join(s.columns), row, seen_by)
            for name, row, seen_by in references
            if (s := by_name.get(name)) is not None
        ],
        backups,
    )
