"""Which backups are of objects that a store may still delete late: exact sets."""

from __future__ import annotations

from datetime import timedelta

from s3gc_core.vault import AuditLog, Outcome, Restored, RestoreIntent, RestoreOutcome, Result
from s3gc_core.vault.audit import PAGE
from tests.core.vault.builders import LATER, OPERATION, intent

LONG = timedelta(days=1)


async def left(log: AuditLog, within: timedelta = LONG) -> set[tuple[str, str]]:
    pages = [page async for page in log.left_by_deletes(within)]
    found = [(state.operation_id, state.intent.key) for page in pages for state in page]
    assert len(found) == len(set(found))
    return set(found)


async def test_what_failed_and_what_recovery_found_untouched(log: AuditLog) -> None:
    outcomes = {o.value: Result(o.value, o) for o in Outcome}
    inferred = {f"{o} inferred": Result(f"{o} inferred", o, inferred=True) for o in Outcome}
    results = outcomes | inferred
    await log.append(OPERATION, [intent(key) for key in [*results, "open"]])
    await log.append(OPERATION, list(results.values()))
    # Its backup failed: no delete was ever sent.
    await log.append(OPERATION, [Result("never backed up", Outcome.FAILED)])
    assert await left(log) == {
        (OPERATION, key) for key in ("failed", "failed inferred", "kept inferred")
    }


async def test_what_happened_to_it_since(log: AuditLog) -> None:
    keys = ("gone", "again", "failed again", "back", "found", "claimed", "noted", "judged")
    await log.append(OPERATION, [intent(key) for key in keys])
    await log.append(OPERATION, [Result(key, Outcome.FAILED, "timed out") for key in keys])
    assert await left(log) == {(OPERATION, key) for key in keys}

    await log.append(OPERATION, [Result("noted", Outcome.VANISHED, inferred=True)])
    # Gone before the next one came to back it up.
    await log.append(LATER, [Result("gone", Outcome.VANISHED)])
    await log.append(LATER, [Result("judged", Outcome.KEPT, "referred to again")])
    await log.append(LATER, [intent(key, LATER) for key in ("again", "failed again", "claimed")])
    again = [Result("again", Outcome.DELETED), Result("failed again", Outcome.FAILED)]
    await log.append(LATER, again)
    for key, outcome in (
        ("back", RestoreOutcome.RESTORED),
        ("found", RestoreOutcome.ALREADY_THERE),
    ):
        await log.append(LATER, [RestoreIntent(key, OPERATION, None)])
        await log.append(LATER, [Restored(key, OPERATION, outcome, '"e"')])
    assert await left(log) == {
        (LATER, "failed again"),
        (OPERATION, "found"),
        (OPERATION, "judged"),
    }


async def test_a_delete_that_failed_and_came_late_can_be_restored(log: AuditLog) -> None:
    """Whoever finds it gone: the operation itself, later, or the next that wanted to delete it."""
    await log.append(OPERATION, [intent("a"), intent("b"), intent("c")])
    await log.append(OPERATION, [Result(key, Outcome.FAILED) for key in "abc"])
    assert [page async for page in log.deleted_objects()] == []
    await log.append(OPERATION, [Result("a", Outcome.VANISHED, inferred=True)])
    await log.append(LATER, [Result("b", Outcome.VANISHED, "gone since the plan was made")])
    found = [(d.operation_id, d.intent.key) async for page in log.deleted_objects() for d in page]
    assert found == [(OPERATION, "a"), (OPERATION, "b")]


async def test_only_of_late_and_page_by_page(log: AuditLog) -> None:
    keys = [f"k{n:05}" for n in range(PAGE + 1)]
    await log.append(OPERATION, [intent("old"), *map(intent, keys)])
    await log.append(OPERATION, [Result("old", Outcome.FAILED)])
    await log.append(OPERATION, [Result(key, Outcome.FAILED) for key in keys])
    pages = [page async for page in log.left_by_deletes(LONG)]
    assert [len(page) for page in pages] == [PAGE, 2]
    assert "k00000" not in {state.intent.key for state in pages[0]}
    # The clock is one second further at each look.
    assert await left(log, timedelta(seconds=3)) == {(OPERATION, key) for key in keys}
    assert await left(log, timedelta(seconds=1)) == set()
