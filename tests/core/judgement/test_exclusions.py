"""Protected prefixes and patterns that match nothing are told: there may be a typo in them."""

from __future__ import annotations

from s3gc_core.judgement.exclusions import UnmatchedExclusions
from s3gc_core.judgement.layers import Rules
from tests.core.judgement.controlled import put, rows
from tests.core.judgement.evidence import WEEK
from tests.world import World


def unmatched(rules: Rules, *pages: list[str]) -> list[str]:
    exclusions = UnmatchedExclusions(rules)
    for page in pages:
        exclusions.see(page)
    return exclusions.names()


def test_what_matched_no_key_is_named_as_it_was_written() -> None:
    rules = Rules(WEEK.retention, ("logs/", "lgos/", "l"), ("*.keep", "*.kepe", "logs/?"))
    assert unmatched(rules, [], ["x"], ["logs/b.keep"]) == [
        "exclude_prefixes: lgos/",
        "exclude_patterns: *.kepe",
        "exclude_patterns: logs/?",
    ]
    assert unmatched(rules, ["logs/a", "lgos/.keep"], ["a.kepe"]) == []
    assert unmatched(rules) == [
        *(f"exclude_prefixes: {prefix}" for prefix in rules.exclude_prefixes),
        *(f"exclude_patterns: {pattern}" for pattern in rules.exclude_patterns),
    ]
    assert unmatched(WEEK, ["a"]) == []


def test_they_match_as_the_layer_does() -> None:
    """Case counts, a prefix begins the key, a pattern is the whole of it; one told twice is one."""
    rules = Rules(WEEK.retention, ("Logs/", "s/", "Logs/"), ("*.KEEP", "a"))
    assert unmatched(rules, ["logs/a.keep", "aa"]) == [
        "exclude_prefixes: Logs/",
        "exclude_prefixes: s/",
        "exclude_patterns: *.KEEP",
        "exclude_patterns: a",
    ]


async def test_a_scan_tells_of_them(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "avatars/used")
    world.track({"t": ["k"]}, exclude_prefixes=["avatars/", "avatras/"], exclude_patterns=["*.bka"])
    # What is referenced counts as well: the prefix is not misspelled.
    await put(world, "avatars/used", "orphan.bak")
    summary = await world.scan()
    assert summary.unmatched_exclusions == [
        "exclude_prefixes: avatras/",
        "exclude_patterns: *.bka",
    ]
    world.change(exclude_prefixes=("avatars/",), exclude_patterns=("*.bak",))
    assert (await world.scan()).unmatched_exclusions == []
