"""The registry: which row holds which key, as edges with identity, in `registry.db`.

An edge is (source, row, 64-bit key hash): replaying or re-reading a row changes nothing twice,
where a bare counter drifts (notes on the predecessors, sections 2 and 7). The file can be deleted
and rebuilt.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from s3gc_core.databases.protocol import RowId
from s3gc_core.errors import VaultUnreachable
from s3gc_core.local_store import LocalStore
from s3gc_core.references import registry_tables as tables
from s3gc_core.references import rereads, returned, stream_tables
from s3gc_core.references.loading import FreshChunk, Loading
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.registry_tables import Edge, Released, SourceStats
from s3gc_core.references.returned import Returned
from s3gc_core.references.spellings import key_hash
from s3gc_core.references.stream_tables import FollowedSource, Shortfall, StreamState

P = ParamSpec("P")
T = TypeVar("T")

__all__ = [
    "Edge",
    "FollowedSource",
    "Load",
    "Registry",
    "Released",
    "Returned",
    "Shortfall",
    "SourceStats",
    "StreamState",
]


class Load:
    """One reading on its way into the registry, which meanwhile answers as it was."""

    def __init__(self, own: OwnConnection, loading: Loading, *, lasting: bool) -> None:
        self._own = own
        self._loading = loading
        self._lasting = lasting

    async def follow(self, database: str, sources: Sequence[FollowedSource]) -> None:
        """From here on the database's stream keeps these sources, which were just read, true."""
        await self._own.run(lambda _: self._loading.follow(database, sources))

    @property
    def changes(self) -> Mapping[str, tuple[int, int]]:
        """Edges that came and edges that went, by source, as far as sources are read."""
        return self._loading.changes

    async def begin_source(self, name: str) -> dict[bytes, int]:
        """Go on to the next source; returns its known chunks: digest, and rows that hold keys.

        The edges of a known chunk are in the registry, so it need not be added.
        """
        return await self._own.run(lambda _: self._loading.begin_source(name))

    async def add(self, chunks: Sequence[FreshChunk]) -> None:
        """Add chunks of the source that are not known. One that comes twice counts once."""
        await self._own.run(lambda _: self._loading.add(chunks))
        if self._lasting and self._loading.may_keep:
            await self._own.run(lambda _: self._loading.keep_so_far())
            await self._own.begin_to_write()

    async def end_source(self, rows: int, keyed: int, seen: Collection[bytes]) -> None:
        """The source is read to its end: so many rows, so many of them with keys.

        `seen` are the digests of all its chunks; edges of rows in no seen chunk go.
        """
        await self._own.run(lambda _: self._loading.end_source(rows, keyed, seen))


