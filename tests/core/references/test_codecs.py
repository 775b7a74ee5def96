"""Every row of the codecs' own table, and what they do with what no application means."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.config import Codec, Config, SourceConfig
from s3gc_core.references import BucketNames, fold, key_hash, keys_of_value, near_forms
from s3gc_core.references.codecs import broad_keys_of_row, keys_of_row, template_keys
from tests.core.references.writings import ENDPOINT, NAMES

VALUE_CODECS = [codec for codec in Codec if codec not in (Codec.TEMPLATE, Codec.REGEX)]


@pytest.mark.parametrize(
    ("codec", "value", "keys"),
    [
        (Codec.KEY, "a/b.jpg", {"a/b.jpg"}),
        (Codec.KEY, "word", {"word"}),
        (Codec.KEY, "https://photos.s3.amazonaws.com/a.jpg?x=1", None),
        (Codec.URL, "https://photos.s3.amazonaws.com/a/b.jpg", {"a/b.jpg"}),
        (Codec.URL, "https://photos.s3.amazonaws.com/a.jpg?v=1", {"a.jpg", "a.jpg?v=1"}),
        (Codec.URL, "https://photos.s3.amazonaws.com/", set()),
        (Codec.URL, "https://photos.s3.amazonaws.com", set()),
        (Codec.URL, "s3://photos/a.jpg", {"a.jpg"}),
        (Codec.URL, "s3n://photos/a.jpg", {"a.jpg"}),
        (Codec.URL, "s3://photos", set()),
        (Codec.URL, "s3://other/a.jpg", set()),
        (Codec.URL, "a/b.jpg", set()),
        (Codec.URL, "ftp://photos/a.jpg", set()),
        (Codec.URL, "https://s3.amazonaws.com/photos/a.jpg", {"a.jpg"}),
        (Codec.URL, "https://s3.amazonaws.com/photos", set()),
        (Codec.URL, "https://s3.amazonaws.com/other/photos/a.jpg", set()),
        (Codec.URL, f"http://{ENDPOINT}/photos/a.jpg", {"a.jpg"}),
        (Codec.URL, f"http://{ENDPOINT}/other/a.jpg", set()),
        (Codec.URL, f"http://photos.{ENDPOINT}/a.jpg", {"a.jpg"}),
        (Codec.URL, f"http://other.{ENDPOINT}/a.jpg", {"a.jpg"}),
        (Codec.URL, "https://img.example.net/p/a.jpg", {"p/a.jpg"}),
        (Codec.URL, "https://img.example.net/photos/a.jpg", {"photos/a.jpg", "a.jpg"}),
        (Codec.URL, "https://cdn.example.org/static/a.jpg", {"static/a.jpg", "a.jpg"}),
        (Codec.JSON, '["a.jpg", {"b": "c.jpg"}, 1, null, true]', {"a.jpg", "b", "c.jpg"}),
        (Codec.JSON, '"a.jpg"', {"a.jpg"}),
        (Codec.JSON, "12", set()),
        (Codec.TEXT, "see a.jpg", {"a.jpg", "see a.jpg"}),
        (Codec.TEXT, "<i>a.jpg</i>", {"a.jpg", "/i", "i", "<i>a.jpg</i>", "i>a.jpg</i"}),
        (Codec.TEXT, "only words here", set()),
        (Codec.AUTO, "a/b.jpg", {"a/b.jpg"}),
        (Codec.AUTO, "word", {"word"}),
        (Codec.AUTO, '["a.jpg"]', {'["a.jpg"]', "a.jpg"}),
    ],
)
def test_each_codec(codec: Codec, value: str, keys: set[str] | None) -> None:
    found = keys_of_value(codec, value, NAMES)
    if keys is None:
        assert "a.jpg" not in found
    else:
        assert found == keys


@pytest.mark.parametrize("codec", VALUE_CODECS)
@pytest.mark.parametrize("value", [None, "", b""])
def test_nothing_refers_to_nothing(codec: Codec, value: str | bytes | None) -> None:
    assert keys_of_value(codec, value, NAMES) == set()
    source = SourceConfig("t", ("c",), codec)
    assert keys_of_row(source, (value,), NAMES) == set()
    assert broad_keys_of_row(source, (value,), NAMES) == set()


@pytest.mark.parametrize("codec", VALUE_CODECS)
@pytest.mark.parametrize("value", [" ", "\n\t", "/", "//", "[]", "{}", '""', "null"])
def test_no_value_gives_the_empty_key(codec: Codec, value: str) -> None:
    assert "" not in keys_of_value(codec, value, NAMES)


@pytest.mark.parametrize("codec", [Codec.KEY, Codec.AUTO])
def test_bytes_are_read_as_utf_8(codec: Codec) -> None:
    key = "M\u00fcller/\u00e9 1.png"
    assert key in keys_of_value(codec, key.encode(), NAMES)


@pytest.mark.parametrize("codec", VALUE_CODECS)
def test_bytes_that_are_not_utf_8_refer_to_no_key_by_accident(codec: Codec) -> None:
    for value in (b"\xff\xfe", b"caf\xe9.jpg", bytes(range(256))):
        found = keys_of_value(codec, value, NAMES)
        assert found.isdisjoint({"caf\ufffd.jpg", "caf.jpg", "caf?.jpg"})


@pytest.mark.parametrize("codec", [Codec.KEY, Codec.AUTO])
def test_bytes_that_are_not_utf_8_may_be_windows_1252(codec: Codec) -> None:
    assert "caf\u00e9.jpg" in keys_of_value(codec, b"caf\xe9.jpg", NAMES)
    assert "a/caf\u00e9.jpg" in keys_of_value(codec, "a/caf%E9.jpg", NAMES)


def test_what_is_readable_in_binary_is_read() -> None:
    found = keys_of_value(Codec.AUTO, b"\xff\xfe\x00\nusers/a.jpg\n\x80", NAMES)
    assert "users/a.jpg" in found


def test_binary_values_apart_stay_apart() -> None:
    one, two = (keys_of_value(Codec.KEY, v, NAMES) for v in (b"a\xff.jpg", b"a\xfe.jpg"))
    assert {key_hash(k) for k in one}.isdisjoint(key_hash(k) for k in two)


@pytest.mark.parametrize(
    ("template", "columns", "values", "keys"),
    [
        ("files/{id}.{type}", ("id", "type"), ("7", "jpg"), {"files/7.jpg"}),
        ("files/{id:.2}/{id}", ("id",), ("abcdef",), {"files/ab/abcdef"}),
        ("files/{id:.2}/{id}", ("id",), ("a",), {"files/a/a"}),
        ("{id:0>4}.jpg", ("id",), ("7",), {"0007.jpg"}),
        ("files/{id}", ("id",), (None,), set()),
        ("files/{id}.{type}", ("id", "type"), ("7", None), set()),
        ("files/{id}.{type}", ("id", "type"), (None, "jpg"), set()),
        ("files/{id}", ("id",), (b"7",), {"files/7"}),
        ("f/{name}", ("name",), ("{id}",), {"f/{id}"}),
        ("f/{name}", ("name",), ("",), {"f/"}),
        ("{{x}}/{id}", ("id",), ("1",), {"{x}/1"}),
    ],
)
def test_templates(
    template: str, columns: tuple[str, ...], values: tuple[str | bytes | None, ...], keys: set[str]
) -> None:
    source = SourceConfig("t", columns, Codec.TEMPLATE, template)
    assert template_keys(source, values) == keys
    assert keys_of_row(source, values, NAMES) == keys


def test_a_template_s_key_is_spelled_as_any_other() -> None:
    source = SourceConfig("t", ("name",), Codec.TEMPLATE, "f/{name}.jpg")
    assert "f/a b.jpg" in template_keys(source, ("a%20b",))
    assert "f/\u00e9.jpg" in template_keys(source, ("e\u0301",))


def test_a_template_source_without_template_is_an_error() -> None:
    with pytest.raises(ValueError, match="no template"):
        template_keys(SourceConfig("t", ("id",), Codec.TEMPLATE), ("1",))


def test_the_database_layer_reads_more_than_the_declared_codec() -> None:
    source = SourceConfig("t", ("c",), Codec.KEY)
    value = '{"src": "a.jpg"}'
    assert "a.jpg" not in keys_of_row(source, (value,), NAMES)
    assert "a.jpg" in broad_keys_of_row(source, (value,), NAMES)
    templated = SourceConfig("t", ("id", "path"), Codec.TEMPLATE, "{id}/{path}")
    assert broad_keys_of_row(templated, ("1", "a/b.jpg"), NAMES) == {"1/a/b.jpg", "1", "a/b.jpg"}


def test_names_of_a_bucket_from_its_configuration() -> None:
    config = Config(
        "Photos", endpoint_url="https://S3.Example.org:9000/", cdn_bases=("https://c/",)
    )
    assert BucketNames.of(config) == BucketNames("Photos", "s3.example.org:9000", ("https://c/",))
    assert BucketNames.of(Config("photos")) == BucketNames("photos", None, ())


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=200)
ODD_TEXTS = (
    r"""https:// s3:// // photos .s3. amazonaws.com / % %2 %FF &#x &#1114112; &amp \u \ud800 """
    r"""\ " ' [ { } ] ( + ? a.jpg @ : # [::1]"""
)
ODDMENTS = st.lists(
    st.sampled_from([*ODD_TEXTS.split(), "\x00", "\ud800", "\udfff", "e\u0301", "\r\n", "\ufeff"]),
    max_size=25,
).map("".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=ANYTHING | ODDMENTS)
def test_no_text_raises_in_any_codec(text: str) -> None:
    for codec in VALUE_CODECS:
        found = keys_of_value(codec, text, NAMES)
        assert "" not in found
        for key in found:
            # What is done with every key that was found.
            assert -(1 << 63) <= key_hash(key) < 1 << 63
            assert isinstance(fold(key), str)
            assert next(near_forms(key)) == fold(key)
    source = SourceConfig("t", ("a",), Codec.TEMPLATE, "x/{a:.2}/{a}")
    assert "" not in template_keys(source, (text,))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_raise_in_any_codec(data: bytes) -> None:
    for codec in VALUE_CODECS:
        assert "" not in keys_of_value(codec, data, NAMES)


