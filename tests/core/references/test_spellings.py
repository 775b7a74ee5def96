"""Spellings, folding and hashing, rule by rule."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, quote_plus

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.references import fold, key_hash, near_forms, spellings
from s3gc_core.references.spellings import reference_forms
from tests.core.references.writings import KEYS

NFC = "M\u00fcller/\u00e9.png"
NFD = unicodedata.normalize("NFD", NFC)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("a/b.jpg", {"a/b.jpg"}),
        ("a=b@c~d,e:f.jpg", {"a=b@c~d,e:f.jpg"}),
        ("/a.jpg", {"/a.jpg", "a.jpg"}),
        ("///a.jpg", {"///a.jpg", "/a.jpg", "a.jpg"}),
        ("a//b.jpg", {"a//b.jpg", "a/b.jpg"}),
        (" a.jpg ", {" a.jpg ", "a.jpg"}),
        ("./a.jpg", {"./a.jpg", "a.jpg"}),
        ("a/./b.jpg", {"a/./b.jpg", "a/b.jpg"}),
        ("a/././b.jpg", {"a/././b.jpg", "a/b.jpg"}),
        ("./../a.jpg", {"./../a.jpg", "a.jpg"}),
        ("../../a/b.jpg", {"../../a/b.jpg", "a/b.jpg"}),
        ("a/./../b.jpg", {"a/./../b.jpg", "b.jpg"}),
        ("a/b/../c.jpg", {"a/b/../c.jpg", "a/c.jpg"}),
        ("a/%2E%2e/b.jpg", {"a/%2E%2e/b.jpg", "a/../b.jpg", "b.jpg"}),
        ("a/..b/c../d.jpg", {"a/..b/c../d.jpg"}),
        ('"a.jpg"', {'"a.jpg"', "a.jpg"}),
        ("<a.jpg>", {"<a.jpg>", "a.jpg"}),
        ("\"a.jpg'", {"\"a.jpg'"}),
        ("a.jpg\0\0", {"a.jpg\0\0", "a.jpg"}),
        ("\ufeffa.jpg", {"\ufeffa.jpg", "a.jpg"}),
        ("a%20b.jpg", {"a%20b.jpg", "a b.jpg"}),
        ("a+b.jpg", {"a+b.jpg", "a b.jpg"}),
        ("a%2Bb.jpg", {"a%2Bb.jpg", "a+b.jpg", "a b.jpg"}),
        ("a%2520b.jpg", {"a%2520b.jpg", "a%20b.jpg", "a b.jpg"}),
        ("100%.jpg", {"100%.jpg"}),
        ("a%zz.jpg", {"a%zz.jpg"}),
        ("a&amp;b.jpg", {"a&amp;b.jpg", "a&b.jpg"}),
        ("a&#39;b.jpg", {"a&#39;b.jpg", "a'b.jpg"}),
        ("a&#x27;b.jpg", {"a&#x27;b.jpg", "a'b.jpg"}),
        ("a\\/b.jpg", {"a\\/b.jpg", "a/b.jpg", "a//b.jpg"}),
        ("\\u00e9.jpg", {"\\u00e9.jpg", "\u00e9.jpg", "e\u0301.jpg", "/u00e9.jpg", "u00e9.jpg"}),
        ("a\\b.jpg", {"a\\b.jpg", "a\x08.jpg", "a/b.jpg"}),
        (
            "M\u00c3\u00bc.jpg",
            {"M\u00c3\u00bc.jpg", "MA\u0303\u00bc.jpg", "M\u00fc.jpg", "Mu\u0308.jpg"},
        ),
        (
            "\u00e2\u201a\u00ac.jpg",
            {"\u00e2\u201a\u00ac.jpg", "a\u0302\u201a\u00ac.jpg", "\u20ac.jpg"},
        ),
        ("\u00e2\x82\u00ac.jpg", {"\u00e2\x82\u00ac.jpg", "a\u0302\x82\u00ac.jpg", "\u20ac.jpg"}),
        ("a%FC.jpg", {"a%FC.jpg", "a\udcfc.jpg", "a\u00fc.jpg", "au\u0308.jpg"}),
        (
            "a%80%E9.jpg",
            {"a%80%E9.jpg", "a\udc80\udce9.jpg", "a\u20ac\u00e9.jpg", "a\u20ace\u0301.jpg"},
        ),
        (NFC, {NFC, NFD}),
        (NFD, {NFC, NFD}),
        ("", set()),
        ("/", {"/"}),
        (" ", {" "}),
    ],
)
def test_each_rule(text: str, forms: set[str]) -> None:
    assert spellings(text) == forms


def test_many_rules_at_once() -> None:
    """Eight rules apply to it: the key is among the forms though most of them are none."""
    key = "m\u00fc/a b&c+d//e.jpg"
    text = quote(quote(key, safe="/+&")).replace("&", "&amp;").replace("/", "\\/")
    assert key in spellings(f' "/{text}"\0')


def test_too_long_to_be_a_key() -> None:
    assert spellings("a" * 9216) == {"a" * 9216}
    assert spellings("a" * 9217) == set()


def test_the_longest_keys_are_found_in_their_longest_spellings() -> None:
    for key in ("\u65e5" * 341, "\U0001f5d1" * 256, "\u00e9" * 512, "&" * 1024, " " + "~" * 1023):
        assert len(key.encode()) <= 1024
        entities = "".join(f"&#{ord(c):07d};" if ord(c) > 127 else c for c in key)
        for text in (quote(key, safe=""), quote_plus(key), entities):
            assert key in spellings(text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=100) | KEYS)
def test_a_text_stands_for_itself(text: str) -> None:
    assert spellings(text) >= ({text} if text else set())


HOSTILE = (
    "%25" * 500,
    "%2525" * 300 + "&amp;amp;" * 300,
    "".join(f"%25{'25' * n}41&{'amp;' * n}\\\\u00e9+/./ //" for n in range(1, 12)),
    " ./ ./ ./" * 300,
    "/./" * 1000 + "\u00e9",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_has_more_than_some_hundred_spellings(text: str) -> None:
    assert 1 <= len(spellings(text)) <= 256 + 13


@pytest.mark.parametrize(
    ("key", "folded"),
    [
        ("A/B.JPG", "a/b.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("/a//b.jpg/", "a/b.jpg"),
        ("a\\b.jpg", "a/b.jpg"),
        ("Stra\u00dfe.jpg", "strasse.jpg"),
        (NFC, unicodedata.normalize("NFKC", "m\u00fcller/\u00e9.png")),
        (NFD, unicodedata.normalize("NFKC", "m\u00fcller/\u00e9.png")),
        ("\ufb01le.jpg", "file.jpg"),
        ("a /+b.jpg", "a/b.jpg"),
        ("../A/b.jpg", "a/b.jpg"),
        ("M\u00c3\u00bc.jpg", "m\u00fc.jpg"),
        ("M\u00c3\u0153.jpg", "m\u00fc.jpg"),
        ("x\\y\\..\\b.jpg", "x/b.jpg"),
        ("x/%2e%2e/b.jpg", "b.jpg"),
        ("", ""),
    ],
)
def test_folding(key: str, folded: str) -> None:
    assert fold(key) == folded


@given(
    st.lists(
        st.text(st.sampled_from("aB.+ &%2;\\\u0301\ufb01"), min_size=1, max_size=6),
        min_size=2,
        max_size=4,
    )
)
def test_a_path_meets_its_own_end(parts: list[str]) -> None:
    end = fold("/".join(parts[1:]))
    if "/" in end or "." in end:
        whole = {end} if fold("/".join(parts)) == end else {f"/{end}"}
        assert whole <= set(reference_forms("/".join(parts)))
        assert whole <= set(near_forms("/".join(parts[1:])))


@pytest.mark.parametrize(
    ("key", "forms"),
    [
        ("A.jpg", ["a.jpg", "/a.jpg"]),
        ("u/1/A.jpg", ["u/1/a.jpg", "/u/1/a.jpg", "1/a.jpg", "a.jpg"]),
        ("u/1/readme", ["u/1/readme", "/u/1/readme", "1/readme"]),
        ("word", ["word", "/word"]),
    ],
)
def test_near_forms(key: str, forms: list[str]) -> None:
    assert list(near_forms(key)) == forms


@pytest.mark.parametrize(
    ("written", "meets", "misses"),
    [
        ("/srv/u/A.jpg", {"srv/u/a.jpg", "u/a.jpg", "a.jpg"}, {"x/a.jpg", "v/u/a.jpg"}),
        ("a.jpg", {"a.jpg", "x/a.jpg", "x/y/A.JPG"}, {"aa.jpg", "a.jpg/x"}),
        ("../u/a.jpg", {"u/a.jpg", "x/u/a.jpg", "x/y/../u/a.jpg"}, {"x/a.jpg", "u/x/a.jpg"}),
        ("x/v/../u/a.jpg", {"x/u/a.jpg", "y/x/u/a.jpg"}, {"y/u/a.jpg", "v/a.jpg"}),
        ("\u00c3\u00bc.jpg", {"\u00fc.jpg", "x/u\u0308.jpg", "\u00dc.jpg"}, {"\u00bc.jpg"}),
        ("x/word", {"x/word", "y/x/word"}, {"word", "y/word"}),
    ],
)
def test_what_a_reference_meets(written: str, meets: set[str], misses: set[str]) -> None:
    forms = set(reference_forms(written))
    assert {key for key in meets | misses if forms & set(near_forms(key))} == meets


@settings(max_examples=300, deadline=None)
@given(key=st.text(st.characters(exclude_categories=()), max_size=50))
def test_a_hash_is_that_of_the_utf_8_bytes_as_a_signed_integer(key: str) -> None:
    expected = xxhash.xxh3_64_digest(key.encode("utf-8", "surrogatepass"))
    assert key_hash(key) == int.from_bytes(expected, "big", signed=True)
