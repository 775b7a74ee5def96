"""Dangling references: rows that name an object which is not in the bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.config import SourceConfig
from s3gc_core.databases import Row, RowId
from s3gc_core.errors import NoListing
from s3gc_core.parallel import in_parallel
from s3gc_core.references import BucketNames, key_hash, pages
from s3gc_core.references.codecs import keys_of_row

# Spellings of one reference that are looked for in the bucket itself, and told.
_FORMS = 8
# Keys asked for at once; the bucket's client limits how many of them are sent together.
_LOOKED_UP = 200


class Dangling(msgspec.Struct, frozen=True):
    """A row whose object is missing. `keys`: where it might be; `in_vault`: of these, what the
    vault can bring back.
    """

    source: str
    row: RowId
    keys: tuple[str, ...]
    in_vault: tuple[str, ...]


async def dangling(parts: Parts) -> AsyncIterator[list[Dangling]]:
    """Every row of the sources that holds a key, where no object is at any spelling of it.

    Looked up in the last complete listing, and what is not there in the bucket itself. Raises
    `NothingTracked`, `NoListing`, and what reading a source raises.
    """
    parts.refuse_nothing_tracked()
    if await parts.catalogue.listing() is None:
        raise NoListing("the bucket was not listed yet")
    names = BucketNames.of(parts.config)
    async for source, page in pages(parts.databases, parts.config.sources):
        keys = await asyncio.to_thread(_keys_of_page, source, page, names)
        listed = await parts.catalogue.listed(list({h for _, forms in keys for h in forms}))
        missing = [
            (row, sorted(forms.values(), key=lambda key: (len(key), key))[:_FORMS])
            for row, forms in keys
            if forms and listed.isdisjoint(forms)
        ]
        if missing:
            told = await _told(parts, source, missing)
            if told:
                yield told


def _keys_of_page(
    source: SourceConfig, page: Sequence[Row], names: BucketNames
) -> list[tuple[RowId, dict[int, str]]]:
    return [
        (row.id, {key_hash(key): key for key in keys_of_row(source, row.values, names)})
        for row in page
    ]


async def _told(
    parts: Parts, source: SourceConfig, missing: Sequence[tuple[RowId, list[str]]]
) -> list[Dangling]:
    there = await _present(parts, {key for _, keys in missing for key in keys})
    left = [(row, keys) for row, keys in missing if there.isdisjoint(keys)]
    if not left:
        return []
    wanted = tuple({key for _, keys in left for key in keys})
    kept = {
        backup.intent.key
        async for page in parts.audit.deleted_objects(keys=wanted)
        for backup in page
    }
    return [
        Dangling(source.name, row, tuple(keys), tuple(key for key in keys if key in kept))
        for row, keys in left
    ]


async def _present(parts: Parts, keys: set[str]) -> set[str]:
    """Those of the keys at which an object is now: uploaded, perhaps, after the listing."""
    possible = sorted(key for key in keys if _is_possible(key))
    there = set()
    for start in range(0, len(possible), _LOOKED_UP):
        asked = possible[start : start + _LOOKED_UP]
        states = await in_parallel(parts.bucket.head(key) for key in asked)
        there |= {key for key, state in zip(asked, states, strict=True) if state is not None}
    return there


def _is_possible(key: str) -> bool:
    """Keys are UTF-8 of at most 1,024 bytes (S3 user guide)."""
    try:
        return 0 < len(key.encode()) <= 1024
    except UnicodeEncodeError:
        return False
