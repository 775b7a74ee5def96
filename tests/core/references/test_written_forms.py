"""A key's written forms are what `spellings` reads back, and the search finds all of them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.references import ColumnId, KeySearch, MentionKind, spellings
from s3gc_core.references.token_borders import kind_of
from s3gc_core.references.undone_escapes import copies
from s3gc_core.references.written_forms import (
    ESCAPES,
    MOST_FORMS,
    SLASHES,
    escaped_forms,
    is_odd,
    plain_forms,
    written_forms,
)

COLUMN = ColumnId("main", "public.t", "c")
KEY_LETTERS = "ab1/._-é\u0301ü% +&\"'<>()\\\U0001f600"
KEYS = st.text(st.sampled_from(KEY_LETTERS), min_size=1, max_size=12)
# What spellings itself takes for the key: no leading slash, no blanks around it.
READABLE = KEYS.filter(lambda key: key in spellings(key))


@given(READABLE)
def test_every_form_is_read_back(key: str) -> None:
    forms = written_forms(key)
    assert forms[0] == key
    assert len(forms) == len(set(forms)) <= MOST_FORMS
    normal = {key, *(unicodedata.normalize(form, key) for form in ("NFC", "NFD"))}
    for form in forms:
        assert normal & spellings(form), form
        if unicodedata.is_normalized("NFC", key) or unicodedata.is_normalized("NFD", key):
            assert key in spellings(form), form


@given(st.lists(KEYS, min_size=1, max_size=3))
def test_an_escaped_form_is_known_by_its_escapes(keys: list[str]) -> None:
    for key in keys:
        marks = ESCAPES if is_odd(key) else SLASHES
        assert all(any(mark in form.encode() for mark in marks) for form in escaped_forms(key))
        assert not set(escaped_forms(key)) & set(plain_forms(key))


def test_the_forms_of_keys() -> None:
    assert written_forms("a.jpg") == ["a.jpg"]
    assert written_forms("p/a.jpg") == ["p/a.jpg", "p%2Fa.jpg", "p%2fa.jpg", "p\\/a.jpg"]
    assert {
        "p/Ä b&.jpg",
        "p/A\u0308 b&.jpg",
        "p/%C3%84%20b%26.jpg",
        "p%2F%C3%84%20b%26.jpg",
        "p%2f%c3%84%20b%26.jpg",
        "p/%C3%84+b%26.jpg",
        "p/%C3%84%20b&.jpg",
        "p/\\u00c4 b&.jpg",
        "p\\/\\u00c4 b&.jpg",
        "p/\\u00C4 b&.jpg",
        "p\\/Ä b&.jpg",
        "p/Ä b&amp;.jpg",
        "p/A%CC%88%20b%26.jpg",
    } <= set(written_forms("p/Ä b&.jpg"))


@given(
    st.lists(KEYS, min_size=1, max_size=6, unique=True),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)) | st.none(), max_size=6),
    st.text(st.sampled_from(KEY_LETTERS + "\0\n"), max_size=4),
    st.booleans(),
)
def test_the_search_finds_what_is_there_and_nothing_else(
    keys: list[str], held: list[tuple[int, int] | None], around: str, as_bytes: bool
) -> None:
    """Compared with a look for each form in each value."""
    values: list[str | bytes | None] = []
    for one in held:
        if one is None:
            values.append(None)
            continue
        forms = written_forms(keys[one[0] % len(keys)])
        text = around + forms[one[1] % len(forms)] + around
        values.append(text.encode() if as_bytes else text)
    search = KeySearch(keys)
    found = search.mentions(COLUMN, list(range(len(values))), values)
    by_hash = dict(zip(search.hashes, keys, strict=True))
    texts = [value.decode() if isinstance(value, bytes) else value or "" for value in values]
    assert {(by_hash[m.hash], m.row) for m in found} == {
        (key, row)
        for key in keys
        for row, text in enumerate(texts)
        if any(form in text for form in written_forms(key))
        or key in slashes(text)
        or any(form in copy for form in plain_forms(key) for copy in undone(text, keys))
    }


def undone(text: str, keys: list[str]) -> list[str]:
    """The text without escapes, which other tests look at; NULs end a value."""
    spaces = " " in "".join(keys)
    raw = f"\0{text}\0".replace("\0", "\n")[1:-1].encode()
    return [copy.decode("utf-8", "replace") for copy in copies(b"\0%b\0" % raw, spaces=spaces)]


def slashes(text: str) -> str:
    """With slashes that are escaped in any mixture."""
    for escape in SLASHES:
        text = text.replace(escape.decode(), "/")
    return text


@pytest.mark.parametrize(
    "key", ["2fbd6-picture.png", "2Fbd6-picture.png", "2fa/b/x.png", "fbd.png"]
)
@pytest.mark.parametrize("others", [(), ("other/one.jpg",), ("other/one é.jpg",)])
def test_a_key_that_looks_like_the_end_of_a_slash_is_found_behind_a_percent_sign(
    key: str, others: tuple[str, ...]
) -> None:
    values = [f"100%{key}", f"%{key} x", f"see {key}", f"a%2F{key}", f"%2{key}", "%2", None]
    search = KeySearch([key, *others])
    found = search.mentions(COLUMN, list(range(len(values))), values)
    assert {(m.hash, m.row) for m in found} == {(search.hashes[0], row) for row in range(5)}


def test_only_so_many_places_are_told() -> None:
    search = KeySearch(["some/key.jpg"])
    found = search.mentions(COLUMN, list(range(100)), ["some/key.jpg"] * 100)
    assert [m.row for m in found] == list(range(10))
    assert search.mentions(COLUMN, [7], ["some/key.jpg"]) == []


def test_values_in_many_chunks_keep_their_rows() -> None:
    values = ["x" * 1_000 if n % 700 else f"é key-{n}.jpg" for n in range(3_000)]
    search = KeySearch([f"key-{n}.jpg" for n in range(0, 3_000, 700)])
    found = search.mentions(COLUMN, [f"r{n}" for n in range(3_000)], values)
    assert {(m.row, m.text) for m in found} == {
        (f"r{n}", f"é key-{n}.jpg") for n in range(0, 3_000, 700)
    }


LONG = "photos/summer-1.jpg"
WHOLE, PART, CHANCE = MentionKind.WHOLE, MentionKind.PART, MentionKind.CHANCE


@pytest.mark.parametrize(
    ("before", "after", "short", "long"),
    [
        ("", "", WHOLE, WHOLE),
        ("see ", ".", WHOLE, WHOLE),
        ("see ", ". And", WHOLE, WHOLE),
        ("/", "", WHOLE, WHOLE),
        ("https://h/x/", "?w=1", WHOLE, WHOLE),
        ("x%2F", "", WHOLE, WHOLE),
        ("x%252f", "%22", WHOLE, WHOLE),
        ("x%20", "%20x", WHOLE, WHOLE),
        ("x\\n", "\\n", WHOLE, WHOLE),
        ("\\u0022", "\\u0022", WHOLE, WHOLE),
        ("s:5:\\x22", "&quot;", WHOLE, WHOLE),
        ("_", "_", WHOLE, WHOLE),
        ("- ", "-", WHOLE, WHOLE),
        ("“", "”", WHOLE, WHOLE),
        ("见", "图", WHOLE, WHOLE),
        ("key=", ",", WHOLE, WHOLE),
        ("x+", "+x", WHOLE, WHOLE),
        ("", "/", WHOLE, WHOLE),
        ("b", "", CHANCE, PART),
        ("", "x", CHANCE, PART),
        ("x-", "", CHANCE, PART),
        ("x_", "", CHANCE, PART),
        ("", ".bak", CHANCE, PART),
        ("", "-2", CHANCE, PART),
        ("", "/x", CHANCE, PART),
        ("", "%2Fx", CHANCE, PART),
        ("", "\\/x", CHANCE, PART),
        ("", "%41", CHANCE, PART),
        ("%41", "", CHANCE, PART),
        ("", "\\u0041", CHANCE, PART),
    ],
)
def test_borders(before: str, after: str, short: MentionKind, long: MentionKind) -> None:
    for key, expected in (("a.jpg", short), (LONG, long)):
        text = f"\0{before}{key}{after}\0".encode()
        start = 1 + len(before.encode())
        assert kind_of(text, start, start + len(key), key) is expected, (key, before, after)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("documents/no/1", WHOLE),
        ("documents/no/12", CHANCE),
        ("documents/no/1a", PART),
        ("documents/no/1/2", PART),
        ("xdocuments/no/12", PART),
    ],
)
def test_a_longer_number_is_another_number(text: str, kind: MentionKind) -> None:
    [found] = KeySearch(["documents/no/1"]).mentions(COLUMN, [1], [text])
    assert found.kind is kind


def test_keys_that_end_in_the_same_way_are_told_apart() -> None:
    ending = "/original-picture.jpg"
    keys = [f"{folder}{ending}" for folder in ("1", "21", "x/1", "é", "")] + [ending[5:]]
    values = [f"see {key}" for key in keys] + [f"see 3{ending}"]
    search = KeySearch(keys)
    found = search.mentions(COLUMN, list(range(len(values))), values)
    by_hash = dict(zip(search.hashes, keys, strict=True))
    assert {(by_hash[m.hash], m.row) for m in found} == {
        (key, row) for key in keys for row, value in enumerate(values) if key in value
    }
