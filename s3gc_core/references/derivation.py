"""From rows to edges, many at a time: nothing is done twice per key that can be done per page."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import cast

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Page, RowId, Value
from s3gc_core.references.codecs import BucketNames, keys_of_row
from s3gc_core.references.codecs.resizers import ENCODED
from s3gc_core.references.spellings import fold, key_hash, key_hashes, storable

# Values in which these codecs find themselves and nothing else, nearly all of most columns: names
# without odd characters, between single slashes, the first of them no host. Told by one look, where
# the codecs would look at each from many sides.
_PLAIN_CODECS = frozenset({Codec.AUTO, Codec.KEY})
_NAME = r"[A-Za-z0-9_\-]++"
_FILE = rf"{_NAME}(?:\.{_NAME})*+"
_ONE = rf"(?!{'|'.join(map(re.escape, ENCODED))})(?:{_NAME}(?:/{_FILE})++|{_FILE})"
_PLAIN = re.compile(_ONE, re.ASCII)
_ALL_PLAIN = re.compile(rf"{_ONE}(?:\n{_ONE})*+", re.ASCII)
_LONGEST_PLAIN = 1024

# Row, key hash, hash of the key's folded form, and the key as it is written (for people to read).
NearEdge = tuple[RowId, int, int, str]


@dataclass(frozen=True, slots=True)
class Derived:
    """The edges of some rows: `rows[n]` refers to the key `keys[n]` with the hash `hashes[n]`.

    `near` holds, apart from these, edges whose key's folded form is none of their row's keys.
    `keyed` holds each row that refers to anything.
    """

    rows: Sequence[RowId]
    keys: list[str]
    hashes: list[int]
    near: list[NearEdge]
    keyed: Sequence[RowId]


def derive(source: SourceConfig, page: Page, names: BucketNames) -> Derived:
    """The edges of these rows. Pure; the only place that makes edges."""
    plain = _plain_column(source, page, names)
    if plain is not None:
        return Derived(page.ids, plain, key_hashes(plain), [], page.ids)
    found = keys_of_rows(source, page, names)
    keyed = list(compress(page.ids, found))
    rows = [row for row, of_row in zip(page.ids, found, strict=True) for _ in of_row]
    keys = [key for of_row in found for key in of_row]
    hashes = key_hashes(keys)
    forms = folded(keys)
    own = (of_row for of_row in found for _ in of_row)
    is_own = [form in of_row for form, of_row in zip(forms, own, strict=True)]
    near = [
        (row, h, key_hash(form), storable(key))
        for row, h, form, key, is_plain in zip(rows, hashes, forms, keys, is_own, strict=True)
        if not is_plain
    ]
    return Derived(
        list(compress(rows, is_own)),
        list(compress(keys, is_own)),
        list(compress(hashes, is_own)),
        near,
        keyed,
    )


def keys_of_rows(
    source: SourceConfig,
    page: Page,
    names: BucketNames,
    of_row: Callable[[SourceConfig, Sequence[Value], BucketNames], set[str]] = keys_of_row,
) -> Sequence[Collection[str]]:
    """`of_row` (`keys_of_row` or `broad_keys_of_row`) of each row."""
    if source.codec not in _PLAIN_CODECS or names.url_patterns:
        return [of_row(source, values, names) for values in page.values()]
    is_plain = _PLAIN.fullmatch
    return [
        (value,)
        if isinstance(value, str) and is_plain(value) and len(value) <= _LONGEST_PLAIN
        else of_row(source, (value,), names)
        for value in page.columns[0]
    ]


def _plain_column(source: SourceConfig, page: Page, names: BucketNames) -> list[str] | None:
    """The values, where each is its own only key and folded already: told by one look at all."""
    if source.codec not in _PLAIN_CODECS or names.url_patterns or not page:
        return None
    column = page.columns[0]
    if set(map(type, column)) != {str}:
        return None
    values = cast(list[str], column)
    text = "\n".join(values)
    is_plain = (
        # A line break inside of a value would make two of it.
        text.count("\n") == len(values) - 1
        # Of what is plain, nothing is folded but capitals.
        and text == text.lower()
        and max(map(len, values)) <= _LONGEST_PLAIN
        and _ALL_PLAIN.fullmatch(text)
    )
    return values if is_plain else None


def folded(keys: Sequence[str]) -> list[str]:
    """`fold` of each key: of plain ones, nearly all, at once."""
    text = "\n".join(keys)
    framed = f"\n{text}\n"
    if (
        text.isascii()
        and text.count("\n") == len(keys) - 1
        and not any(
            mark in framed
            for mark in ("%", "&", "+", "\\", "//", "/ ", " /", "./", "\n/", "/\n", "\n ", " \n")
        )
    ):
        return text.lower().split("\n")
    return [fold(key) for key in keys]
