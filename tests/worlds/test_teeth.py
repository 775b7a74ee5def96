"""The oracle has teeth: s3gc, broken on purpose in one place, differs within a few worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import TableRead
from s3gc_core.judgement.layers import LayerVerdict, Verdict
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.codecs.hosts import Host, Serves
from s3gc_core.references.spellings import _RULES, fold
from tests.worlds.build import Ground
from tests.worlds.checking import Difference, check
from tests.worlds.model import World
from tests.worlds.sampling import sample
from tests.worlds.strategies import Limits, worlds

MOST_WORLDS = 12
PASS = LayerVerdict(Verdict.PASS, "a test")
# The function of that name hides the module.
SPELLINGS = import_module("s3gc_core.references.spellings")
DERIVATION = import_module("s3gc_core.references.derivation")
CODECS = "s3gc_core.references.codecs"

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Broken:
    """What is broken, how, and the worlds that show it. `dangerous`: a live object may go."""

    name: str
    how: Break
    limits: Limits
    dangerous: bool = True


def instead(place: str, value: object) -> Break:
    return lambda patch: patch.setattr(place, value)


def keys_written(*ways: str) -> Limits:
    return Limits(plans=("key",), ways=ways, templates=0, scans=(1,))


def written(plan: str, *ways: str) -> Limits:
    return Limits(plans=(plan,), ways=ways, templates=0, scans=(1,))


def no_rule(before: str, after: str) -> Break:
    """Take away the rule of spelling that makes `after` of `before`."""

    def how(patch: pytest.MonkeyPatch) -> None:
        rules = tuple(rule for rule in _RULES if rule(before) != after)
        assert len(rules) == len(_RULES) - 1
        patch.setattr(SPELLINGS, "_RULES", rules)

    return how


def lower_case_counts(patch: pytest.MonkeyPatch) -> None:
    """Keys with a capital are not folded, neither the references' nor the objects'."""
    for module in (SPELLINGS, DERIVATION):
        patch.setattr(module, "fold", lambda key: fold(key) if key == key.lower() else key)


def no_near_forms(patch: pytest.MonkeyPatch) -> None:
    for place in ("judge", "scan_tables"):
        patch.setattr(f"s3gc_core.judgement.{place}.near_forms", lambda _: iter(()))


def names_alone_are_near(patch: pytest.MonkeyPatch) -> None:
    """A broken rule of the other kind: it holds what may go."""

    def forms(key: str) -> Iterator[str]:
        yield fold(key).rpartition("/")[2]

    for place in ("judgement.judge.near_forms", "judgement.scan_tables.near_forms"):
        patch.setattr(f"s3gc_core.{place}", forms)
    for place in ("references.derivation", "references.reading"):
        patch.setattr(f"s3gc_core.{place}.reference_forms", forms, raising=False)


def every_host_is_ours(patch: pytest.MonkeyPatch) -> None:
    def host_of(authority: str, names: BucketNames) -> Host:
        return Host(Serves.UNKNOWN)

    patch.setattr(f"{CODECS}.url.host_of", host_of)


def whole_table(source: SourceConfig) -> TableRead:
    return TableRead(source.table, source.columns, None)


def where_is_ignored(patch: pytest.MonkeyPatch) -> None:
    for place in ("reading", "refreshing", "drift"):
        patch.setattr(f"s3gc_core.references.{place}.table_read", whole_table)


async def nothing_released(*_: object) -> dict[int, datetime]:
    return {}


def any_age(modified: datetime, retention: timedelta, now: datetime, etag: str) -> LayerVerdict:
    return PASS


def first_key_only(function: str) -> Break:
    """Of what a codec finds, only the first counts."""

    def how(patch: pytest.MonkeyPatch) -> None:
        module, _, name = f"{CODECS}.{function}".rpartition(".")
        whole = getattr(import_module(module), name)

        def first(*args: Any, **kwargs: Any) -> Any:
            found = whole(*args, **kwargs)
            return found if found is None else type(found)(sorted(found)[:1])

        patch.setattr(f"{module}.{name}", first)

    return how


# Where a rule is gone, a near miss may still hold the object: that is what near misses are for.
RULES = [
    # These two are caught by the near misses, which hold what the rule would have found.
    Broken(
        "+ for a space",
        no_rule("a+b", "a b"),
        keys_written("form-encoded, slashes stay"),
        dangerous=False,
    ),
    Broken("HTML entities", no_rule("&amp;", "&"), keys_written("HTML-escaped"), dangerous=False),
    Broken("JSON escapes", no_rule("\\u0041", "A"), keys_written("inside of a JSON string, \\/")),
    *(
        Broken(name, no_rule(before, after), keys_written(way), dangerous=False)
        for name, before, after, way in (
            ("percent-decoding", "%41", "A", "percent-encoded, every sign"),
            ("backslashes", "a\\b", "a/b", "backslashes"),
            ("double slashes", "a//b", "a/b", "double slashes"),
            ("a leading slash", "/a", "a", "leading slash"),
            ("spaces around", " a ", "a", "spaces around"),
            ("NFC", "e\u0301", "\u00e9", "NFD"),
            ("NFD", "\u00e9", "e\u0301", "NFC"),
        )
    ),
]
OTHERS = [
    Broken("a template's alternatives", first_key_only("rows.template_keys"), Limits(templates=1)),
    # The database layer still finds the others, as words of a text.
    Broken(
        "elements of an array",
        first_key_only("arrays.elements"),
        written("array"),
        dangerous=False,
    ),
    Broken("where", where_is_ignored, Limits(scans=(1,)), dangerous=False),
    Broken("case in near misses", lower_case_counts, keys_written("plain")),
    Broken("near misses", no_near_forms, keys_written("plain")),
    Broken("too many near misses", names_alone_are_near, keys_written("plain"), dangerous=False),
    Broken("other buckets", every_host_is_ours, written("url"), dangerous=False),
    Broken(
        "retention",
        instead("s3gc_core.judgement.layers.retention_layer", any_age),
        replace(keys_written("plain"), young=1),
    ),
    Broken(
        "protected prefixes",
        instead("s3gc_core.judgement.layers.exclusion_layer", lambda *_: PASS),
        keys_written("plain"),
    ),
    Broken(
        "references that went away",
        instead("s3gc_core.references.Registry.released", nothing_released),
        replace(keys_written("plain"), scans=(2,)),
    ),
]


@pytest.mark.parametrize("broken", [pytest.param(b, id=b.name) for b in (*RULES, *OTHERS)])
async def test_what_is_broken_differs(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, broken: Broken
) -> None:
    found = None
    for world in sample(worlds("sqlite", broken.limits), MOST_WORLDS):
        with monkeypatch.context() as patch:
            broken.how(patch)
            found = await difference(ground, world)
        if found is not None:
            break
    assert found is not None
    assert found.dangerous is broken.dangerous, found
    # As it is, s3gc and the oracle agree about the very same world.
    await check(ground, world)


async def difference(ground: Ground, world: World) -> Difference | None:
    try:
        await check(ground, world)
    except Difference as found:
        return found
    return None
