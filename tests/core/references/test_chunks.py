"""Chunks: every row in one of them, cut where the rows say, recognised only where all is equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import chain, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Row, RowId, Value
from s3gc_core.references import BucketNames, chunks
from s3gc_core.references.chunks import Chunk, Chunker, definition, pack_ids, unpack_ids
from tests.core.references.delegating import page_of

SOURCE = SourceConfig("t", ("k",))
NAMES = BucketNames("photos")


def rows_of(ids: Sequence[RowId]) -> list[Row]:
    return [Row(id_, (f"key/{id_}.jpg",)) for id_ in ids]


def cut(rows: Sequence[Row], page: int = 1_000, source: SourceConfig = SOURCE) -> list[Chunk]:
    chunker = Chunker(source, NAMES)
    pages = (page_of(rows[first : first + page]) for first in range(0, len(rows), page))
    found = [chunk for of_page in pages for chunk in chunker.cut(of_page)]
    return [*found, *chunker.end()]


def digests(found: Sequence[Chunk]) -> set[bytes]:
    return {chunk.digest for chunk in found}


IDS: dict[str, list[RowId]] = {
    "counted": list(range(20_000)),
    "in steps": list(range(0, 20_000 << 22, 1 << 22)),
    "texts": [f"{n:08x}-{n * 7919 % 65_536:04x}" for n in range(20_000)],
    "both": [*range(5_000), *(str(n) for n in range(5_000))],
}


@pytest.mark.parametrize("kind", IDS)
def test_every_row_is_in_one_chunk(kind: str) -> None:
    found = cut(rows_of(IDS[kind]))
    assert [*chain(*(chunk.rows.ids for chunk in found))] == IDS[kind]
    values = [*chain(*(chunk.rows.values() for chunk in found))]
    assert values == [row.values for row in rows_of(IDS[kind])]
    assert len(found) > len(IDS[kind]) / 1_000
    assert max(len(chunk.rows.ids) for chunk in found) <= chunks.MOST_ROWS


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("place", [1, 4_321, 9_999])
def test_one_row_more_moves_no_other_boundary(kind: str, place: int) -> None:
    rows = rows_of(IDS[kind])
    before = digests(cut(rows))
    added = [*rows[:place], Row(-3, ("new.jpg",)), *rows[place:]]
    changed = [*rows[:place], Row(rows[place].id, ("new.jpg",)), *rows[place + 1 :]]
    for after in (added, changed, rows[:place] + rows[place + 1 :]):
        assert 0 < len(digests(cut(after)) - before) <= 2


def test_where_pages_end_says_nothing() -> None:
    rows = rows_of(IDS["counted"])
    assert digests(cut(rows, 700)) == digests(cut(rows, 4_000))


def test_identities_that_never_end_a_chunk_cannot_fill_the_memory() -> None:
    same = rows_of([7] * 50_000)
    assert max(len(chunk.rows.ids) for chunk in cut(same, 50_000)) <= chunks.MOST_ROWS
    long = [Row(7, ("k" * (chunks.MOST_BYTES // 25),))] * 1_000
    assert {len(chunk.rows.ids) for chunk in cut(long, 10)} == {30, 10}


SOME_IDS: list[list[RowId]] = [[1], [2], ["1"], ["\udc80"], [1, 2], [2, 1], ["1", "2"], ["12"]]
SOME_VALUES: list[Value] = [
    None,
    "",
    "a",
    "aa",
    "\udc80",
    "\\udc80",
    b"",
    b"a",
    b"\x80",
    "80",
    b"80",
]


def test_only_equal_rows_are_recognised() -> None:
    """Identities, values, types, and which value belongs to which row and column."""
    every = [
        [Row(id_, values) for id_, values in zip(ids, of_rows, strict=True)]
        for ids in SOME_IDS
        for columns in (1, 2)
        for of_rows in product(product(SOME_VALUES, repeat=columns), repeat=len(ids))
        if len(ids) == 1 or columns == 1
    ]

    def digests_of(rows: list[Row]) -> tuple[bytes, ...]:
        # As if the sources were the same: their columns alone would tell them apart.
        source = SourceConfig("t", ("k", "l")[: len(rows[0].values)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunks, "definition", lambda *_: b"")
            return tuple(chunk.digest for chunk in cut(rows, source=source))

    found = {digests_of(rows) for rows in every}
    assert len(found) == len(every) > 1_000
    assert {digests_of(rows) for rows in every} == found


OTHER_SETTINGS: dict[str, object] = {
    "table": "u",
    "columns": ("k", "l"),
    "codec": Codec.TEXT,
    "template": "{k}",
    "where": "k > 1",
    "database": "other",
    "may_be_empty": True,
    "path": "$.x",
    "pattern": "x",
    "separator": ";",
}
OTHER_NAMES: dict[str, object] = {
    "bucket": "other",
    "endpoint_host": "localhost:1",
    "cdn_bases": ("https://cdn.example.org",),
    "url_patterns": ("/img/*/{key}",),
    "endpoint_path": "s3",
}


def test_every_setting_counts() -> None:
    """Each field of both, also those that are still to come."""
    assert {field.name for field in fields(SourceConfig)} == OTHER_SETTINGS.keys()
    assert {field.name for field in fields(BucketNames)} == OTHER_NAMES.keys()
    told = {definition(SOURCE, NAMES)}
    for name, value in OTHER_SETTINGS.items():
        told.add(definition(replace(SOURCE, **{name: value}), NAMES))  # type: ignore[arg-type]
    for name, value in OTHER_NAMES.items():
        told.add(definition(SOURCE, replace(NAMES, **{name: value})))  # type: ignore[arg-type]
    assert len(told) == 1 + len(OTHER_SETTINGS) + len(OTHER_NAMES)


def test_compiled_settings_count_and_unknown_ones_are_refused() -> None:
    one, other = re.compile("a"), re.compile("a", re.IGNORECASE)
    settings = [replace(SOURCE, pattern=pattern) for pattern in (one, other)]  # type: ignore[arg-type]
    assert definition(settings[0], NAMES) != definition(settings[1], NAMES)
    with pytest.raises(TypeError, match="object"):
        definition(replace(SOURCE, pattern=object()), NAMES)  # type: ignore[arg-type]


def test_our_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = set()
    # As if the package stood elsewhere, with another line in one of its files.
    package = tmp_path / "s3gc_core"
    (package / "references" / "codecs").mkdir(parents=True)
    codec = package / "references" / "codecs" / "single.py"
    monkeypatch.setattr(chunks, "__file__", str(package / "references" / "chunks.py"))
    for content in ("one", "another", ""):
        codec.write_text(content)
        chunks.code_digest.cache_clear()
        told.add(chunks.code_digest())
        told.add(cut(rows_of([1]))[0].digest)
    monkeypatch.undo()
    chunks.code_digest.cache_clear()
    told.add(chunks.code_digest())
    assert len(told) == 7
    assert chunks.code_digest() == chunks.code_digest.__wrapped__()


@given(
    ids=st.one_of(
        st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1),
        st.lists(st.one_of(st.integers(-5, 5), st.text(st.characters(codec="utf-8"))), min_size=1),
    )
)
def test_packed_identities_come_back(ids: list[RowId]) -> None:
    found = unpack_ids(pack_ids(ids))
    assert found == ids
    assert [*map(type, found)] == [*map(type, ids)]


def test_packed_identities_take_little_room() -> None:
    assert len(pack_ids(range(1 << 40, (1 << 40) + 1_000))) < 1_020
