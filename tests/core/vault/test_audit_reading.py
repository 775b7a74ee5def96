"""Questions to the audit log, by exact sets in both directions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.errors import NoSuchOperation
from s3gc_core.vault import (
    AuditLog,
    BackupState,
    Bound,
    DeletedObject,
    Intent,
    LastRecord,
    Operation,
    OperationFinished,
    OperationStarted,
    Outcome,
    PlanDecided,
    PlanRecorded,
    Purged,
    Restored,
    RestoreIntent,
    RestoreOutcome,
    Result,
    ScanRecorded,
)
from s3gc_core.vault.audit import PAGE
from s3gc_core.vault.audit_reading import prefix_end
from s3gc_core.vault.backup_states import GONE
from tests.core.vault.builders import LATER, NOON, OPERATION, intent, stored

T = TypeVar("T")
THIRD = "01K0000000000000000000000C"


async def flat(pages: AsyncIterator[list[T]]) -> list[T]:
    return [item async for page in pages for item in page]


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


async def delete(log: AuditLog, operation_id: str, *keys: str) -> None:
    await log.append(operation_id, [intent(key, operation_id) for key in keys])
    await log.append(operation_id, [Result(key, Outcome.DELETED) for key in keys])


def purge_of(key: str, operation_id: str) -> Purged:
    return Purged(key, operation_id, stored(key, operation_id).path, "restored")


async def test_entries_by_each_condition_alone_and_together(log: AuditLog) -> None:
    await delete(log, OPERATION, "a", "b")
    await delete(log, LATER, "a", "c")

    async def seqs(**conditions: object) -> list[int]:
        return [entry.seq for entry in await flat(log.entries(**conditions))]  # type: ignore[arg-type]

    assert await seqs() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await seqs(newest_first=True) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert await seqs(limit=3) == [1, 2, 3]
    assert await seqs(limit=0) == []
    assert await seqs(operation_id=LATER) == [5, 6, 7, 8]
    assert await seqs(operation_id=LATER, newest_first=True, limit=1) == [8]
    assert await seqs(key="a") == [1, 3, 5, 7]
    assert await seqs(key="a", newest_first=True) == [7, 5, 3, 1]
    assert await seqs(kinds=("result",)) == [3, 4, 7, 8]
    assert await seqs(kinds=("result", "intent"), newest_first=True, limit=5) == [8, 7, 6, 5, 4]
    assert await seqs(kinds=()) == []
    assert await seqs(kinds=("bound",)) == []
    assert await seqs(operation_id=LATER, key="a") == [5, 7]
    assert await seqs(operation_id=OPERATION, key="c") == []
    assert await seqs(operation_id=LATER, kinds=("intent", "bound")) == [5, 6]
    assert await seqs(key="a", kinds=("intent",)) == [1, 5]
    assert await seqs(operation_id=OPERATION, key="a", kinds=("intent",)) == [1]


async def test_more_than_a_page_comes_whole_and_in_order(log: AuditLog) -> None:
    keys = [f"k{n:05}" for n in range(PAGE + 7)]
    await delete(log, OPERATION, *keys)
    count = 2 * len(keys)
    everything = await flat(log.entries())
    assert [entry.seq for entry in everything] == list(range(1, count + 1))
    backwards = await flat(log.entries(kinds=("intent", "result"), newest_first=True))
    assert backwards == everything[::-1]
    assert await flat(log.entries(operation_id=OPERATION, limit=PAGE + 1)) == everything[: PAGE + 1]
    for found in (
        log.deleted_objects(),
        log.deleted_objects(operation_id=OPERATION),
        log.deleted_objects(keys=keys),
        log.deleted_objects(prefix="k"),
    ):
        assert [deleted.intent.key for deleted in await flat(found)] == keys
    assert [state.intent.key for state in await flat(log.backups())] == keys
    sizes = [len(page) async for page in log.deleted_objects(prefix="k")]
    assert sizes == [PAGE, 7]
    assert await log.backup_paths(OPERATION) == {stored(key).path for key in keys}


async def test_a_page_may_be_written_to_while_it_is_read(log: AuditLog) -> None:
    """Recovery and purge add records while they walk."""
    keys = [f"k{n:05}" for n in range(PAGE + 7)]
    await log.append(OPERATION, [intent(key) for key in keys])
    seen = []
    async for page in log.unresolved_intents():
        for entry in page:
            assert isinstance(entry.record, Intent)
            seen.append(entry.record.key)
            await log.append(entry.operation_id, [Result(entry.record.key, Outcome.KEPT)])
    assert seen == keys
    assert await flat(log.unresolved_intents()) == []
    purged = []
    async for states in log.backups():
        for state in states:
            await log.append(LATER, [purge_of(state.intent.key, state.operation_id)])
            purged.append(state.intent.key)
    assert purged == keys
    assert await flat(log.backups()) == []
    assert await log.backup_paths(OPERATION) == set()
    assert await log.verify() == 3 * len(keys)


async def test_the_last_record_of_a_kind(log: AuditLog) -> None:
    assert await log.last(Bound) is None
    first, second = Bound("a", {}), Bound("b", {"main": "x"})
    await log.append(OPERATION, [first, ScanRecorded(1, {})])
    await log.append(LATER, [second, Result("k", Outcome.KEPT)])
    assert await log.last(Bound) == LastRecord(at(1), LATER, second)
    assert await log.last(ScanRecorded) == LastRecord(at(0), OPERATION, ScanRecorded(1, {}))
    assert await log.last(PlanRecorded) is None


async def test_operations_with_and_without_an_end(log: AuditLog) -> None:
    scan = OperationStarted("scan", "me", "dry_run")
    execute = OperationStarted("execute", "me", "execute", "P")
    done, interrupted = OperationFinished("done", {"x": 1}), OperationFinished("interrupted")
    await log.append(OPERATION, [scan])
    await log.append(LATER, [execute])
    await log.append("no-operation", [PlanDecided("P", "", True, "me", "ok")])
    await log.append(OPERATION, [done])
    first = Operation(OPERATION, NOON, scan, NOON + timedelta(seconds=3), done)
    second = Operation(LATER, NOON + timedelta(seconds=1), execute)
    assert await log.operations() == [first, second]
    assert await log.operation(LATER) == second
    await log.append(LATER, [interrupted])
    assert (await log.operation(LATER)).finished == interrupted
    with pytest.raises(NoSuchOperation):
        await log.operation("no-operation")


async def test_an_intent_is_open_until_its_own_result(log: AuditLog) -> None:
    await log.append(OPERATION, [intent("a"), intent("b")])
    await log.append(LATER, [intent("a", LATER), RestoreIntent("c", OPERATION)])

    async def open_now() -> tuple[list[int], list[int]]:
        intents = [entry.seq for entry in await flat(log.unresolved_intents())]
        return intents, [entry.seq for entry in await flat(log.unresolved_restores())]

    assert await open_now() == ([1, 2, 3], [4])
    await log.append(LATER, [Result("b", Outcome.KEPT), Result("c", Outcome.KEPT)])
    restored = Restored("a", OPERATION, RestoreOutcome.RESTORED)
    await log.append(OPERATION, [restored, Restored("c", OPERATION, RestoreOutcome.FAILED)])
    assert await open_now() == ([1, 2, 3], [4])
    await log.append(OPERATION, [Result("a", Outcome.FAILED), OperationFinished("failed")])
    assert await open_now() == ([2, 3], [4])
    await log.append(LATER, [Restored("c", OPERATION, RestoreOutcome.FAILED)])
    assert await open_now() == ([2, 3], [])
    assert await log.verify() == 11


async def test_what_can_be_restored(log: AuditLog) -> None:
    await delete(log, OPERATION, "a", "b", "p/1", "p/2")
    others = [f"not-{outcome}" for outcome in Outcome if outcome not in GONE]
    for key in others:
        await log.append(THIRD, [intent(key, THIRD), Result(key, Outcome(key[4:]))])
    await log.append(THIRD, [intent("open", THIRD), Result("no-intent", Outcome.DELETED)])
    await delete(log, LATER, "a", "q")
    await log.append(LATER, [purge_of("b", OPERATION), purge_of("a", THIRD)])
    await log.append(LATER, [Restored("a", OPERATION, RestoreOutcome.RESTORED)])

    async def found(**selection: object) -> list[tuple[str, str]]:
        pages = log.deleted_objects(**selection)  # type: ignore[arg-type]
        return [(d.intent.key, d.operation_id) for d in await flat(pages)]

    everything = [
        ("a", OPERATION),
        ("a", LATER),
        ("p/1", OPERATION),
        ("p/2", OPERATION),
        ("q", LATER),
    ]
    assert await found() == everything
    assert await found(prefix="") == everything
    assert await found(prefix="p/") == [("p/1", OPERATION), ("p/2", OPERATION)]
    assert await found(prefix="p%") == []
    assert await found(keys=("q", "a", "a", "none")) == [*everything[:2], ("q", LATER)]
    assert await found(keys=("b",)) == []
    assert await found(operation_id=LATER) == [("a", LATER), ("q", LATER)]
    assert await found(operation_id=THIRD) == []
    assert await found(operation_id=LATER, prefix="q") == [("q", LATER)]
    assert await found(keys=("a", "q"), operation_id=OPERATION) == [("a", OPERATION)]
    assert await found(keys=("a", "p/1"), prefix="p") == [("p/1", OPERATION)]
    assert await found(operation_id=THIRD, every_backup=True) == [
        (key, THIRD) for key in [*others, "open"]
    ]
    assert await found(keys=("b", "open"), every_backup=True) == [("open", THIRD)]
    [first, _] = await flat(log.deleted_objects(keys=("a",)))
    assert first == DeletedObject(OPERATION, NOON + timedelta(seconds=1), intent("a"))


async def test_an_object_that_vanished_under_our_delete_can_be_restored(log: AuditLog) -> None:
    """The store may say so about our own delete, sent again after its first answer was lost."""
    await log.append(OPERATION, [intent("a"), Result("a", Outcome.VANISHED)])
    assert {Outcome.DELETED, Outcome.VANISHED} == GONE
    assert await flat(log.deleted_objects()) == [DeletedObject(OPERATION, NOON, intent("a"))]


async def test_all_backups_of_a_key_are_in_one_page(log: AuditLog) -> None:
    keys = [f"k{n:05}" for n in range(PAGE + 1)]
    for operation_id in (OPERATION, LATER):
        await delete(log, operation_id, *keys)
    for pages in (log.deleted_objects(), log.deleted_objects(keys=keys)):
        seen: set[str] = set()
        async for page in pages:
            of_page = [deleted.intent.key for deleted in page]
            assert of_page == sorted(of_page)
            assert all(of_page.count(key) == 2 for key in (of_page[0], of_page[-1]))
            assert seen.isdisjoint(of_page)
            seen.update(of_page)
        assert seen == set(keys)


def backed_up(
    operation_id: str,
    backed_up_at: datetime,
    at: datetime,
    key: str,
    outcome: Outcome | None = None,
    restored: RestoreOutcome | None = None,
) -> BackupState:
    of_key = intent(key, operation_id)
    return BackupState(operation_id, at, of_key, outcome, restored, backed_up_at=backed_up_at)


async def test_states_of_backups_for_the_purge(log: AuditLog) -> None:
    await log.append(OPERATION, [intent("open"), intent("gone"), intent("back"), intent("purged")])
    await log.append(
        OPERATION,
        [Result(key, Outcome.DELETED) for key in ("gone", "back", "purged")],
    )
    await log.append(
        LATER,
        [
            Restored("back", OPERATION, RestoreOutcome.FAILED),
            Restored("back", OPERATION, RestoreOutcome.RESTORED),
            Restored("gone", THIRD, RestoreOutcome.RESTORED),
            purge_of("purged", OPERATION),
            intent("gone", LATER),
        ],
    )
    second = timedelta(seconds=1)
    later, deleted = NOON + second, Outcome.DELETED
    expected = [
        backed_up(OPERATION, NOON, NOON, "open"),
        backed_up(OPERATION, NOON, later, "gone", deleted),
        backed_up(OPERATION, NOON, later, "back", deleted, RestoreOutcome.RESTORED),
        backed_up(LATER, later + second, later + second, "gone"),
    ]
    states = await flat(log.backups())
    assert sorted(states, key=repr) == sorted(expected, key=repr)
    assert await flat(log.backups(LATER)) == expected[-1:]
    assert await log.backup_paths(OPERATION) == {stored(k).path for k in ("open", "gone", "back")}
    assert await log.backup_paths(LATER) == {stored("gone", LATER).path}


async def test_a_key_backed_up_twice_by_one_operation_comes_once(log: AuditLog) -> None:
    await delete(log, OPERATION, "a", "b")
    await delete(log, OPERATION, "a")
    deleted = await flat(log.deleted_objects(operation_id=OPERATION))
    assert [(d.intent.key, d.deleted_at) for d in deleted] == [
        ("a", at(1)),
        ("a", at(3)),
        ("b", at(1)),
    ]


async def test_what_an_operation_backed_up_under_a_key(log: AuditLog) -> None:
    await delete(log, OPERATION, "a")
    assert await log.intent(OPERATION, "a") == intent("a")
    assert await log.intent(LATER, "a") is None
    assert await log.intent(OPERATION, "b") is None


@given(st.text(max_size=4), st.text(max_size=4))
def test_the_end_of_a_prefix(prefix: str, key: str) -> None:
    end = prefix_end(prefix)
    for each in (key, prefix + key):
        inside = each.encode() >= prefix.encode() and (end is None or each.encode() < end.encode())
        assert inside == each.startswith(prefix)


def test_the_end_of_odd_prefixes() -> None:
    assert prefix_end("") is None
    assert prefix_end("\U0010ffff") is None
    assert prefix_end("a\U0010ffff") == "b"
    assert prefix_end("\ud7ff") == "\ue000"
    assert prefix_end("a%") == "a&"