class Registry:
    """The door to `registry.db`. Every call is one batch in the store's thread."""

    def __init__(self, store: LocalStore, path: Path) -> None:
        self._store = store
        self.path = path

    @classmethod
    async def open(cls, vault_path: Path) -> Registry:
        """Open or create `registry.db` in the vault folder; an older one is brought to our format.

        What an older one says is not true any more until the sources are read anew. Raises
        `RegistryTooNew`, `VaultUnreachable`, and `VaultBusy` while an operation may use an older
        one.
        """
        path = vault_path / "registry.db"
        store = await LocalStore.open(path, durable=False)
        try:
            if not await store.read(tables.is_ours):
                await store.run(tables.make_ours, vault_path)
        except BaseException as error:
            await store.close()
            if isinstance(error, sqlite3.Error):
                raise VaultUnreachable(f"cannot make the registry's tables: {error}") from error
            raise
        return cls(store, path)

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    @asynccontextmanager
    async def load(
        self,
        began_at: datetime,
        positions: Mapping[str, str] | None,
        *,
        trust: bool = True,
        keep: Collection[str] | None = (),
        lasting: bool = False,
    ) -> AsyncIterator[Load]:
        """One reading of sources. It counts when the block ends without an error, as a whole.

        If `lasting`, chunks of a source that had no edges stay also where it ends otherwise: too
        much to be true, and work that the next reading need not do again.

        Sources that are not read in it go, with their edges, but for those to `keep` (None: all).
        `began_at` (UTC) is when the reading began: with `positions` the registry is true from then
        on, as far as no stream follows; hashes whose last edge went away are remembered with it.
        Without `trust` no chunk is known, and every edge is compared.
        """
        async with OwnConnection.writing(self.path) as own:
            loading = await own.run(Loading, began_at, trust)
            yield Load(own, loading, lasting=lasting)
            await own.run(lambda _: loading.finish(positions, keep))

    async def valid_at(self) -> datetime | None:
        """The moment (UTC) for which the registry is true; None while it is true for none.

        Asked after the edges, it answers for them: what makes edges go that may be needed (a load,
        a changed table) makes this None in the same transaction.
        """
        return await self._store.read(tables.valid_at)

    async def _write(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As the store's `run`, for as long as another process loads, which may take minutes."""
        while True:
            try:
                return await self._store.run(function, *args, **kwargs)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise

    async def streams(self) -> dict[str, StreamState]:
        """How far each followed database has come, by its name."""
        return await self._store.read(stream_tables.streams)

    async def begin_stream(self, state: StreamState) -> None:
        """A new stream, in place of what there was of its database: nothing of it is true yet."""
        await self._write(stream_tables.begin_stream, state)

    async def forget_stream(self, database: str) -> None:
        """The database is followed no more; its sources have to be read as a whole."""
        await self._write(stream_tables.forget_stream, database)

    async def lose_stream(self, database: str, name: str, state: str, why: str) -> None:
        """The stream (if it still has that name) cannot go on, and nothing is true by it."""
        await self._write(stream_tables.lose_stream, database, name, state, why)

    async def followed(self, database: str) -> dict[str, FollowedSource]:
        """The sources of a database that its stream keeps true, by name."""
        return await self._store.read(stream_tables.followed, database)

    async def unfollow(self, sources: Collection[str]) -> None:
        """No stream keeps these sources true any more."""
        for source in sources:
            await self._write(stream_tables.unfollow, source)

    async def soil_tables(self, database: str, tables: Mapping[str, str] | str) -> None:
        """Tables (each with why; or why for all) have to be read as a whole again."""
        await self._write(stream_tables.soil_tables, database, tables)

    async def shortfall(self, database: str, counter: int) -> Shortfall:
        """What the stream lacks for being true as of that beat."""
        return await self._store.read(stream_tables.shortfall, database, counter)

    async def confirm(self, database: str, counter: int, at: datetime, token: str) -> Shortfall:
        """A beat was made at `at` (UTC): if that very one has come, and nothing is lacking, the
        registry is true for then.
        """
        return await self._write(stream_tables.confirm, database, counter, at, token)

    async def rereads(self, database: str, serial: int, most: int) -> dict[str, list[RowId]]:
        """At most so many rows to be read again, by source: told of up to that portion."""
        return await self._store.read(rereads.wanted, database, serial, most)

    async def vaulted_upto(self) -> int:
        """The last record of the audit log that `add_vaulted` knows."""
        return await self._store.read(returned.vaulted_upto)

    async def add_vaulted(self, keys: Sequence[str], upto: int, at: datetime) -> None:
        """These keys were deleted, by the audit log's records up to that one."""
        await self._write(returned.add_vaulted, keys, upto, at.isoformat())

    async def returned(self) -> list[Returned]:
        """Deleted keys that a row refers to, by key."""
        # Asked each second: mostly there are none, and nobody who writes is waited for.
        if not await self._store.read(returned.any_returned):
            return []
        return await self._write(returned.returned)

    async def note_told(self, keys: Collection[str]) -> None:
        """An alarm was raised for these returned keys."""
        await self._write(returned.note_told, keys)

    async def forget_returned(self, keys: Collection[str], upto: int) -> bool:
        """The objects of these keys are in the bucket again, seen after the audit log was looked at
        up to the record `upto`. False where it was looked at further since: nothing is forgotten.
        """
        return await self._write(returned.forget_returned, keys, upto)

    async def stats(self) -> list[SourceStats]:
        """What the last complete reading found in each source, by name."""
        return await self._store.read(tables.stats)

    async def size(self) -> int:
        """Bytes of the file."""
        return await self._store.read(tables.size)

    async def referenced(self, hashes: Iterable[int]) -> set[int]:
        """Those of `hashes` that have at least one edge."""
        return await self._store.read(tables.members, list(hashes))

    async def near(self, hashes: Iterable[int]) -> set[int]:
        """Those of `hashes` (of folded forms) under which some reference is written."""
        return await self._store.read(tables.near_members, json.dumps(list(hashes)))

    async def released(self, hashes: Iterable[int]) -> dict[int, datetime]:
        """When the last edge of each hash was first seen to be gone (UTC)."""
        return {h: last.at for h, last in (await self.last_holders(hashes)).items()}

    async def last_holders(self, hashes: Iterable[int]) -> dict[int, Released]:
        """When the last edge of each hash went away, and which row held it."""
        return await self._store.read(tables.released, json.dumps(list(hashes)))

    async def edges_of(self, key: str) -> list[Edge]:
        """Every reference to `key`, by source and row."""
        return await self._store.read(tables.edges_of, key_hash(key))

    async def edges_near(self, folded: str) -> list[Edge]:
        """Every reference whose folded form is `folded`, with its `spelling`.

        Those that are written in the folded form itself come first.
        """
        return await self._store.read(tables.edges_near, key_hash(folded), folded)
