"""Codecs with options: json with a path, csv with a separator, regex, and templates; and arrays."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Value
from s3gc_core.errors import SourceUnreadable
from s3gc_core.references import BucketNames, keys_of_value
from s3gc_core.references.codecs import broad_keys_of_row, expressions, keys_of_row
from s3gc_core.references.codecs.arrays import elements
from tests.core.references.writings import CDN, KEYS, NAMES, array, csv_line


def keys(value: Value, codec: Codec, **options: str) -> set[str]:
    source = SourceConfig("t", ("c",), codec, **options)  # type: ignore[arg-type]
    return keys_of_row(source, (value,), NAMES)


# json with a path

DOCUMENT = {
    "title": "no.jpg",
    "images": [{"src": "a.jpg", "alt": "no/1"}, {"src": "b.jpg", "set": ["c.jpg", {"x": "d.jpg"}]}],
    "cover": {"src": "e.jpg"},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.images[*].src", {"a.jpg", "b.jpg"}),
        ("$.images[0]", {"src", "a.jpg", "alt", "no/1"}),
        ("$.images[*].set", {"c.jpg", "x", "d.jpg"}),
        ("$..src", {"a.jpg", "b.jpg", "e.jpg"}),
        ("$['cover','images'][?@.src == 'a.jpg'].src", {"a.jpg"}),
        ("$.missing", set()),
        ("$.images[9]", set()),
        ("$.images[?@.alt].src", {"a.jpg"}),
    ],
)
def test_only_what_the_path_selects(path: str, found: set[str]) -> None:
    assert keys(json.dumps(DOCUMENT), Codec.JSON, path=path) == found
    # Encoded twice, and as the text of a member.
    assert keys(json.dumps(json.dumps(DOCUMENT)), Codec.JSON, path=path) == found
    nested = json.dumps({"data": json.dumps(DOCUMENT)})
    assert keys(nested, Codec.JSON, path=path.replace("$", "$.data", 1)) == found


def test_the_database_layer_reads_the_rest_of_the_document_too() -> None:
    source = SourceConfig("t", ("c",), Codec.JSON, path="$.cover.src")
    row = (json.dumps(DOCUMENT),)
    assert keys_of_row(source, row, NAMES) == {"e.jpg"}
    assert broad_keys_of_row(source, row, NAMES) >= {"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"}


@pytest.mark.parametrize("text", ["{'src': 'x/a.jpg'}", '{"src": "x/a.jpg"', '{"src": "x/a.jpg",}'])
def test_what_is_no_json_is_read_as_text(text: str) -> None:
    assert "x/a.jpg" in keys(text, Codec.JSON, path="$.other")


def test_a_document_that_is_too_deep_for_the_path_is_read_as_text() -> None:
    text = '{"a":' * 300 + '"x/a.jpg"' + "}" * 300
    assert "x/a.jpg" in keys(text, Codec.JSON, path="$..src")


@pytest.mark.parametrize("path", ["$", "$.a", "$['a','b'][0].c"])
@pytest.mark.parametrize("value", ["1", "null", "true", "[]", "{}", '""', '"x.jpg"'])
def test_a_path_over_what_has_no_members(path: str, value: str) -> None:
    assert keys(value, Codec.JSON, path=path) == (
        {"x.jpg"} if path + value == '$"x.jpg"' else set()
    )


@settings(max_examples=150, deadline=None)
@given(key=KEYS)
def test_any_key_is_found_where_the_path_points(key: str) -> None:
    document = {"x": [{"no": "no.jpg", "src": key}], "y": json.dumps({"src": key})}
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        for path in ("$.x[0].src", "$.y.src", "$.y"):
            found = keys(text, Codec.JSON, path=path)
            assert key in found
            assert "no.jpg" not in found


# csv


@settings(max_examples=150, deadline=None)
@given(key=KEYS, separator=st.sampled_from(",;|\t:/ "))
def test_any_key_is_found_between_any_separators(key: str, separator: str) -> None:
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = csv_line("x.jpg", key, "y.jpg", separator=separator, quoting=quoting)
        assert key in keys(text, Codec.CSV, separator=separator)


@pytest.mark.parametrize(
    ("text", "separator", "found"),
    [
        ("a.jpg;b.jpg", ";", {"a.jpg", "b.jpg"}),
        (" a.jpg ; b.jpg\n", ";", {"a.jpg", "b.jpg"}),
        ('"a;b.jpg";c.jpg', ";", {"a;b.jpg", "c.jpg"}),
        ('"a.jpg";"b.jpg', ";", {"a.jpg", "b.jpg"}),
        ("a.jpg\r\nb.jpg\r\n", ",", {"a.jpg", "b.jpg"}),
        ("word,other", ",", {"word", "other"}),
        (";;;", ";", set()),
    ],
)
def test_lists(text: str, separator: str, found: set[str]) -> None:
    assert keys(text, Codec.CSV, separator=separator) >= found
    extra = keys(text, Codec.CSV, separator=separator) - found
    # Besides the fields, only their own halves and quotes.
    assert all(any(part in field for field in (*found, text)) for part in extra)


def test_a_field_longer_than_csv_reads_hides_no_other() -> None:
    text = "a.jpg," + "x" * 200_000 + ",b.jpg"
    assert {"a.jpg", "b.jpg"} <= keys(text, Codec.CSV)


# array


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("{}", []),
        ("{a,b}", ["a", "b"]),
        ('{a,"b,c",NULL}', ["a", "b,c"]),
        ('{"NULL",null,Null}', ["NULL"]),
        ('{{a,b},{"c d",e}}', ["a", "b", "c d", "e"]),
        (r'{"a\"b","c\\d"}', ['a"b', r"c\d"]),
        ("[0:1]={a,b}", ["a", "b"]),
        ("[-1:0][2:2]={{a},{b}}", ["a", "b"]),
        (' { a , "b" } ', ["a", "b"]),
        ('["a", ["b"], null, 1]', ["b", "a"]),
        ("{a", None),
        ("{a}}", None),
        ("{a}b", None),
        ('{"a}', None),
        ("a,b", None),
        ("", None),
    ],
)
def test_arrays(text: str, parsed: list[str] | None) -> None:
    assert elements(text) == parsed


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.text(max_size=8) | KEYS, max_size=5))
def test_every_element_of_any_array(values: list[str]) -> None:
    assert elements(array(*values)) == values
    assert elements("{" + array(*values) + ",{NULL}}") == values
    found = keys(array(*values), Codec.ARRAY)
    assert found >= {value for value in values if value}


# regex


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"file=(?P<key>\S+)", "x file=a/b.jpg y file=c.jpg", {"a/b.jpg", "c.jpg"}),
        (r"file=(\S+)", "file=a.jpg", {"a.jpg"}),
        (r"[\w/]+\.jpg", "see a/b.jpg, \u00e9.jpg.", {"a/b.jpg", "\u00e9.jpg", "e\u0301.jpg"}),
        (r"(a)=(?P<key>\S+)", "a=b.jpg", {"b.jpg"}),
        (r"old=(\S+)|new=(\S+)", "old=a.jpg new=b.jpg", {"a.jpg", "b.jpg"}),
        (r"(x)?a\.jpg", "a.jpg", {"a.jpg"}),
        (r"(?i)FILE=(\S+)", "file=a%20b.jpg", {"a%20b.jpg", "a b.jpg"}),
        (r"url=(\S+)", f"url={CDN}a.jpg?v=1", None),
        (r"x*", "aaa", set()),
        (r"file=(\S+)", "nothing", set()),
        (r"(?s)<(.+)>", "<a\nb.jpg>", {"a\nb.jpg"}),
    ],
)
def test_patterns(pattern: str, text: str, found: set[str] | None) -> None:
    result = keys(text, Codec.REGEX, pattern=pattern)
    if found is None:
        assert "a.jpg" in result
    else:
        assert result == found


@settings(max_examples=150, deadline=None)
@given(key=KEYS)
def test_any_key_is_found_by_a_pattern(key: str) -> None:
    assert key in keys(f"file=<{key}> size=3", Codec.REGEX, pattern="file=<(.+)> size")
    assert key in keys(f"{key}\t3\n", Codec.REGEX, pattern=r"(?m)^(?P<key>[^\t]+)\t")


def test_a_key_at_the_end_of_a_long_value_is_found() -> None:
    text = "x" * 2_000_000 + " file=a.jpg"
    assert keys(text, Codec.REGEX, pattern=r"file=(\S+)") == {"a.jpg"}


def test_a_pattern_that_takes_too_long_stops_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would have found is not known: the row is not passed over."""
    monkeypatch.setattr(expressions, "SECONDS", 0.05)
    hostile = "a" * 40 + "!"
    pattern = r"^(?P<key>(?:a|a?a)+(?:a|aa)+)+\.jpg$"
    with pytest.raises(
        SourceUnreadable, match=r"main:t\.c: its pattern takes more than 0\.05"
    ) as told:
        keys(hostile * 2000, Codec.REGEX, pattern=pattern)
    assert "a" * 20 not in str(told.value)


