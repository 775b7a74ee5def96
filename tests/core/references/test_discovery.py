"""What a column's values say about it: codec, share, and what is only there by chance."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from s3gc_core.config import Codec
from s3gc_core.databases import Value
from s3gc_core.references import BucketNames, ColumnId, Finding, key_hash, ranked
from s3gc_core.references.discovery import (
    CODECS,
    best_codec,
    explained_share,
    hashes_of,
    read_values,
    shown_value,
)

NAMES = BucketNames("photos")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def judged(
    values: list[Value], keys: set[str], codecs: tuple[Codec, ...] = CODECS
) -> tuple[Codec, set[int], set[str]] | None:
    """The codec, the positions of values that resolve, and the objects they name."""
    by_hash = {key_hash(key): key for key in keys}
    reading = read_values(values, NAMES, codecs)
    assert by_hash.keys() & hashes_of(reading) == {
        h for found in reading.values() for hashes in found for h in hashes if h in by_hash
    }
    score = best_codec(values, reading, set(by_hash))
    if score is None:
        return None
    return score.codec, set(score.resolved), {by_hash[h] for h in score.objects}


KEYS = {f"a/{n}.jpg" for n in range(20)}


@pytest.mark.parametrize(
    ("codec", "values"),
    [
        (Codec.KEY, [f"a/{n}.jpg" for n in range(20)]),
        (Codec.KEY, [f"/a/{n}.jpg" for n in range(20)]),
        (Codec.URL, [f"https://photos.s3.amazonaws.com/a/{n}.jpg?v=1" for n in range(20)]),
        (Codec.TEXT, [f"see <img src='/a/{n}.jpg'> there" for n in range(20)]),
        (Codec.KEY, [f"a/{n}.jpg".encode() for n in range(20)]),
    ],
)
def test_the_narrowest_codec_that_finds_all(codec: Codec, values: list[Value]) -> None:
    assert judged(values, KEYS) == (codec, set(range(20)), KEYS)


def test_json_finds_what_narrower_codecs_do_not() -> None:
    values: list[Value] = [f'{{"files": [{{"src": "a\\/{n}.jpg"}}]}}' for n in range(20)]
    assert judged(values, KEYS, (Codec.KEY, Codec.URL, Codec.JSON)) == (
        Codec.JSON,
        set(range(20)),
        KEYS,
    )


def test_a_stray_value_does_not_ask_for_a_broader_codec() -> None:
    keys = {f"a/{n}.jpg" for n in range(100)} | {"b/odd.jpg"}
    values: list[Value] = [f"a/{n}.jpg" for n in range(100)]
    values.append("it is at <b/odd.jpg>")
    assert judged(values, keys) == (Codec.KEY, set(range(100)), keys - {"b/odd.jpg"})


def test_values_that_name_nothing() -> None:
    assert judged(["hello", "a/99.jpg", "http://x/y"], KEYS) is None
    assert judged([], KEYS) is None


def test_a_bare_word_is_there_by_chance_unless_many_are() -> None:
    words: list[Value] = [f"word{n}" for n in range(99)]
    assert judged([*words, "draft"], {"draft"}) is None
    assert judged([*words, "draft.txt"], {"draft.txt"}) is not None
    assert judged([*words, "0123456789abcdef"], {"0123456789abcdef"}) is not None
    assert judged(words, {f"word{n}" for n in range(50)}) is not None


@pytest.mark.parametrize(
    ("objects", "sampled", "rows", "listed", "share"),
    [
        (10, 10, 10, 100, 0.1),
        (10, 10, 50, 100, 0.5),
        (10, 10, 5000, 100, 1.0),
        (10, 10, None, 100, 0.1),
        (10, 10, 5, 100, 0.1),  # an estimate that is too low
        (10, 0, 5, 100, 0.0),
        (0, 10, 10, 0, 0.0),
    ],
)
def test_the_share_of_the_bucket(
    objects: int, sampled: int, rows: int | None, listed: int, share: float
) -> None:
    assert explained_share(objects, sampled, rows, listed) == share


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a.jpg", "a.jpg"),
        ("https://h/a.jpg?X-Amz-Signature=secret", "https://h/a.jpg?..."),
        ("https://user:secret@h/a.jpg", "https://...@h/a.jpg"),
        ('x "https://h/a?sig=secret" y', 'x "https://h/a?..." y'),
        (b"\xff\x00a", "\\xff\x00a"),
        ("y" * 5000, "y" * 200),
        (None, ""),
    ],
)
def test_samples_are_short_and_without_secrets(value: Value, shown: str) -> None:
    assert shown_value(value) == shown


def test_the_order_in_which_columns_are_told() -> None:
    def finding(name: str, resolved: int, explained: float) -> Finding:
        id_ = ColumnId("main", "t", name)
        return Finding(id_, "t", "text", NOW, values=10, resolved=resolved, explained=explained)

    found = [finding("d", 0, 0.0), finding("c", 5, 0.1), finding("b", 9, 0.1), finding("a", 1, 0.5)]
    assert [one.id.column for one in ranked(found)] == ["a", "b", "c"]