# The longest key has 1,024 bytes; eight characters a byte are the longest escape.
LONGEST = 9 * 1024
LONG_TEXTS = {
    "one word": "a" * 300_000,
    "path": "a/" * 150_000,
    "two slashes and marks": "//" + "\u0301\u0323" * 20_000,
    "URL": "https://photos.s3.amazonaws.com/" + "a." * 100_000,
    "URL of an unknown host": "https://x.example/" + "%25" * 100_000,
    "host": "https://" + "s3." * 100_000 + "amazonaws.com/a.jpg",
    "region": "https://s3" + "-aa-a" * 60_000 + ".amazonaws.com/a.jpg",
    "schemes": "http://" * 40_000,
    "brackets": "[" * 300_000,
    "objects": '{"a":' * 60_000,
    "quotes": '"' + '\\"' * 150_000 + '"',
    "digits": "[" + "1" * 300_000 + "]",
    "escapes": "%25" * 100_000 + ".jpg",
    "entities": "&amp;" * 60_000 + ".jpg",
    "ampersands": "&" * 300_000 + ".jpg",
    "backslashes": "\\" * 300_000 + ".jpg",
    "words": "a.jpg b/c%20d+e&amp;f\\g//h\u00e9 " * 1_500,
    "spaces": "a: " + " " * 300_000 + "b.jpg\n x.jpg",
    "spaces in brackets": "(a.jpg" + " " * 300_000 + ")",
    "spaces and quotes": "(a.jpg" + ' "' * 100_000 + ")",
    "lines": "a:" + "\n " * 150_000 + "b.jpg",
    "quotes that never close": ': "' + '\\"' * 150_000,
    "quotes that open and close": ": " + ' "\\"' * 50_000,
    "lengths": 's:9000:"' * 30_000,
    "binary": "!binary |\n" + "abcd " * 50_000 + "!",
    "marks of YAML": "- " * 100_000 + "a.jpg",
    "brackets in brackets": "(()" * 100_000,
    "commas": "a.b," * 50_000,
    "hosts": "https://" + "s3-aa-a-1." * 28 + "x/a.jpg",
    "marks": ("a." + "\u0301\u0323" * 2_000 + " ") * 10,
}