def test_a_regex_source_without_pattern_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a pattern"):
        keys("a.jpg", Codec.REGEX)
    with pytest.raises(ValueError, match="takes a row"):
        keys_of_value(Codec.TEMPLATE, "a.jpg", NAMES)


# template


def rows(template: str, columns: tuple[str, ...], *values: Value) -> set[str]:
    source = SourceConfig("t", columns, Codec.TEMPLATE, template)
    return keys_of_row(source, values, BucketNames("photos"))


def test_a_row_makes_one_key_for_each_alternative() -> None:
    template = "thumbs/{id}_{200,400}.{webp,jpg}"
    assert rows(template, ("id",), "7") == {
        f"thumbs/7_{size}.{kind}" for size in (200, 400) for kind in ("webp", "jpg")
    }
    assert rows(template, ("id",), None) == set()


def test_a_content_addressed_store() -> None:
    template = "files/{hash[0:2]}/{hash[2:4]}/{hash}"
    assert rows(template, ("hash",), "abcdef0123") == {"files/ab/cd/abcdef0123"}
    assert "files/ab/cd/abcdef0123" in rows(template, ("hash",), "abcdef0123 ".strip())


@pytest.mark.parametrize("size", [16, 20, 28, 32, 48, 64])
def test_a_digest_in_bytes_is_written_in_hexadecimal(size: int) -> None:
    letters, binary = b"a" * size, bytes(range(200, 200 + size % 50)) + b"\0" * (size - size % 50)
    for digest in (letters, binary):
        text = digest.hex()
        assert f"f/{text[:2]}/{text}" in rows("f/{h[0:2]}/{h}", ("h",), digest)
    assert rows("f/{h}", ("h",), b"7") == {"f/7"}


def test_a_uuid_in_bytes_is_written_with_hyphens() -> None:
    value = bytes.fromhex("0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")
    assert "f/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" in rows("f/{id}", ("id",), value)


@settings(max_examples=150, deadline=None)
@given(key=KEYS)
def test_any_key_is_made_of_its_parts(key: str) -> None:
    folder, slash, base = key.rpartition("/")
    assert key in rows("{a}" + slash + "{b}", ("a", "b"), folder, base)
    assert key in rows("{k[:3]}{k[3:]}", ("k",), key)
    assert key in rows("{k}{,_x}", ("k",), key)
