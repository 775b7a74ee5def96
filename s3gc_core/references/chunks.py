"""Cutting a source's rows into chunks that can be recognised: what did not change is not derived.

Where a chunk ends is told by the rows' identities, so that a row more or less moves no boundary but
its own. Nothing depends on the order of the rows but the work that is saved.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from itertools import accumulate, compress, repeat
from operator import mod, not_, sub
from pathlib import Path

import msgspec
import xxhash

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Page, RowId, Value
from s3gc_core.references.codecs import BucketNames

# One row in so many ends a chunk. A prime, since identities are handed out in round numbers.
MEAN_ROWS = 509
# What bounds the memory: a chunk never has more rows, and ends with the page in which its values
# (characters and bytes) come to so much.
MOST_ROWS = 16 * MEAN_ROWS
MOST_BYTES = 4 << 20
DIGEST_BYTES = 16

_encode = msgspec.msgpack.Encoder().encode
_decode_ids = msgspec.msgpack.Decoder(list[RowId]).decode


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a source, and a digest over all that their edges follow from."""

    digest: bytes
    rows: Page


class Chunker:
    """Cuts the pages of one source, in the order in which they come."""

    def __init__(self, source: SourceConfig, names: BucketNames) -> None:
        self._seed = hashlib.blake2b(definition(source, names), digest_size=DIGEST_BYTES)
        self._ids: list[RowId] = []
        self._columns: list[list[Value]] = [[] for _ in source.columns]

    def cut(self, page: Page) -> Iterator[Chunk]:
        """The chunks that end in this page."""
        start = 0
        for end in ends(page.ids):
            yield from self._grow(page, start, end + 1)
            yield from self.end()
            start = end + 1
        yield from self._grow(page, start, len(page))
        if Page(self._ids, self._columns).size >= MOST_BYTES:
            yield from self.end()

    def end(self) -> Iterator[Chunk]:
        """The chunk that is still open."""
        if self._ids:
            yield Chunk(self._digest(), Page(self._ids, self._columns))
        self._ids, self._columns = [], [[] for _ in self._columns]

    def _grow(self, page: Page, start: int, stop: int) -> Iterator[Chunk]:
        while (room := MOST_ROWS - len(self._ids)) < stop - start:
            self._take(page, start, start + room)
            start += room
            yield from self.end()
        self._take(page, start, stop)

    def _take(self, page: Page, start: int, stop: int) -> None:
        self._ids += page.ids[start:stop]
        for column, more in zip(self._columns, page.columns, strict=True):
            column += more[start:stop]

    def _digest(self) -> bytes:
        # MessagePack writes type and length of everything, so no two lists of rows run together.
        try:
            content = b"\0" + _encode((self._ids, self._columns))
        except UnicodeEncodeError:
            # Text that is not UTF-8 (surrogates stand for its bytes): written as JSON escapes.
            plain = [[_told(value) for value in column] for column in self._columns]
            content = b"\1" + json.dumps([self._ids, plain]).encode()
        digest = self._seed.copy()
        digest.update(content)
        return digest.digest()


def _told(value: Value) -> list[str] | str | None:
    return [value.hex()] if isinstance(value, bytes) else value


def ends(ids: Sequence[RowId]) -> list[int]:
    """Places of the rows that end a chunk, by their identity alone."""
    numbers: Iterable[RowId] = ids
    if set(map(type, ids)) != {int}:
        numbers = [row if isinstance(row, int) else _number(row) for row in ids]
    return list(compress(range(len(ids)), map(not_, map(mod, numbers, repeat(MEAN_ROWS)))))


def _number(row: str) -> int:
    return xxhash.xxh3_64_intdigest(row.encode("utf-8", "surrogatepass"))


def definition(source: SourceConfig, names: BucketNames) -> bytes:
    """Everything but the rows that edges follow from: the source, the bucket's names, our code."""
    settings = [_plain(source), _plain(names)]
    return code_digest() + json.dumps(settings, sort_keys=True, default=_pattern).encode()


def _plain(settings: SourceConfig | BucketNames) -> Mapping[str, object]:
    return {"type": type(settings).__name__, **asdict(settings)}


def _pattern(value: object) -> object:
    """How JSON writes what is compiled. Nothing else may stand in settings: `TypeError`."""
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    raise TypeError(f"no digest can be made of {type(value).__name__}")


@cache
def code_digest() -> bytes:
    """A digest of our own code, of the libraries that it uses, and of Python.

    With other code the same value may hold other keys, so nothing is recognised then.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    for content in (path.read_bytes() for path in files):
        digest.update(len(content).to_bytes(8) + content)
    names = [re.split(r"[^\w.-]", need)[0] for need in metadata.requires("s3gc") or ()]
    versions = [f"{name} {metadata.version(name)}" for name in names if _is_installed(name)]
    told = [sys.version, unicodedata.unidata_version, *versions]
    digest.update(json.dumps(told).encode())
    return digest.digest()


def _is_installed(name: str) -> bool:
    return any(True for _ in metadata.distributions(name=name))


def pack_ids(ids: Sequence[RowId]) -> bytes:
    """Row identities in little room: of whole numbers only the steps from one to the next."""
    if set(map(type, ids)) == {int}:
        # Two numbers of 64 bits may be further apart than MessagePack can say.
        with suppress(OverflowError):
            return b"\0" + _encode([ids[0], *map(sub, ids[1:], ids)])
    return b"\1" + _encode(ids)


def unpack_ids(packed: bytes) -> list[RowId]:
    """What `pack_ids` packed."""
    ids = _decode_ids(packed[1:])
    return list(accumulate(ids)) if packed[:1] == b"\0" else ids
