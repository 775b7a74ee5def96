"""Reading the sources: one consistent snapshot per database, page by page, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from dataclasses import dataclass
from typing import TypeVar

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Database, Page, RowId, Snapshot, TableRead
from s3gc_core.references.codecs import BucketNames, broad_keys_of_row, is_broad
from s3gc_core.references.derivation import keys_of_rows
from s3gc_core.references.spellings import fold, key_hashes, reference_forms

T = TypeVar("T")

# Asks which of some key hashes are wanted; answers with a subset.
Wanted = Callable[[list[int]], Awaitable[set[int]]]
# Tells how many rows were read so far.
RowsRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A reference found by asking a database: the wanted hash, and the row that holds it.

    With `near` the row holds a key that meets the wanted form of that hash (see
    `spellings.reference_forms`), and writes it as `spelling`.
    """

    hash: int
    source: str
    row: RowId
    near: bool = False
    spelling: str = ""


def table_read(source: SourceConfig) -> TableRead:
    """What has to be read for a source."""
    return TableRead(source.table, source.columns, source.where)


async def find_references(
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    wanted: Wanted,
    *,
    near: bool = False,
    rows_read: RowsRead = lambda _: None,
) -> AsyncIterator[list[Found]]:
    """Ask the databases themselves: every row of a tracked source that holds a wanted key.

    Each value is read with the declared codec and with `auto`, in every spelling. The scan and
    the last check before a delete both ask through `find_in_pages`. With `near`, rows that write
    a wanted key almost like it are found as well.
    """
    read = pages(databases, sources)
    async for found in find_in_pages(read, names, wanted, near=near, rows_read=rows_read):
        yield found


async def find_in_pages(
    read: AsyncIterator[tuple[SourceConfig, Page]],
    names: BucketNames,
    wanted: Wanted,
    *,
    near: bool = False,
    rows_read: RowsRead = lambda _: None,
) -> AsyncIterator[list[Found]]:
    """`find_references` in rows that somebody else reads."""
    total = 0
    async for source, page in read:
        exact, folded = await asyncio.to_thread(_holders_of_page, source, page, names, near)
        hits = await wanted([*exact, *folded])
        if hits:
            found = [Found(h, source.name, row) for h in hits for row in exact.get(h, ())]
            found += [
                Found(h, source.name, row, True, spelling)
                for h in hits
                for row, spelling in folded.get(h, {}).items()
            ]
            yield found
        total += len(page)
        rows_read(total)


async def pages(
    databases: Sequence[Database], sources: Sequence[SourceConfig]
) -> AsyncIterator[tuple[SourceConfig, Page]]:
    """All rows of all sources, page by page, each database in one snapshot."""
    for database in databases:
        async with database.snapshot() as snapshot:
            for source in sources:
                if source.database == database.name:
                    async for page in snapshot.rows(table_read(source)):
                        yield source, page


async def read_ahead(snapshot: Snapshot, parts: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """A read of the snapshot; where a server works for it, what follows is read while one part is
    worked on.
    """
    ahead: asyncio.Future[T | None] | None = None
    try:
        while (part := await (ahead or _next(parts))) is not None:
            if snapshot.is_remote:
                ahead = asyncio.ensure_future(_next(parts))
            yield part
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _next(parts: AsyncIterator[T]) -> T | None:
    return await anext(parts, None)


def _holders_of_page(
    source: SourceConfig, page: Page, names: BucketNames, near: bool
) -> tuple[dict[int, list[RowId]], dict[int, dict[RowId, str]]]:
    """Rows by the hashes of the keys they hold; and, if asked for, of the forms these are met by.

    The latter with the key as it is written.
    """
    broad = keys_of_rows(source, page, names, broad_keys_of_row)
    rows = [row for row, keys in zip(page.ids, broad, strict=True) for _ in keys]
    exact: defaultdict[int, list[RowId]] = defaultdict(list)
    for row, h in zip(rows, key_hashes([key for keys in broad for key in keys]), strict=True):
        exact[h].append(row)
    folded: defaultdict[int, dict[RowId, str]] = defaultdict(dict)
    if near:
        found = broad if is_broad(source) else keys_of_rows(source, page, names)
        met = [
            (row, key, form)
            for row, keys, more in zip(page.ids, found, broad, strict=True)
            for key, form in _met(keys, more)
        ]
        for (row, key, _), h in zip(met, key_hashes([form for _, _, form in met]), strict=True):
            folded[h].setdefault(row, key)
    return exact, folded


def _met(keys: Collection[str], broad: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each key of a row with the forms that it is met by."""
    # Of several spellings that meet in a form, the shortest is told.
    for key in sorted(keys, key=len) if len(keys) > 1 else keys:
        for form in reference_forms(key):
            yield key, form
    # What only a broader look finds, such as a word of a text, is met as a whole.
    if len(broad) > len(keys):
        for key in sorted(set(broad).difference(keys), key=len):
            yield key, fold(key)
