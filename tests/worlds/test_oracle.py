"""The oracle itself, on worlds small enough to be judged by eye."""

from __future__ import annotations

import pytest

from tests.worlds.model import (
    Cell,
    Column,
    Holds,
    Identity,
    Life,
    Mention,
    Row,
    Sight,
    Stored,
    Table,
    World,
)
from tests.worlds.oracle import expected


def world(*rows: Row, objects: dict[str, bool], scans: int = 1) -> World:
    column = Column("image", Holds.TEXT, "key")
    table = Table("posts", Identity.INTEGER, (column,), ({"column": "image"},), rows)
    stored = tuple(Stored(key, young) for key, young in objects.items())
    return World("sqlite", (table,), stored, scans)


def row(text: str, sight: Sight = Sight.READ, life: Life = Life.STAYS) -> Row:
    return Row(1, (Cell(text, (Mention(text, sight),), "plain"),), life)


def outcome(one: World, key: str, scan: int = 1) -> str:
    found = expected(one, scan)
    (name,) = [name for name in found.__slots__ if key in getattr(found, name)]
    return name


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ("a/b.jpg", "a/b.jpg", "in_use"),
        # Another spelling of the same key.
        ("a%20b.jpg", "a b.jpg", "spared"),
        ("caf\u00e9.jpg", "cafe\u0301.jpg", "spared"),
        ("a b.jpg", "a%20b.jpg", "spared"),
        ("a+b.jpg", "a b.jpg", "spared"),
        # Near misses.
        ("A/b.JPG", "a/B.jpg", "held"),
        ("b.jpg", "a/b.jpg", "held"),
        ("/var/www/a/b.jpg", "a/b.jpg", "held"),
        ("uploads/a/b.jpg", "a/b.jpg", "held"),
        # Other keys, however much alike.
        ("a/b.jpg", "a/b.jpg.bak", "orphans"),
        ("a/b.jpg", "a/b.jp", "orphans"),
        ("a/b.jpg", "a2/b.jpg", "orphans"),
        ("a/b.jpg", "x/b.jpg", "orphans"),
        ("a/bb.jpg", "b.jpg", "orphans"),
        ("b", "a/b", "open"),
    ],
)
def test_how_a_written_key_touches_another_object(text: str, key: str, wanted: str) -> None:
    assert outcome(world(row(text), objects={key: False}), key) == wanted


@pytest.mark.parametrize(
    ("key", "young", "wanted"),
    [
        ("k.jpg", False, "orphans"),
        ("k.jpg", True, "kept"),
        ("keep/k.jpg", False, "kept"),
        ("keeper/k.jpg", False, "orphans"),
        ("k.keepme", False, "kept"),
    ],
)
def test_what_keeps_an_object_that_nobody_mentions(key: str, young: bool, wanted: str) -> None:
    assert outcome(world(objects={key: young}), key) == wanted


def test_a_young_object_grows_old() -> None:
    one = world(objects={"k.jpg": True}, scans=3)
    assert [outcome(one, "k.jpg", scan) for scan in (1, 2, 3)] == ["kept", "kept", "orphans"]


@pytest.mark.parametrize(
    ("life", "wanted"),
    [
        (Life.STAYS, ["in_use", "in_use", "in_use"]),
        (Life.LEAVES, ["in_use", "kept", "orphans"]),
        (Life.RETURNS, ["orphans", "in_use", "in_use"]),
        (Life.GONE, ["orphans", "orphans", "orphans"]),
    ],
)
def test_rows_come_and_go(life: Life, wanted: list[str]) -> None:
    one = world(row("a/b.jpg", life=life), objects={"a/b.jpg": False}, scans=3)
    assert [outcome(one, "a/b.jpg", scan) for scan in (1, 2, 3)] == wanted


@pytest.mark.parametrize(("sight", "wanted"), [(Sight.ASKED, "kept"), (Sight.IGNORED, "orphans")])
def test_who_sees_a_key_decides(sight: Sight, wanted: str) -> None:
    assert outcome(world(row("a/b.jpg", sight), objects={"a/b.jpg": False}), "a/b.jpg") == wanted
