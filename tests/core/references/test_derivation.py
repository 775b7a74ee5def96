"""Edges of many rows at once: the same that each row would give by itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Page, RowId, Value
from s3gc_core.references import BucketNames, fold, key_hash, key_hashes, storable
from s3gc_core.references.codecs import keys_of_row
from s3gc_core.references.codecs.resizers import ENCODED
from s3gc_core.references.derivation import derive, folded, keys_of_rows

NAMES = BucketNames("photos", cdn_bases=("https://cdn.example.org/",))
WITH_PATTERNS = BucketNames("photos", url_patterns=("/img/*/{key}", "img/{key}"))
# What stands at the borders of what is plain, put together at random.
PLAIN = [
    "a",
    "B",
    "0",
    "img/",
    "-",
    "_",
    ".",
    "..",
    "/",
    "jpg",
    "2026",
    "null",
    "true",
    "e9",
    "300x200",
]
RESIZED = ["unsafe", "plain", "image", "fetch", "cdn-cgi", *ENCODED, "eyJrIjoiYS5qcGcifQ"]
HOSTS = ["photos", "cdn.example.org", "photos.s3.amazonaws.com", "http:", "s3:", "index.html"]
ODD = ["//", "./", "+", "%20", "%2F", "?", "#", " ", "\\", "\n", "\u00e9", "e\u0301", "\udc80"]
PIECES = st.sampled_from([*PLAIN, *RESIZED, *HOSTS, *ODD])
TEXTS = st.lists(PIECES, max_size=7).map("".join)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(), TEXTS, TEXTS.map(lambda text: text.encode("utf-8", "surrogateescape"))
)
KEYS = st.lists(st.one_of(TEXTS, st.text(max_size=6)), max_size=6)


@given(values=st.lists(VALUES, max_size=5), names=st.sampled_from([NAMES, WITH_PATTERNS]))
@pytest.mark.parametrize("codec", [c for c in Codec if c not in (Codec.TEMPLATE, Codec.REGEX)])
def test_the_keys_of_many_rows(codec: Codec, values: list[Value], names: BucketNames) -> None:
    source = SourceConfig("t", ("k",), codec)
    rows = [(value,) for value in values]
    page = Page(range(len(values)), [values])
    assert [set(keys) for keys in keys_of_rows(source, page, names)] == [
        keys_of_row(source, row, names) for row in rows
    ]


@pytest.mark.parametrize("codec", [Codec.AUTO, Codec.KEY])
@given(value=st.from_regex(r"[A-Za-z0-9_.\-]{1,4}(/[A-Za-z0-9_.\-]{1,6}){0,4}/?", fullmatch=True))
def test_what_looks_plain_is_what_the_codecs_say(codec: Codec, value: str) -> None:
    source = SourceConfig("t", ("k",), codec)
    [found] = keys_of_rows(source, Page([1], [[value]]), NAMES)
    assert set(found) == keys_of_row(source, (value,), NAMES)


BORDERS = [
    *(
        "a.jpg",
        "a/b.jpg",
        "img/b.jpg",
        "cdn.example.org/a.jpg",
        "photos.s3.amazonaws.com/a.jpg",
        "a.b/c.d/e",
    ),
    *(
        "./a.jpg",
        "a/./b",
        "a/../b",
        ".a",
        "a.",
        "a..b",
        "a//b",
        "/a",
        "a/",
        "a/b/",
        "-",
        "_",
        "a.jpg\nb.jpg",
    ),
    *("eyJrIjoiYS5qcGcifQ", "aHR0cHM6Ly9jZG4uZXhhbXBsZS5vcmcvYS5qcGc", "xeyJrIjoiYS5qcGcifQ"),
    *("a b", "a\n", "a+b", "a%20b", "a\u00e9", "a\\b", "k" * 1024, "k" * 1025, "k" * 10_000),
]


@pytest.mark.parametrize("codec", [Codec.AUTO, Codec.KEY])
@pytest.mark.parametrize("value", BORDERS)
def test_values_at_the_borders_of_what_is_plain(codec: Codec, value: str) -> None:
    source = SourceConfig("t", ("k",), codec)
    [found] = keys_of_rows(source, Page([1], [[value]]), NAMES)
    assert set(found) == keys_of_row(source, (value,), NAMES)


@given(keys=KEYS)
def test_hashes_of_many_keys(keys: list[str]) -> None:
    assert key_hashes(keys) == [key_hash(key) for key in keys]


@given(keys=KEYS)
def test_folded_forms_of_many_keys(keys: list[str]) -> None:
    assert folded(keys) == [fold(key) for key in keys]


@pytest.mark.parametrize(
    "odd",
    [
        *("A", "\u00c4", "\u212b", "a//b", "a\\b", "a%2Fb", "/a", "a/", " a", "a ", "a\nb", "\n"),
        *("", "\udc80", "\ufb01", "a/ ", "//", "a b"),
    ],
)
def test_one_odd_key_among_plain_ones(odd: str) -> None:
    for keys in ([odd], [odd, "x"], ["x", odd], ["x", odd, "Y"]):
        assert folded(keys) == [fold(key) for key in keys]
        assert key_hashes(keys) == [key_hash(key) for key in keys]


@given(
    rows=st.lists(st.tuples(st.one_of(st.integers(0, 5), st.text(max_size=3)), VALUES), max_size=6),
    names=st.sampled_from([NAMES, WITH_PATTERNS]),
)
def test_the_edges_of_rows(rows: list[tuple[RowId, Value]], names: BucketNames) -> None:
    _check_edges(SourceConfig("t", ("k",)), rows, names)


@pytest.mark.parametrize("names", [NAMES, WITH_PATTERNS], ids=["plain", "patterns"])
@pytest.mark.parametrize("codec", [Codec.AUTO, Codec.KEY])
@pytest.mark.parametrize("value", BORDERS)
def test_a_column_of_which_one_value_is_at_a_border(
    codec: Codec, value: str, names: BucketNames
) -> None:
    for column in ([value], ["x", value], [value, "x/y.jpg"]):
        _check_edges(SourceConfig("t", ("k",), codec), list(enumerate(column)), names)


def _check_edges(
    source: SourceConfig, rows: Sequence[tuple[RowId, Value]], names: BucketNames
) -> None:
    derived = derive(source, Page([row for row, _ in rows], [[v for _, v in rows]]), names)
    expected = [
        (row, key, fold(key) if fold(key) not in keys else None)
        for row, keys in ((row, keys_of_row(source, (value,), names)) for row, value in rows)
        for key in keys
    ]
    exact = zip(derived.rows, derived.keys, derived.hashes, strict=True)
    assert sorted(exact, key=repr) == sorted(
        ((row, key, key_hash(key)) for row, key, form in expected if form is None), key=repr
    )
    assert sorted(derived.near, key=repr) == sorted(
        (
            (row, key_hash(key), key_hash(form), storable(key))
            for row, key, form in expected
            if form is not None
        ),
        key=repr,
    )
    assert list(derived.keyed) == [
        row for row, value in rows if keys_of_row(source, (value,), names)
    ]


def test_a_key_that_is_no_utf8_is_told_in_utf8() -> None:
    derived = derive(SourceConfig("t", ("k",), Codec.KEY), Page([1], [[b"U/\x94.JPG"]]), NAMES)
    told = {written.encode().decode() for *_, written in derived.near}
    # As it is, and as Windows-1252 has it.
    assert told == {"U/\\udc94.JPG", "U/\u201d.JPG"}
