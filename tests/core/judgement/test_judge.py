"""The judge on a real registry: from references to evidence to verdicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_core.judgement import Judge, Judged, holders_of, row_in_words, rules_of
from s3gc_core.judgement.layers import Rules
from s3gc_core.references import Found, Registry, key_hash
from tests.core.judgement.evidence import NOW, WEEK, listed
from tests.core.references import readings

LONG_AGO = NOW - timedelta(days=60)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = await Registry.open(tmp_path)
    yield opened
    await opened.close()


async def load(registry: Registry, keys: Mapping[int, str], at: datetime = NOW) -> None:
    """One complete reading of one source: row -> key."""
    await readings.load(registry, {"main:t.k": set(keys.items())}, at)


async def judge(
    registry: Registry, *keys: str, holders: Mapping[int, tuple[str, ...]] | None = None
) -> dict[str, Judged]:
    page = [listed(key) for key in keys]
    judged = await Judge(registry, WEEK).judge_page(
        page, holders or {}, current_since=NOW, now=NOW, bucket_now=NOW
    )
    assert [one.object for one in judged] == page
    return {one.object.key: one for one in judged}


def verdicts(judged: Mapping[str, Judged]) -> dict[str, str]:
    return {key: one.verdict.value for key, one in judged.items()}


async def test_a_page_of_candidates(registry: Registry) -> None:
    await load(registry, {1: "used.jpg", 2: "released.jpg", 3: "long-released.jpg"}, LONG_AGO)
    await load(registry, {1: "used.jpg", 2: "released.jpg"}, NOW - timedelta(days=8))
    await load(registry, {1: "used.jpg"})
    judged = await judge(registry, "used.jpg", "released.jpg", "long-released.jpg", "never.jpg")
    assert verdicts(judged) == {
        "used.jpg": "keep",
        "released.jpg": "keep",
        "long-released.jpg": "orphan",
        "never.jpg": "orphan",
    }
    assert judged["used.jpg"].reason == "referenced by main:t.k row 1"
    assert "went away 0 h 0 min ago" in judged["released.jpg"].reason
    assert judged["long-released.jpg"].layers.registry.reason == (
        "its last reference went away 8 d ago"
    )


@pytest.mark.parametrize(
    ("written", "key", "held"),
    [
        ("Photo.JPG", "photo.jpg", True),
        ("photo.jpg", "Photo.JPG", True),
        ("a%2520b.jpg", "a b.jpg", False),
        ("a%20b.jpg", "a b.jpg", True),
        ("a//b.jpg", "a/b.jpg", True),
        ("a\\b.jpg", "a/b.jpg", True),
        ("/a.jpg", "a.jpg", True),
        ("\ufb01le.jpg", "file.jpg", True),
        # The column holds the base name, or a path below a prefix that the application adds.
        ("cat.jpg", "uploads/2026/cat.jpg", True),
        ("2026/cat.jpg", "uploads/2026/cat.jpg", True),
        ("Cat.JPG", "uploads/2026/cat.jpg", True),
        ("../2026/cat.jpg", "uploads/2026/cat.jpg", True),
        ("uploads/2025/../2026/cat.jpg", "uploads/2026/cat.jpg", True),
        ("../2025/cat.jpg", "uploads/2026/cat.jpg", False),
        ("caf\u00c3\u00a9.jpg", "uploads/caf\u00e9.jpg", True),
        ("caf\u00e9.jpg", "caf\u00c3\u00a9.jpg", True),
        ("at.jpg", "uploads/2026/cat.jpg", False),
        ("cat", "uploads/2026/cat.jpg", False),
        ("readme", "docs/readme", False),
        ("docs/readme", "x/docs/readme", True),
        ("uploads/2026/cat.jpg", "cat.jpg", False),
        ("other.jpg", "photo.jpg", False),
    ],
)
async def test_near_misses_are_held_and_name_the_row(
    registry: Registry, written: str, key: str, held: bool
) -> None:
    await load(registry, {7: written})
    judged = (await judge(registry, key))[key]
    assert judged.verdict.value == ("held" if held else "orphan")
    # Both spellings: the key's own, and the row's.
    assert judged.reason.startswith(f"main:t.k row 7 ({written}) differs") is held


async def test_a_registry_that_is_too_old_lets_nothing_go(registry: Registry) -> None:
    assert verdicts(await judge(registry, "a.jpg")) == {"a.jpg": "held"}
    await load(registry, {1: "x"}, NOW - timedelta(microseconds=1))
    assert verdicts(await judge(registry, "a.jpg")) == {"a.jpg": "held"}
    await load(registry, {1: "x"}, NOW)
    assert verdicts(await judge(registry, "a.jpg")) == {"a.jpg": "orphan"}


async def test_what_the_databases_hold_is_kept(registry: Registry) -> None:
    await load(registry, {1: "x"})
    found = [Found(key_hash("a.jpg"), "main:t.k", 5), Found(key_hash("a.jpg"), "main:t.l", "r")]
    judged = await judge(registry, "a.jpg", "b.jpg", holders=holders_of(found))
    assert verdicts(judged) == {"a.jpg": "keep", "b.jpg": "orphan"}
    assert judged["a.jpg"].reason == "found in main:t.k row 5 and 1 more"


def test_holders_are_bounded_and_in_order() -> None:
    found = [Found(1, "s", n) for n in range(1_000)] + [Found(2, "t", "x")]
    holders = holders_of(found)
    assert holders == {1: tuple(row_in_words("s", n) for n in range(10)), 2: ("t row x",)}


async def test_a_page_of_nothing(registry: Registry) -> None:
    assert await judge(registry) == {}


def test_rules_of_a_configuration() -> None:
    config = Config("b", retention_days=3, exclude_prefixes=("p/",), exclude_patterns=("*.k",))
    assert rules_of(config) == Rules(timedelta(days=3), ("p/",), ("*.k",), (".s3gc-drill/",))
