"""Readings of sources without a database: pairs of row and key, in chunks, into a registry."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import Edge, Registry, fold, key_hash
from s3gc_core.references.derivation import Derived
from s3gc_core.references.loading import FreshChunk

START = datetime(2026, 1, 1, tzinfo=UTC)
Pairs = Collection[tuple[RowId, str]]
# What a reading finds: source -> (row, key) pairs.
Reading = Mapping[str, Pairs]


class LostError(Exception):
    """What ends a reading midway."""


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def derived(pairs: Pairs) -> Derived:
    """The edges of rows, as the codecs would have found them."""
    of_row: dict[RowId, set[str]] = {}
    for row, key in pairs:
        of_row.setdefault(row, set()).add(key)
    plain = [(row, key) for row, key in pairs if fold(key) in of_row[row]]
    near = [(row, key) for row, key in pairs if fold(key) not in of_row[row]]
    return Derived(
        [row for row, _ in plain],
        [key for _, key in plain],
        [key_hash(key) for _, key in plain],
        [(row, key_hash(key), key_hash(fold(key)), key) for row, key in near],
        list(of_row),
    )


def chunk(pairs: Pairs) -> FreshChunk:
    """A chunk whose digest says what is in it."""
    told = repr(sorted(pairs, key=repr)).encode()
    return FreshChunk(hashlib.blake2b(told, digest_size=16).digest(), derived(pairs))


def chunks(pairs: Pairs) -> list[FreshChunk]:
    """Rows in three chunks, always the same row in the same one."""
    parts: list[set[tuple[RowId, str]]] = [set(), set(), set()]
    for row, key in pairs:
        parts[key_hash(repr(row)) % 3].add((row, key))
    return [chunk(part) for part in parts if part]


async def load_chunks(
    registry: Registry,
    sources: Mapping[str, Iterable[FreshChunk]],
    at: datetime,
    *,
    trust: bool = True,
) -> int:
    """One complete reading; returns how many chunks were not known."""
    unknown = 0
    async with registry.load(at, {"main": at.isoformat()}, trust=trust) as load:
        for name, read in sources.items():
            known = await load.begin_source(name)
            seen, keyed, rows = set(), 0, 0
            for one in read:
                if one.digest not in known:
                    await load.add([one])
                    unknown += 1
                seen.add(one.digest)
                rows += len(one.derived.keyed)
                keyed += known.get(one.digest, len(one.derived.keyed))
            await load.end_source(rows, keyed, seen)
    return unknown


async def load(registry: Registry, reading: Reading, at: datetime, *, trust: bool = True) -> int:
    """One complete reading; returns how many chunks were not known."""
    sources = {name: chunks(pairs) for name, pairs in reading.items()}
    return await load_chunks(registry, sources, at, trust=trust)


async def edges(registry: Registry, *keys: str) -> dict[str, list[Edge]]:
    return {key: await registry.edges_of(key) for key in keys}


async def released(registry: Registry, *keys: str) -> dict[str, datetime]:
    found = await registry.released([key_hash(key) for key in keys])
    return {key: found[key_hash(key)] for key in keys if key_hash(key) in found}


def stored(path: Path, *but: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the file but these tables."""
    with closing(sqlite3.connect(path / "registry.db")) as file:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = {name for (name,) in file.execute(query)} - set(but)
        assert {"source", "edge", "chunk", "released", "reading", "state"} <= tables | set(but)
        return {t: sorted(file.execute(f"SELECT * FROM {t}"), key=repr) for t in tables}
