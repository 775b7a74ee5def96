"""What stands before keys in URLs and paths is guessed from where they end alike."""

from __future__ import annotations

import pytest

from s3gc_core.config import Codec
from s3gc_core.databases.protocol import Value
from s3gc_core.references import BucketNames, ColumnId, keys_of_value
from s3gc_core.references.bases import Bases

HERE = ColumnId("main", "main.posts", "body")
THERE = ColumnId("main", "main.posts", "cover")
NAMES = [*(f"file {n}é.jpg" for n in range(2)), *(f"plain-{n}.jpg" for n in range(2))]
KEYS = [f"images/{name}" for name in NAMES]


def guessed(values: list[Value], keys: list[str]) -> tuple[str, ...]:
    bases = Bases()
    bases.want(HERE, values)
    bases.look(keys)
    return bases.patterns().get(HERE, ())


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("/media/images/{}", "/media/{key}"),
        ("https://example.org/media/images/{}?v=1", "/media/{key}"),
        ('<p>See <img src="/a/b/images/{}"> now</p>', "/a/b/{key}"),
        (r'{{"src": "\/media\/images\/{}"}}', "/media/{key}"),
        ("/api/file/{}", "/api/file/{key} -> images/{key}"),
        ("storage/images/{}", "storage/{key}"),
    ],
)
def test_what_stands_before_a_key(form: str, pattern: str) -> None:
    values: list[Value] = [form.format(name.replace(" ", "%20")) for name in NAMES]
    assert guessed(values, [*KEYS, "other/thing.jpg"]) == (pattern,)
    assert guessed([str(value).encode() for value in values], KEYS) == (pattern,)
    names = BucketNames("photos", url_patterns=(pattern,))
    for value, key in zip(values, KEYS, strict=True):
        assert key in keys_of_value(Codec.AUTO, value, names)
        assert key not in keys_of_value(Codec.URL, value, BucketNames("photos"))


@pytest.mark.parametrize(
    "form",
    [
        "{}",  # what a template says
        "/{}",  # the root of any host
        "images/{}",  # the key itself
        "/images/{}",
        "https://example.org/images/{}",
        "/me dia/images/{}",  # no pattern has a space
        "/me*dia/images/{}",
    ],
)
def test_what_is_no_path_before_a_key(form: str) -> None:
    assert guessed([form.format(name.replace(" ", "%20")) for name in NAMES], KEYS) == ()


def test_two_paths_are_no_rule() -> None:
    values: list[Value] = [f"/media/{key}".replace(" ", "%20") for key in KEYS]
    assert guessed(values[:2], KEYS) == ()
    assert guessed(values[:3], KEYS) == ("/media/{key}",)
    assert guessed([*values[:2], values[0]], KEYS) == ()


def test_a_small_share_of_what_begins_alike_is_no_rule() -> None:
    values: list[Value] = [f"/wiki/{key}".replace(" ", "%20") for key in KEYS]
    pages: list[Value] = [f"/wiki/page/{n}" for n in range(17)]
    assert guessed([*values, *pages], KEYS) == ()
    assert guessed([*values, *pages[:16]], KEYS) == ("/wiki/{key}",)


def test_a_column_of_its_own_is_share_enough() -> None:
    bases = Bases()
    bases.want(THERE, [f"/wiki/page/{n}" for n in range(100)])
    bases.want(HERE, [f"/wiki/{key}".replace(" ", "%20") for key in KEYS])
    bases.look(KEYS)
    assert bases.patterns() == {HERE: ("/wiki/{key}",)}


def test_many_columns_with_little_in_each() -> None:
    bases = Bases()
    columns = [ColumnId("main", "main.t", f"c{n}") for n in range(3)]
    for column, key in zip(columns, KEYS, strict=False):
        bases.want(column, [f"/media/{key}".replace(" ", "%20")])
    bases.look(KEYS)
    assert bases.patterns() == dict.fromkeys(columns, ("/media/{key}",))


def test_a_path_that_is_explained_is_no_reason_for_another_pattern() -> None:
    thumbs = [f"thumbs/{name}" for name in NAMES]
    values: list[Value] = [f"/media/{key}".replace(" ", "%20") for key in KEYS]
    assert guessed(values, [*thumbs, *KEYS]) == ("/media/{key}",)


def test_what_is_seen_once_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3gc_core.references.bases._KEPT", 5)
    values: list[Value] = [f"/media/{key}".replace(" ", "%20") for key in KEYS]
    noise = [f"{n}/{NAMES[0]}" for n in range(50)]
    assert guessed(values, [*noise[:25], *KEYS[:2], *noise[25:], *KEYS[2:]]) == ("/media/{key}",)


def test_nothing_is_wanted_of_values_without_paths() -> None:
    bases = Bases()
    bases.want(HERE, ["plain", None, "two words", b"\xff\xfe"])
    assert not bases.anything_wanted
