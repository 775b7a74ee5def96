"""Plans as values: what the hash covers, what a selection selects, which refusal comes first."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import msgspec
import pytest

from s3gc_core.config import Mode
from s3gc_core.errors import (
    ConfirmationMismatch,
    DryRunRefused,
    NotApproved,
    PlanChanged,
    PlanExpired,
    PlanFinished,
    Refused,
)
from s3gc_core.judgement import (
    LayerVerdict,
    Plan,
    PlanHistory,
    PlanItem,
    PlanState,
    Verdict,
    check_decidable,
    check_executable,
)
from s3gc_core.judgement.plans import plan_sha256, selects
from tests.core.judgement.evidence import CONDITIONS, MICROSECOND, NOW, item, layers, plan

EXPIRES = NOW + timedelta(hours=24)
ITEMS = [item("a.jpg"), item("b.jpg", etag='"e2"')]


def digest(items: list[PlanItem], **head: object) -> str:
    return plan_sha256(plan(**head), [msgspec.json.encode(one) for one in items])


OTHER_VALUES: dict[str, object] = {
    "key": "a.jpG",
    "etag": '"e1" ',
    "size": 11,
    "last_modified": NOW - timedelta(days=100) + MICROSECOND,
    "storage_class": "STANDARD_IA",
    "layers": layers(database=LayerVerdict(Verdict.PASS, "another reason")),
}


def test_every_field_of_an_item_is_known_to_these_tests() -> None:
    assert set(OTHER_VALUES) == {field.name for field in msgspec.structs.fields(PlanItem)}


@pytest.mark.parametrize("field", list(OTHER_VALUES))
@pytest.mark.parametrize("position", [0, 1])
def test_the_hash_covers_every_field_of_every_item(field: str, position: int) -> None:
    changed = list(ITEMS)
    changed[position] = msgspec.structs.replace(changed[position], **{field: OTHER_VALUES[field]})
    assert digest(changed) != digest(ITEMS)


@pytest.mark.parametrize("layer", ["registry", "database", "retention", "exclusion"])
@pytest.mark.parametrize(
    "verdict", [LayerVerdict(Verdict.KEEP, "passes"), LayerVerdict(Verdict.PASS, "passes.")]
)
def test_the_hash_covers_the_evidence(layer: str, verdict: LayerVerdict) -> None:
    changed = msgspec.structs.replace(ITEMS[0], layers=layers(**{layer: verdict}))
    assert digest([changed, ITEMS[1]]) != digest(ITEMS)


def test_the_hash_covers_the_head_and_the_order() -> None:
    variants = [
        digest(ITEMS),
        digest(ITEMS, plan_id="P2"),
        digest(ITEMS, bucket="photos2"),
        digest(ITEMS, scan_id="S2"),
        digest(ITEMS, listed_at=NOW),
        digest(ITEMS, conditions=msgspec.structs.replace(CONDITIONS, retention_days=6)),
        digest(ITEMS, expires_at=EXPIRES + MICROSECOND),
        digest(ITEMS[::-1]),
        digest(ITEMS[:1]),
        digest(ITEMS[1:]),
        digest([*ITEMS, item("c.jpg")]),
        digest([*ITEMS, ITEMS[1]]),
        digest([]),
    ]
    assert len(set(variants)) == len(variants)
    assert digest(list(ITEMS)) == variants[0]


def test_no_two_lists_run_together() -> None:
    """A key that holds what separates items is still one key."""
    inside = msgspec.json.encode(ITEMS[1]).decode()
    assert digest([item("a.jpg\n" + inside)]) != digest(ITEMS)


@pytest.mark.parametrize(
    ("key", "prefixes", "keys", "selected"),
    [
        ("a/1", (), frozenset(), True),
        ("a/1", ("a/",), frozenset(), True),
        ("a/1", ("b/",), frozenset(), False),
        ("a/1", ("b/", "a"), frozenset(), True),
        ("a/1", (), frozenset({"a/1"}), True),
        ("a/1", (), frozenset({"a/"}), False),
        ("a/1", ("b/",), frozenset({"a/1"}), True),
        ("b/1", ("b/",), frozenset({"a/1"}), True),
        ("c/1", ("b/",), frozenset({"a/1"}), False),
        ("x%y", ("x%",), frozenset(), True),
        ("xzy", ("x%",), frozenset(), False),
        ("a/1", ("",), frozenset(), True),
    ],
)
def test_selection(
    key: str, prefixes: tuple[str, ...], keys: frozenset[str], selected: bool
) -> None:
    assert selects(key, prefixes, keys) is selected


PROPOSED = PlanHistory("h1", None)
APPROVED = PlanHistory("h1", True, "someone@host")
REJECTED = PlanHistory("h1", False, "someone@host")
EXECUTING = PlanHistory("h1", True, "someone@host", started=True)
EXECUTED = PlanHistory("h1", True, "someone@host", started=True, finished=True)


@pytest.mark.parametrize(
    ("history", "state", "decidable", "executable"),
    [
        (PROPOSED, PlanState.PROPOSED, None, NotApproved),
        (APPROVED, PlanState.APPROVED, None, None),
        (REJECTED, PlanState.REJECTED, PlanFinished, PlanFinished),
        (EXECUTING, PlanState.EXECUTING, PlanFinished, None),
        (EXECUTED, PlanState.EXECUTED, PlanFinished, PlanFinished),
        # Begun without an approval: only a tampered log says so.
        (PlanHistory("h1", None, started=True), PlanState.EXECUTING, PlanFinished, NotApproved),
        (PlanHistory(None, True), PlanState.APPROVED, None, PlanChanged),
        (PlanHistory("h2", True), PlanState.APPROVED, None, PlanChanged),
    ],
)
def test_every_state(
    history: PlanHistory,
    state: PlanState,
    decidable: type[Refused] | None,
    executable: type[Refused] | None,
) -> None:
    assert history.state is state
    assert decide(history) is decidable
    assert execute(history=history) is executable


def decide(history: PlanHistory, now: datetime = NOW) -> type[Refused] | None:
    try:
        check_decidable(plan(), history, now=now)
    except Refused as refusal:
        return type(refusal)
    return None


def execute(
    made: Plan | None = None,
    history: PlanHistory = APPROVED,
    recomputed: str = "h1",
    mode: Mode = Mode.EXECUTE,
    confirmation: str = "photos 2",
    now: datetime = NOW,
) -> type[Refused] | None:
    try:
        check_executable(
            made or plan(),
            history,
            recomputed_sha256=recomputed,
            mode=mode,
            confirmation=confirmation,
            now=now,
        )
    except Refused as refusal:
        return type(refusal)
    return None


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [(Mode.DRY_RUN, DryRunRefused), (Mode.AUDIT_ONLY, None), (Mode.EXECUTE, None)],
)
def test_modes(mode: Mode, refusal: type[Refused] | None) -> None:
    assert execute(mode=mode) is refusal


@pytest.mark.parametrize(
    ("now", "refusal"),
    [
        (EXPIRES - MICROSECOND, None),
        (EXPIRES, PlanExpired),
        (EXPIRES + MICROSECOND, PlanExpired),
    ],
)
def test_expiry(now: datetime, refusal: type[Refused] | None) -> None:
    assert execute(now=now) is refusal
    assert decide(PROPOSED, now) is refusal


@pytest.mark.parametrize(
    ("confirmation", "refusal"),
    [
        ("photos 2", None),
        ("photos  2", ConfirmationMismatch),
        (" photos 2", ConfirmationMismatch),
        ("photos 3", ConfirmationMismatch),
        ("Photos 2", ConfirmationMismatch),
        ("photos", ConfirmationMismatch),
        ("2", ConfirmationMismatch),
        ("yes", ConfirmationMismatch),
        ("", ConfirmationMismatch),
    ],
)
def test_confirmation(confirmation: str, refusal: type[Refused] | None) -> None:
    assert execute(confirmation=confirmation) is refusal


@pytest.mark.parametrize(
    ("head", "recomputed", "recorded", "refusal"),
    [
        ("h1", "h1", "h1", None),
        ("h1", "h2", "h1", PlanChanged),
        ("h2", "h2", "h1", PlanChanged),
        ("h1", "h1", "h2", PlanChanged),
        ("h2", "h1", "h1", PlanChanged),
        ("h1", "h1", None, PlanChanged),
    ],
)
def test_the_three_hashes_are_one(
    head: str, recomputed: str, recorded: str | None, refusal: type[Refused] | None
) -> None:
    history = msgspec.structs.replace(APPROVED, recorded_sha256=recorded)
    assert execute(plan(sha256=head), history, recomputed) is refusal


def test_the_refusal_that_comes_first() -> None:
    """Over every combination of what is wrong, the first in this order is told."""
    order = [DryRunRefused, PlanFinished, NotApproved, PlanChanged, PlanExpired]
    refusals: list[type[Refused]] = [*order, ConfirmationMismatch]
    for wrong in product([False, True], repeat=len(refusals)):
        dry, finished, unapproved, changed, expired, unconfirmed = wrong
        found = execute(
            history=PlanHistory("h1", None if unapproved else True, None, finished, finished),
            recomputed="h2" if changed else "h1",
            mode=Mode.DRY_RUN if dry else Mode.EXECUTE,
            confirmation="yes" if unconfirmed else "photos 2",
            now=EXPIRES if expired else NOW,
        )
        expected = next((r for r, is_wrong in zip(refusals, wrong, strict=True) if is_wrong), None)
        assert found is expected, wrong
