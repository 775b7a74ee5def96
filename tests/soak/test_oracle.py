"""The oracle decides by the machine's clock alone what a deletion met, and what came of it."""

from __future__ import annotations

from math import inf

import pytest

from tests.soak.events import Event, Kind, Reference, references
from tests.soak.oracle import Fate, last_versions, met
from tests.soak.watching import Deletion, Watched

GONE = Deletion("k", checked=10.0, began=20.0, ended=21.0)


def row(ref: str, key: str, began: float, was: str = "") -> Event:
    kind = Kind.RENUMBER if was else Kind.INSERT if key else Kind.DELETE
    return Event(kind, ref, key, began, began + 0.5, was=was)


def upload(began: float) -> Event:
    return Event(Kind.OVERWRITE, "", "k", began, began + 0.5, 2)


def watched(*returns: float) -> Watched:
    return Watched(frozenset("k"), [GONE], {"k": list(returns)})


def test_a_reference_lasts_from_commit_to_the_next_statement() -> None:
    log = [row("t 1", "k", 1), row("t 2", "k", 2, was="t 1"), row("t 2", "l", 3)]
    log += [row("t 2", "", 4), row("t 1", "k", 5)]
    assert references(log) == {
        "k": [Reference("k", 1.5, 3), Reference("k", 5.5, inf)],
        "l": [Reference("l", 3.5, 4)],
    }


@pytest.mark.parametrize(
    ("log", "returns", "wrong", "window", "fates"),
    [
        # Committed before the check, and there still when the delete is sent.
        ([row("t 1", "k", 9)], (), ["k"], {Fate.MISSING: 1}, {Fate.MISSING: 1}),
        # Given up before the delete.
        ([row("t 1", "k", 9), row("t 1", "", 19)], (), [], {}, {}),
        # Its commit may have come after the check.
        ([row("t 1", "k", 9.8)], (30,), [], {Fate.BROUGHT_BACK: 1}, {Fate.BROUGHT_BACK: 1}),
        ([row("t 1", "k", 15)], (30,), [], {Fate.BROUGHT_BACK: 1}, {Fate.BROUGHT_BACK: 1}),
        ([row("t 1", "k", 15)], (), [], {Fate.MISSING: 1}, {Fate.MISSING: 1}),
        (
            [row("t 1", "k", 15), upload(25)],
            (30,),
            [],
            {Fate.UPLOADED_ANEW: 1},
            {Fate.UPLOADED_ANEW: 1},
        ),
        (
            [row("t 1", "k", 15), row("t 1", "", 22)],
            (),
            [],
            {Fate.GIVEN_UP: 1},
            {Fate.GIVEN_UP: 1},
        ),
        # After the delete: not the window's, and healed all the same.
        ([row("t 1", "k", 25)], (30,), [], {}, {Fate.BROUGHT_BACK: 1}),
        # What came after it was back met nothing.
        ([row("t 1", "k", 35)], (30,), [], {}, {}),
    ],
)
def test_what_a_deletion_met(
    log: list[Event],
    returns: tuple[float, ...],
    wrong: list[str],
    window: dict[Fate, int],
    fates: dict[Fate, int],
) -> None:
    found = met(log, watched(*returns))
    assert (found.wrong, dict(found.window), dict(found.fates)) == (wrong, window, fates)


def test_the_time_to_heal_counts_from_the_later_of_commit_and_delete() -> None:
    assert met([row("t 1", "k", 15)], watched(30)).seconds == [9.0]
    assert met([row("t 1", "k", 25)], watched(30)).seconds == [4.5]


def test_the_last_version_counts() -> None:
    log = [Event(Kind.UPLOAD, "", "k", 1, 2, 1), upload(3), row("t 1", "l", 4)]
    assert last_versions(log) == {"k": 2}