@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=list(LONG_TEXTS))
def test_long_texts_take_bounded_time_and_give_bounded_keys(text: str) -> None:
    """No key is longer than the longest spelling of one, or its folding takes quadratic time."""
    longest: dict[str, int] = {}
    for codec in VALUE_CODECS:
        began = time.process_time()
        found = keys_of_value(codec, text, NAMES)
        # Far above what it takes; far below what backtracking or a quadratic step would.
        assert time.process_time() - began < 20
        longest[codec.value] = max(map(len, found), default=0)
    assert {codec: length for codec, length in longest.items() if length > LONGEST} == {}


def test_keys_inside_of_a_long_text_are_found() -> None:
    filler = "lorem ipsum " * 20_000
    text = f'{filler}<img src="https://photos.s3.amazonaws.com/a%20b.jpg">{filler} c/d.jpg {filler}'
    for codec in (Codec.TEXT, Codec.AUTO):
        assert {"a b.jpg", "c/d.jpg"} <= keys_of_value(codec, text, NAMES)


@pytest.mark.parametrize("codec", [Codec.URL, Codec.JSON, Codec.TEXT, Codec.AUTO])
def test_a_short_key_in_a_long_url_is_found(codec: Codec) -> None:
    """Signatures and session tokens are long; they are no part of the key."""
    url = "https://photos.s3.amazonaws.com/a/b.jpg?X-Amz-Security-Token=" + "t" * 50_000
    assert "a/b.jpg" in keys_of_value(codec, url, NAMES)
