"""Grants as values: scope, sightings, budget, end; and sightings as the catalogue keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from s3gc_core.judgement import Grant, GrantState, Judged, ObjectVerdict, PlanItem, Used
from s3gc_core.judgement.grants import (
    SeenOrphan,
    Sighting,
    covered_by,
    grant_state,
    is_seen_twice,
    refuses_plan,
)
from s3gc_core.judgement.sighting_tables import note_sightings, sightings
from tests.core.judgement.catalogue_file import add, begin, candidate, finish, writing
from tests.core.judgement.evidence import MICROSECOND, NOW, layers

DAY = timedelta(hours=24)
TWICE = Sighting(NOW - DAY, NOW, 2)
GRANT = Grant("G1", "ana@ops-1", "tidy", ("a/", "b/"), 3, 100, NOW - 30 * DAY, NOW + DAY)


def orphan(key: str, size: int = 10, sighting: Sighting | None = TWICE) -> SeenOrphan:
    return SeenOrphan(key, size, sighting)


@pytest.mark.parametrize(
    ("sighting", "is_seen"),
    [
        (None, False),
        (TWICE, True),
        (Sighting(NOW - DAY, NOW, 3), True),
        (Sighting(NOW - DAY + MICROSECOND, NOW, 2), False),
        (Sighting(NOW - DAY + MICROSECOND, NOW, 99), False),
        (Sighting(NOW - 9 * DAY, NOW, 1), False),
        # The clock was put back in between.
        (Sighting(NOW + 2 * DAY, NOW, 2), False),
    ],
)
def test_seen_twice(sighting: Sighting | None, is_seen: bool) -> None:
    assert is_seen_twice(sighting) is is_seen


@pytest.mark.parametrize(
    ("grant", "used", "now", "state"),
    [
        (GRANT, Used(), NOW, GrantState.VALID),
        (GRANT, Used(2, 99), NOW, GrantState.VALID),
        (GRANT, Used(3, 0), NOW, GrantState.USED_UP),
        (GRANT, Used(0, 100), NOW, GrantState.USED_UP),
        (GRANT, Used(), NOW + DAY - MICROSECOND, GrantState.VALID),
        (GRANT, Used(), NOW + DAY, GrantState.EXPIRED),
        (msgspec.structs.replace(GRANT, revoked=True), Used(), NOW, GrantState.REVOKED),
    ],
)
def test_state(grant: Grant, used: Used, now: datetime, state: GrantState) -> None:
    assert grant_state(grant, used, now) is state
    coverage = covered_by(grant, [orphan("a/1", 1)], used, now)
    assert coverage.state is state
    assert coverage.keys == (("a/1",) if state is GrantState.VALID else ())
    refusal = refuses_plan(grant, 1, 1, used, now)
    assert refusal == ("" if state is GrantState.VALID else state.value)


def test_exactly_what_is_in_scope_and_seen_twice_is_covered() -> None:
    once = Sighting(NOW, NOW, 1)
    found = covered_by(
        GRANT,
        [orphan("a"), orphan("a/1"), orphan("a/2", 10, once), orphan("b/1"), orphan("ba/1")],
        Used(),
        NOW,
    )
    assert (found.keys, found.bytes) == (("a/1", "b/1"), 20)
    assert found.left == {"out-of-scope": 2, "not-seen-twice": 1}


def test_the_budget_cuts() -> None:
    many = [orphan(f"a/{number}") for number in range(5)]
    assert covered_by(GRANT, many, Used(), NOW).keys == ("a/0", "a/1", "a/2")
    rest = covered_by(GRANT, many, Used(2, 0), NOW)
    assert (rest.keys, rest.left) == (("a/0",), {"over-budget": 4})
    # One that is too large leaves room for those after it.
    sizes = {"a/0": 101, "a/1": 100, "a/2": 1}
    large = covered_by(GRANT, [orphan(key, size) for key, size in sizes.items()], Used(), NOW)
    assert (large.keys, large.bytes, large.left) == (("a/1",), 100, {"over-budget": 2})


def test_everything_has_to_be_granted_as_such() -> None:
    whole = msgspec.structs.replace(GRANT, prefixes=("",))
    assert covered_by(whole, [orphan("x")], Used(), NOW).keys == ("x",)
    nothing = msgspec.structs.replace(GRANT, prefixes=())
    assert covered_by(nothing, [orphan("x")], Used(), NOW).keys == ()


@pytest.mark.parametrize(
    ("objects", "size", "used", "refusal"),
    [
        (3, 100, Used(), ""),
        (3, 100, Used(1, 1), "over-budget"),
        (4, 10, Used(), "over-budget"),
        (1, 101, Used(), "over-budget"),
        (2, 50, Used(1, 50), ""),
    ],
)
def test_a_plan_is_executed_only_within_what_is_left(
    objects: int, size: int, used: Used, refusal: str
) -> None:
    assert refuses_plan(GRANT, objects, size, used, NOW) == refusal
    assert refuses_plan(None, objects, size, used, NOW) == "no-grant"


def seen(vault: Path, scans: list[tuple[timedelta, list[Judged], bool]]) -> dict[str, Sighting]:
    """What is remembered of the objects a, b and c after these scans: when, what, trusted."""
    with writing(vault) as connection:
        for number, (after, candidates, trusted) in enumerate(scans):
            begin(connection, f"S{number}")
            add(connection, f"S{number}", candidates)
            connection.execute("BEGIN")
            note_sightings(connection, f"S{number}", NOW + after, trusted)
            connection.execute("COMMIT")
            finish(connection, f"S{number}")
        found = {}
        for key in "abc":
            o = candidate(key).object
            item = PlanItem(key, o.etag, o.size, o.last_modified, o.storage_class, layers())
            [sighting] = sightings(connection, [item])
            if sighting is not None:
                found[key] = sighting
        return found


A, B, C = candidate("a"), candidate("b"), candidate("c")
KEPT = candidate("b", verdict=ObjectVerdict.KEEP)
HELD = candidate("b", verdict=ObjectVerdict.HELD)
TOUCHED = candidate("b", age=timedelta(days=99))
OVERWRITTEN = msgspec.structs.replace(B, object=msgspec.structs.replace(B.object, etag='"e2"'))


def test_each_scan_counts_once(tmp_path: Path) -> None:
    found = seen(tmp_path, [(0 * DAY, [A, B], True), (DAY, [A, B, C], True), (2 * DAY, [C], True)])
    assert found == {"c": Sighting(NOW + DAY, NOW + 2 * DAY, 2)}


@pytest.mark.parametrize("between", [[A], [A, KEPT], [A, HELD], [A, TOUCHED], [A, OVERWRITTEN]])
@pytest.mark.parametrize("trusted", [True, False])
def test_what_was_no_orphan_in_between_begins_anew(
    tmp_path: Path, between: list[Judged], trusted: bool
) -> None:
    found = seen(
        tmp_path,
        [(0 * DAY, [A, B], True), (DAY, between, trusted), (2 * DAY, [A, B], True)],
    )
    assert found == {
        # A scan that a guard blocked is no sighting, but a doubt it raises counts.
        "a": Sighting(NOW, NOW + 2 * DAY, 3 if trusted else 2),
        "b": Sighting(NOW + 2 * DAY, NOW + 2 * DAY, 1),
    }


def test_a_blocked_scan_is_no_first_sighting(tmp_path: Path) -> None:
    scans = [(0 * DAY, [A], False), (DAY, [A], True), (2 * DAY, [A], False)]
    assert seen(tmp_path, scans) == {"a": Sighting(NOW + DAY, NOW + DAY, 1)}
