"""A key, written in any way the codecs know, is found by the declared codec and by `auto`."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings

from s3gc_core.config import Codec
from s3gc_core.references import keys_of_value
from tests.core.references.writings import (
    BUCKET,
    CDN,
    DECLARED,
    ENDPOINT,
    KEYS,
    LONG_KEYS,
    NAMES,
    Writing,
    url_writings,
)

ODD_KEYS = (
    "a.jpg",
    "users/1/avatar.png",
    "with space.jpg",
    "100%.jpg",
    "a%20b.jpg",
    "1+1=2.jpg",
    'double"quote.jpg',
    "it's.jpg",
    "back\\slash.jpg",
    "a&b.jpg",
    "a&amp;b.jpg",
    "M\u00fcller/\u00e9.png",
    "Mu\u0308ller/e\u0301.png",
    "\U0001f5d1/\u65e5\u672c.jpg",
    "a//b.jpg",
    "what?.jpg",
    "no#1.jpg",
    "a,b;c.jpg",
    "~x@y:z!$*.jpg",
    "all in one/%20+&amp;'\" \\/e\u0301.jpg",
)


def written(codec: Codec, name: str) -> str:
    return f"{codec}: {name}"


@pytest.mark.parametrize(
    ("codec", "writing"),
    [pytest.param(codec, writing, id=written(codec, name)) for codec, name, writing in DECLARED],
)
def test_odd_keys_are_found(codec: Codec, writing: Writing) -> None:
    lost = [
        (asked, key)
        for key in ODD_KEYS
        for asked in (codec, Codec.AUTO)
        if key not in keys_of_value(asked, writing(key), NAMES)
    ]
    assert lost == []


@pytest.mark.parametrize("codec", sorted({codec for codec, *_ in DECLARED}))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(key=KEYS)
@example("x/%2520%25.jpg")
@example("+ +.jpg")
@example("\\u00e9\\/.jpg")
def test_any_key_is_found(codec: Codec, key: str) -> None:
    lost = [
        (asked, name, writing(key))
        for of_codec, name, writing in DECLARED
        for asked in (codec, Codec.AUTO)
        if of_codec is codec and key not in keys_of_value(asked, writing(key), NAMES)
    ]
    assert lost == []


@pytest.mark.parametrize("key", LONG_KEYS)
def test_the_longest_keys_are_found(key: str) -> None:
    assert len(key.encode()) == 1024
    lost = [
        (asked, name)
        for codec, name, writing in DECLARED
        for asked in (codec, Codec.AUTO)
        if key not in keys_of_value(asked, writing(key), NAMES)
    ]
    assert lost == []


OTHER_BUCKETS = ("other", "photos2", "my-photos", "my.photos", "photos.backup")
# A name below the endpoint's may be that of a CDN.
DOUBTFUL = f"https {{bucket}}.{ENDPOINT}"


def other_writings(bucket: str) -> dict[str, Writing]:
    writings = url_writings(bucket)
    del writings[DOUBTFUL]
    return writings


@pytest.mark.parametrize("bucket", OTHER_BUCKETS)
def test_a_url_of_another_bucket_is_no_reference(bucket: str) -> None:
    key = "users/1/a b.jpg"
    parts = {key, quote(key), f"{bucket}/{key}", f"{bucket}/{quote(key)}", "1/a b.jpg", "a b.jpg"}
    for name, writing in other_writings(bucket).items():
        text = writing(key)
        assert keys_of_value(Codec.URL, text, NAMES) == set(), name
        # Besides the text itself, which is no key either, nothing of it is one.
        found = keys_of_value(Codec.AUTO, text, NAMES)
        assert text in found, name
        assert found.isdisjoint(parts), name


@settings(max_examples=100, deadline=None)
@given(key=KEYS)
def test_no_url_of_another_bucket_is_a_reference(key: str) -> None:
    for name, writing in other_writings("other").items():
        assert keys_of_value(Codec.URL, writing(key), NAMES) == set(), name
        found = keys_of_value(Codec.AUTO, writing(key), NAMES)
        assert writing(key) in found, name


@pytest.mark.parametrize("bucket", OTHER_BUCKETS)
def test_a_name_below_the_endpoint_may_be_a_cdn_s(bucket: str) -> None:
    key = "users/1/a b.jpg"
    for codec in (Codec.URL, Codec.AUTO):
        assert key in keys_of_value(codec, url_writings(bucket)[DOUBTFUL](key), NAMES)


def test_the_same_urls_name_this_bucket() -> None:
    """The negative test above is only worth something when the same text can be positive."""
    for name, writing in url_writings(BUCKET).items():
        assert "a/b.jpg" in keys_of_value(Codec.URL, writing("a/b.jpg"), NAMES), name


# What people's file names really hold: browsers number downloads in brackets, names have
# apostrophes; encodeURIComponent leaves ( ) ' ! * as they are.
BRACKETED = (
    "photo (1).jpg",
    "it's.jpg",
    "report [final].pdf",
    "{id}.jpg",
    "a|b.jpg",
    "(draft).pdf",
    "a(b)c/d'e.jpg",
)


IN_MARKS = {
    "attribute": lambda key: f'<img alt="x" src="{key}">',
    "encoded in an attribute": lambda key: f'<img src="/{component(key)}" alt="x">',
    "URL in an attribute": lambda key: (
        f'<img src="https://{BUCKET}.s3.amazonaws.com/{component(key)}">'
    ),
    "CDN in an attribute": lambda key: f'<a href="{CDN}{component(key)}">x</a>',
    "URL in a sentence": lambda key: f"see {CDN}{component(key)} please",
    "Markdown": lambda key: f"[x](<{key}>)",
}


@pytest.mark.parametrize("title", ["", ' "a title"', " 'a title'"])
def test_a_link_s_target_in_parentheses(title: str) -> None:
    """Markdown lets a target hold parentheses in pairs, and a title stand behind it."""
    for key in ("a/photo (1).jpg", "a b/c.jpg", "x(y)z/d.jpg"):
        assert key in keys_of_value(Codec.TEXT, f"see ![alt]({key}{title}) and", NAMES), key


def component(key: str) -> str:
    return quote(key, safe="/()'!*")


@pytest.mark.parametrize("writing", IN_MARKS.values(), ids=list(IN_MARKS))
def test_marks_inside_of_a_key_do_not_break_it(writing: Writing) -> None:
    """A quoted attribute ends at its own quote only; a bare URL at white space."""
    lost = [
        (codec, key)
        for key in BRACKETED
        for codec in (Codec.TEXT, Codec.AUTO)
        if key not in keys_of_value(codec, writing(key), NAMES)
    ]
    assert lost == []


@pytest.mark.parametrize("base", ["", f"https://{BUCKET}.s3.amazonaws.com/", CDN])
def test_json_in_an_html_attribute(base: str) -> None:
    """Properties of a component: JSON, with its quotes escaped once more."""
    lost = []
    for key in ("users/1/a.jpg", "a b.jpg", "it's.jpg", "a&b.jpg"):
        document = json.dumps({"title": "x", "src": base + quote(key), "width": 1})
        text = f'<div data-props="{html.escape(document)}"></div>'
        for codec in (Codec.TEXT, Codec.AUTO):
            if key not in keys_of_value(codec, text, NAMES):
                lost.append((codec, key))
    assert lost == []


@pytest.mark.parametrize("codec", [Codec.KEY, Codec.AUTO])
@pytest.mark.parametrize("key", ["a.jpg", "users/1/a.jpg", "a b.jpg"])
def test_the_current_folder_in_front(codec: Codec, key: str) -> None:
    assert key in keys_of_value(codec, f"./{key}", NAMES)


@pytest.mark.parametrize("key", ["users/1/a.jpg", "users/a b.jpg"])
def test_two_leading_slashes(key: str) -> None:
    """`base + "/" + "/users/..."`, which looks like a host to whoever expects one."""
    assert key in keys_of_value(Codec.AUTO, f"//{key}", NAMES)
    assert key in keys_of_value(Codec.AUTO, f"//{quote(key)}", NAMES)


@pytest.mark.parametrize(
    "base",
    [
        CDN,
        CDN.removeprefix("https:"),
        CDN.removeprefix("https://"),
        CDN.replace("https", "http"),
        CDN.replace("cdn.example.org", "CDN.Example.org"),
        CDN.replace(".org", ".org:443"),
    ],
)
def test_a_cdn_base_is_the_same_place_under_any_scheme(base: str) -> None:
    """Its path is no part of the key, however the scheme and the host are written."""
    assert "users/a b.jpg" in keys_of_value(Codec.AUTO, base + "users/a%20b.jpg", NAMES)
    assert "users/a.jpg" in keys_of_value(Codec.AUTO, base + "users/a.jpg", NAMES)


@pytest.mark.parametrize(
    "place",
    [
        f"{BUCKET}.s3.amazonaws.com/",
        f"{BUCKET}.s3.eu-west-1.amazonaws.com/",
        f"s3.amazonaws.com/{BUCKET}/",
        f"s3.eu-west-1.amazonaws.com/{BUCKET}/",
        f"{NAMES.endpoint_host}/{BUCKET}/",
    ],
)
def test_a_host_without_scheme(place: str) -> None:
    assert "users/a.jpg" in keys_of_value(Codec.AUTO, f"{place}users/a.jpg", NAMES)
    assert "a b.jpg" in keys_of_value(Codec.AUTO, f"{place}a%20b.jpg", NAMES)
