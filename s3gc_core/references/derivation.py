"""From rows to edges, many at a time: nothing is done twice per key that can be done per page."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress

import xxhash

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import RowId, Value
from s3gc_core.references.codecs import BucketNames, keys_of_row
from s3gc_core.references.codecs.resizers import ENCODED
from s3gc_core.references.spellings import fold, key_hash, storable

# Values in which these codecs find themselves and nothing else, nearly all of most columns: names
# without odd characters, between single slashes, the first of them no host. Told by one look, where
# the codecs would look at each from many sides.
_PLAIN_CODECS = frozenset({Codec.AUTO, Codec.KEY})
_NAME = r"[A-Za-z0-9_\-]++"
_FILE = rf"{_NAME}(?:\.{_NAME})*+"
_PLAIN = re.compile(
    rf"(?!{'|'.join(map(re.escape, ENCODED))})(?:{_NAME}(?:/{_FILE})++|{_FILE})", re.ASCII
)
_LONGEST_PLAIN = 1024

# Row, key hash, hash of the key's folded form, and the key as it is written (for people to read).
NearEdge = tuple[RowId, int, int, str]


@dataclass(frozen=True, slots=True)
class Derived:
    """The edges of some rows: `rows[n]` refers to the key `keys[n]` with the hash `hashes[n]`.

    `near` holds, apart from these, edges whose key's folded form is none of their row's keys.
    `keyed` holds each row that refers to anything.
    """

    rows: list[RowId]
    keys: list[str]
    hashes: list[int]
    near: list[NearEdge]
    keyed: list[RowId]


def derive(
    source: SourceConfig,
    ids: Sequence[RowId],
    values: Sequence[tuple[Value, ...]],
    names: BucketNames,
) -> Derived:
    """The edges of rows with these identities and values. Pure; the only place that makes edges."""
    found = keys_of_rows(source, values, names)
    keyed = list(compress(ids, found))
    rows = [row for row, of_row in zip(ids, found, strict=True) for _ in of_row]
    keys = [key for of_row in found for key in of_row]
    hashes = key_hashes(keys)
    forms = folded(keys)
    if forms == keys:
        return Derived(rows, keys, hashes, [], keyed)
    own = (of_row for of_row in found for _ in of_row)
    plain = [form in of_row for form, of_row in zip(forms, own, strict=True)]
    near = [
        (row, h, key_hash(form), storable(key))
        for row, h, form, key, is_plain in zip(rows, hashes, forms, keys, plain, strict=True)
        if not is_plain
    ]
    return Derived(
        list(compress(rows, plain)),
        list(compress(keys, plain)),
        list(compress(hashes, plain)),
        near,
        keyed,
    )


def keys_of_rows(
    source: SourceConfig, values: Sequence[tuple[Value, ...]], names: BucketNames
) -> Sequence[Collection[str]]:
    """`keys_of_row` of each row."""
    if source.codec not in _PLAIN_CODECS or names.url_patterns:
        return [keys_of_row(source, of_row, names) for of_row in values]
    is_plain = _PLAIN.fullmatch
    return [
        (value,)
        if isinstance(value := of_row[0], str) and is_plain(value) and len(value) <= _LONGEST_PLAIN
        else keys_of_row(source, of_row, names)
        for of_row in values
    ]


def key_hashes(keys: Sequence[str]) -> list[int]:
    """`key_hash` of each key."""
    try:
        unsigned = array("Q", map(xxhash.xxh3_64_intdigest, map(str.encode, keys)))
    except UnicodeEncodeError:
        return [key_hash(key) for key in keys]
    return array("q", unsigned.tobytes()).tolist()


def folded(keys: Sequence[str]) -> list[str]:
    """`fold` of each key: of plain ones, nearly all, at once."""
    text = "\n".join(keys)
    framed = f"\n{text}\n"
    if (
        text.isascii()
        and text.count("\n") == len(keys) - 1
        and not any(
            mark in framed
            for mark in ("%", "&", "+", "\\", "//", "/ ", " /", "\n/", "/\n", "\n ", " \n")
        )
    ):
        return text.lower().split("\n")
    return [fold(key) for key in keys]
