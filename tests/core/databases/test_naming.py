from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.databases import Page, Row
from s3gc_core.databases.naming import (
    FIRST_PAGE_ROWS,
    PAGE_BYTES,
    PAGE_ROWS,
    PageSize,
    did_you_mean,
    join_name,
    row_hash,
    row_id,
    row_ids,
    row_parts,
    split_name,
)
from s3gc_core.errors import SourceMissing


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ("users", ("users",)),
        ("app.users", ("app", "users")),
        ("a.b.c", ("a", "b", "c")),
        ('"my.schema"."T"', ("my.schema", "T")),
        ('"my.schema".T x', ("my.schema", "T x")),
        ('app."a""b"', ("app", 'a"b')),
        ("`a.b`.c", ("a.b", "c")),
        ("`a``b`", ("a`b",)),
        ('we"ird', ('we"ird',)),
        (" spaced ", (" spaced ",)),
    ],
)
def test_a_name_is_split_at_its_dots(table: str, parts: tuple[str, ...]) -> None:
    assert split_name(table) == parts


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", '"a', '"a"b', '""', "a\0b", '"a"".b']
)
def test_what_cannot_be_a_table_name_is_refused(name: str) -> None:
    with pytest.raises(SourceMissing, match="is no table name"):
        split_name(name)


@given(
    st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1, max_size=3),
    st.sampled_from('"`'),
)
def test_any_quoted_name_comes_back(parts: list[str], mark: str) -> None:
    quoted = ".".join(f"{mark}{part.replace(mark, mark * 2)}{mark}" for part in parts)
    assert split_name(quoted) == tuple(parts)


def test_near_names_are_suggested_and_far_ones_are_not() -> None:
    assert did_you_mean("avatar", ["avatar_url", "id"]) == "; did you mean 'avatar_url'?"
    assert did_you_mean("USERS", ["users", "user"]) == "; did you mean 'users' or 'user'?"
    assert did_you_mean("zzz", ["avatar_url"]) == ""


def test_identities() -> None:
    assert row_id([7]) == 7
    assert row_id(["7"]) == "7"
    assert row_id([7, "a"]) == '[7,"a"]'
    assert row_id([2**63 - 1]) == 2**63 - 1
    assert row_id([2**63]) == "9223372036854775808"


def test_rows_that_differ_anywhere_have_different_hashes() -> None:
    rows: list[tuple[object, ...]] = [
        *[("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), (None,), ("",), (b"",), ("None",)],
        *[(), (None, ""), ("", None), ("1",), (1,), (b"1",), (1.0,), ("é",), ("e\u0301",)],
    ]
    assert len({row_hash(row) for row in rows}) == len(rows)
    assert row_hash(("\udcff",)) == row_hash(("\udcff",))


def test_pages_grow_and_shrink_with_the_size_of_their_rows() -> None:
    size = PageSize()
    assert size.rows == FIRST_PAGE_ROWS
    size.learn(Page([1] * FIRST_PAGE_ROWS, [["x"] * FIRST_PAGE_ROWS]))
    assert size.rows == 4 * FIRST_PAGE_ROWS
    for _ in range(5):
        size.learn(Page([1] * 10, [[None] * 10, [b""] * 10]))
    assert size.rows == PAGE_ROWS
    size.learn(Page([1] * 8, [["x" * 1024] * 8, [b"x" * 1024] * 8]))
    assert size.rows == min(PAGE_ROWS, PAGE_BYTES // 2048)
    size.learn(Page([1], [["x" * (PAGE_BYTES * 2)]]))
    assert size.rows == 1


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_a_joined_name_is_split_into_its_parts(parts: list[str]) -> None:
    assert split_name(join_name(*parts)) == tuple(parts)


def test_only_odd_parts_get_quotes() -> None:
    assert join_name("public", "users") == "public.users"
    assert join_name("My.Schema", 'a"b') == '"My.Schema"."a""b"'


PARTS = st.lists(
    st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])), min_size=2
)


@given(PARTS)
def test_a_composite_identity_is_the_same_json_as_ever_and_comes_back(
    parts: list[int | str],
) -> None:
    identity = row_id(parts)
    assert identity == json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert row_parts(identity, len(parts)) == parts


@given(st.lists(st.tuples(st.integers(-(2**63), 2**64 - 1), st.text("ab")), min_size=1))
def test_identities_of_a_page_are_those_of_its_rows(rows: list[tuple[int, str]]) -> None:
    numbers, texts = [row[0] for row in rows], [row[1] for row in rows]
    assert list(row_ids([numbers])) == [row_id([number]) for number in numbers]
    assert list(row_ids([texts])) == texts
    assert list(row_ids([numbers, texts])) == [row_id(row) for row in rows]


def test_rows_without_columns_are_rows() -> None:
    assert list(Page([1, 2], [])) == [Row(1, ()), Row(2, ())]
    page = Page([1, 2], [["a", None], [b"x", "y"]])
    assert page[1] == Row(2, (None, "y"))
    assert list(page[:1]) == [Row(1, ("a", b"x"))]
    assert page.size == 3
    assert list(page) == [Row(1, ("a", b"x")), Row(2, (None, "y"))]
