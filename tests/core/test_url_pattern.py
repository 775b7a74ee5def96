"""Patterns of URLs: what `{key}` stands for, and in which time."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.url_pattern import LONGEST_URL, BadPattern, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "keys"),
    [
        ("/r/{key}", "/r/a/b.jpg", ["a/b.jpg"]),
        ("/r/{key}", "/R/a/b.jpg", []),
        ("/r/{key}", "/x/r/a.jpg", []),
        ("/r/{key}", "/r/", []),
        ("/*/plain/{key}@*", "/w:20/plain/a/b.jpg@webp", ["a/b.jpg"]),
        ("/*/plain/{key}@*", "/w:20/plain/a@2x.jpg@webp", ["a@2x.jpg", "a"]),
        ("/*/plain/{key}@*", "/w/h/plain/a.jpg@webp", []),
        ("/*/plain/{key}@*", "/w/plain/a.jpg", []),
        ("/*/plain/{key}@*", "/w/plain/a.jpg@x/y", []),
        ("/**/plain/{key}", "/w/h/plain/a.jpg", ["a.jpg"]),
        ("/**/plain/{key}", "/w/plain/x/plain/a.jpg", ["x/plain/a.jpg", "a.jpg"]),
        ("/**/a*b/{key}", "/x/a/a/aab/k", ["k"]),
        ("/i?url={key}&*", "/i?url=a%2Fb.jpg&w=640", ["a%2Fb.jpg"]),
        ("/i?url={key}&**", "/i?url=a.jpg&w=6/4&q=1", ["a.jpg&w=6/4", "a.jpg"]),
        ("/i/*-{key}-*.webp", "/i/w-20-a.jpg-x.webp", ["20-a.jpg", "20", "a.jpg"]),
        ("p://{key}", "p://a/b.jpg", ["a/b.jpg"]),
        ("(.+)/[a]/{key}$", "(.+)/[a]/b$", ["b"]),
        ("/api/file/{key} -> media/{key}", "/api/file/a.jpg", ["media/a.jpg"]),
        ("/api/file/{key} -> my media/é-{key}", "/api/file/a.jpg", ["my media/é-a.jpg"]),
    ],
)
def test_keys(pattern: str, text: str, keys: list[str]) -> None:
    assert list(parse_pattern(pattern).keys(text)) == keys


@pytest.mark.parametrize(
    ("pattern", "anchor", "before"),
    [
        ("https://Img.Example.org/A/{key}", "//", "//img.example.org/A/"),
        ("http://h/{key}", "//", "//h/"),
        ("//h/{key}", "//", "//h/"),
        ("/a/{key}", "/", "/a/"),
        ("public://{key}", "", "public://"),
    ],
)
def test_what_a_pattern_is_matched_against(pattern: str, anchor: str, before: str) -> None:
    parsed = parse_pattern(pattern)
    assert (parsed.anchor, "".join(parsed.before)) == (anchor, before)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{key}", "{key}/a", "/a/", "/{key}/{key}", "/{id}/{key}", "/}{key}", "/a b/{key}"),
        *("/a*{key}", "/a**{key}", "/{key}*", "/{key}**", "/a/***/{key}", "/a\n{key}", "/a\0{key}"),
        *("/a/{key} -> ", "/a/{key} -> {key}", "/a/{key} -> b/", "/a/{key}->b/{key}"),
        *(
            "/a/{key} -> {id}/{key}",
            "/a/{key} -> b/{key}/c",
            "/a/{key} -> b*/{key}",
            "/a -> b/{key}",
        ),
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        parse_pattern(text)


PIECES = st.lists(st.sampled_from(["a", "b", "/", "*", "ab"]), max_size=5).map("".join)


@settings(max_examples=400, deadline=None)
@given(before=PIECES, after=PIECES, text=st.text("ab/", min_size=1, max_size=12))
def test_as_globs_say(before: str, after: str, text: str) -> None:
    """Each key that is found fits, and where any fits, one is found."""
    before, after = "/" + before.replace("***", "*") + "/", after and "/" + after + "/"
    if "***" in before + after:
        return
    pattern = parse_pattern(f"{before}{{key}}{after}")
    text = "/" + text
    fits = {
        text[start:stop]
        for start in range(len(text))
        for stop in range(start + 1, len(text) + 1)
        if _glob(text[:start], before) and _glob(text[stop:], after)
    }
    found = set(pattern.keys(text))
    assert found <= fits
    assert bool(found) == bool(fits)
    if fits:
        assert max(map(len, found)) == max(map(len, fits))


def _glob(text: str, pattern: str) -> bool:
    """The same by another way: segments matched one by one by the standard library."""
    if not pattern:
        return not text
    head, _, tail = pattern.partition("**")
    if "**" in pattern:
        return any(
            _glob(text[:cut], head)
            and any(_glob(text[at:], tail) for at in range(cut, len(text) + 1))
            for cut in range(len(text) + 1)
        )
    segments, wanted = text.split("/"), pattern.split("/")
    return len(segments) == len(wanted) and all(map(fnmatch.fnmatchcase, segments, wanted))


@pytest.mark.parametrize(
    "text",
    [
        "/" + "a" * LONGEST_URL,
        "/" + "a/" * (LONGEST_URL // 2 - 1),
        ("/plain/" * 600 + "@" * 4000)[: LONGEST_URL - 1] + "/",
        "/" + "a@" * 5000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    patterns = ["/**a**a**a**/{key}@**@**@*", "/*a*a*a*/plain/{key}@*@*", "/**/plain/{key}@*x"]
    began = time.process_time()
    for pattern in patterns:
        list(parse_pattern(pattern).keys(text))
    # Far above what it takes; far below what backtracking would.
    assert time.process_time() - began < 10


def test_a_longer_text_is_no_url() -> None:
    assert list(parse_pattern("/a/{key}").keys("/a/" + "b" * LONGEST_URL)) == []
