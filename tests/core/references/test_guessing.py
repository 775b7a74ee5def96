"""Templates are guessed from what stands in a row and what lies in the bucket."""

from __future__ import annotations

import pytest

from s3gc_core.databases import ListedTable, Row, TextColumn
from s3gc_core.references.discovery import ColumnId
from s3gc_core.references.examining import TableSample
from s3gc_core.references.guessing import Guesses, Wanted, joined, template_of


def sample(rows: dict[int, str], column: str = "name") -> TableSample:
    table = ListedTable("files", "main.files", (TextColumn(column, "text"),), None)
    found = [Row(id_, (value,)) for id_, value in rows.items()]
    return TableSample("main", table, (column,), "id", found)


def guessed(rows: dict[int, str], keys: list[str]) -> dict[str, tuple[str, ...]]:
    guesses = Guesses()
    guesses.want(sample(rows), {"name"})
    guesses.look(keys)
    return {guess.id.column: guess.templates for guess in guesses.found()}


HASHES = {n: f"c{n}ab{n:04d}cdef" for n in range(11, 31)}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("media/{h}", "media/{name}"),
        ("{h[0:2]}/{h[2:4]}/{h}.jpg", "{name[0:2]}/{name[2:4]}/{name}.jpg"),
        ("files/{h[0]}/{h[1:3]}/{h}", "files/{name[0:1]}/{name[1:3]}/{name}"),
        ("u/{id}/{h}.bin", "u/{id}/{name}.bin"),
    ],
)
def test_where_a_value_is_a_part_of_the_key(key: str, expected: str) -> None:
    keys = []
    for id_, h in HASHES.items():
        text = key.replace("{id}", str(id_)).replace("{h}", h)
        for piece in ("[0:2]", "[2:4]", "[0]", "[1:3]"):
            low, _, high = piece.strip("[]").partition(":")
            part = h[int(low) : int(high) if high else int(low) + 1]
            text = text.replace("{h" + piece + "}", part)
        keys.append(text)
    found = guessed(HASHES, [*keys, "other/thing.txt", "11", "media/nothing"])
    assert found["name"] == (expected,)


def test_several_keys_of_a_row_are_alternatives() -> None:
    keys = [f"thumbs/{h}_{size}.webp" for h in HASHES.values() for size in (200, 400, 800)]
    assert guessed(HASHES, keys)["name"] == ("thumbs/{name}_{200,400,800}.webp",)


def test_keys_made_of_the_row_id() -> None:
    rows = {n: f"a title number {n}" for n in range(101, 121)}
    keys = [f"covers/{n}/front.png" for n in rows]
    assert guessed(rows, keys) == {"id": ("covers/{id}/front.png",)}


def test_two_rows_are_no_rule() -> None:
    first_two = list(HASHES.values())[:2]
    assert guessed(HASHES, [f"media/{h}" for h in first_two]) == {}


def test_a_kind_that_is_in_many_keys_is_no_part_of_them() -> None:
    rows = {n: ("large", "small")[n % 2] for n in range(40)}
    assert guessed(rows, [f"p/{n * 7919 + 50_000}-{kind}.png" for n, kind in rows.items()]) == {}


def test_names_below_folders_that_no_template_can_say() -> None:
    rows = {n: f"photo {n}.jpg" for n in range(10, 20)}
    keys = [f"{n * 7919 % 16:x}/{n * 104729 % 256:02x}/{name}" for n, name in rows.items()]
    guesses = Guesses()
    guesses.want(sample(rows), {"name"})
    guesses.look([*keys, "other/thing.jpg"])
    [guess] = guesses.found()
    assert (guess.id.column, guess.templates) == ("name", ())
    assert (guess.sought, guess.values, guess.objects) == (10, 10, 10)
    # Half of the names at least, and names of files.
    assert len(guessed(rows, keys[:5])) == 1
    assert guessed(rows, keys[:4]) == {}
    words = {n: f"word{n}" for n in range(10, 20)}
    assert guessed(words, [f"{n * 7919 % 16:x}/{name}" for n, name in words.items()]) == {}


def test_names_in_binary_columns_and_as_primary_keys() -> None:
    keys = [f"media/{h}.jpg" for h in HASHES.values()]
    table = ListedTable("files", "main.files", (TextColumn("name", "blob"),), None)
    found = [Row(n, (f"{h}.jpg".encode(),)) for n, h in HASHES.items()]
    guesses = Guesses()
    guesses.want(
        TableSample("main", table, ("name",), "id", [*found, Row(0, (b"\xff",))]), {"name"}
    )
    guesses.look(keys)
    assert [guess.templates for guess in guesses.found()] == [("media/{name}",)]
    by_name = [Row(f"{h}.jpg", (None,)) for h in HASHES.values()]
    guesses = Guesses()
    guesses.want(TableSample("main", table, ("name",), "id", by_name), {"name"})
    guesses.look(keys)
    assert [(g.id.column, g.templates) for g in guesses.found()] == [("id", ("media/{id}",))]


def test_names_with_spaces() -> None:
    rows = {n: f"my file {n}.txt" for n in range(10)}
    keys = [f"docs/{name}" for name in rows.values()]
    assert guessed(rows, keys)["name"] == ("docs/{name}",)


def test_a_brace_in_a_key_is_escaped() -> None:
    wanted = Wanted(ColumnId("main", "t", "c"), "value", "1", "id")
    assert template_of("{x}/value.txt", wanted) == "{{x}}/{c}.txt"


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        (["a/{c}"], ["a/{c}"]),
        (["a/{c}_1.x", "a/{c}_2.x"], ["a/{c}_{1,2}.x"]),
        (["a/{c}_1.x", "b/{c}_2.x"], ["a/{c}_1.x", "b/{c}_2.x"]),
        (["a/{c}", "b/{c}", "a/{c}/thumb"], ["{a,b}/{c}", "a/{c}/thumb"]),
        ([], []),
    ],
)
def test_what_differs_in_a_word_is_joined(templates: list[str], expected: list[str]) -> None:
    assert joined(templates) == expected
