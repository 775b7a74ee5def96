"""Reading all sources into the registry: what did not change is recognised, not derived again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Database, Page, Snapshot
from s3gc_core.parallel import Behind
from s3gc_core.references.chunks import Chunk, Chunker
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.derivation import derive
from s3gc_core.references.loading import FreshChunk
from s3gc_core.references.reading import RowsRead, read_ahead, table_read
from s3gc_core.references.registry import Load, Registry


async def refresh(
    registry: Registry,
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    *,
    began_at: datetime,
    rows_read: RowsRead = lambda _: None,
    trust: bool = True,
    keep: Collection[str] | None = (),
) -> Mapping[str, tuple[int, int]]:
    """Read all sources and bring the registry to them by difference.

    Each database is read in one snapshot. If any page cannot be read, the error goes on to the
    caller and the registry stays as it was: a partial reading is never taken for a whole one.
    Without `trust` nothing is recognised: every edge is derived and compared. Sources that are not
    given go, but for those to `keep`; with None all others stay, and say nothing of their own age.
    Returns how many edges came and how many went, by source.
    """
    total = 0

    def told(rows: int) -> None:
        nonlocal total
        total += rows
        rows_read(total)

    positions = None
    if keep is not None:
        positions = {database.name: began_at.isoformat() for database in databases}
    async with registry.load(began_at, positions, trust=trust, keep=keep) as load:
        for database in databases:
            own = [source for source in sources if source.database == database.name]
            if not own:
                continue
            async with database.snapshot() as snapshot:
                for source in own:
                    await read_source(load, snapshot, source, names, told)
    return load.changes


async def read_source(
    load: Load,
    snapshot: Snapshot,
    source: SourceConfig,
    names: BucketNames,
    told: Callable[[int], None],
) -> None:
    """Read one source to its end into the load; `told` hears of each page's rows."""
    recognition = _Recognition(source, names, await load.begin_source(source.name))
    async with (
        Behind() as writing,
        aclosing(read_ahead(snapshot, snapshot.rows(table_read(source)))) as pages,
    ):
        async for page in pages:
            fresh = await asyncio.to_thread(recognition.take, page)
            # What was found before is written while the next page is worked on.
            await writing.put(load.add(fresh))
            told(len(page))
        await writing.put(load.add(await asyncio.to_thread(recognition.end)))
    await load.end_source(recognition.rows, recognition.keyed, recognition.seen)


@dataclass(slots=True)
class _Recognition:
    """Tells the chunks of a source that are known from those that have to be derived."""

    source: SourceConfig
    names: BucketNames
    known: dict[bytes, int]
    rows: int = 0
    keyed: int = 0
    seen: set[bytes] = field(default_factory=set)
    chunker: Chunker = field(init=False)

    def __post_init__(self) -> None:
        self.chunker = Chunker(self.source, self.names)

    def take(self, page: Page) -> list[FreshChunk]:
        """The chunks that end in this page and are not known."""
        self.rows += len(page)
        return [fresh for chunk in self.chunker.cut(page) for fresh in self._derived(chunk)]

    def end(self) -> list[FreshChunk]:
        """The last chunk, if it is not known."""
        return [fresh for chunk in self.chunker.end() for fresh in self._derived(chunk)]

    def _derived(self, chunk: Chunk) -> list[FreshChunk]:
        self.seen.add(chunk.digest)
        if (keyed := self.known.get(chunk.digest)) is not None:
            self.keyed += keyed
            return []
        derived = derive(self.source, chunk.rows, self.names)
        self.known[chunk.digest] = len(derived.keyed)
        self.keyed += len(derived.keyed)
        return [FreshChunk(chunk.digest, derived)]
