"""The sums over the audit log: carried on in steps, never from what is not this log's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from s3gc_core.vault import (
    AuditLog,
    Held,
    OperationFinished,
    OperationStarted,
    Outcome,
    Purged,
    Restored,
    RestoreOutcome,
    Result,
    Totals,
    audit_totals,
)
from tests.core.vault.builders import LATER, NOON, OPERATION, SteppingClock, intent

SCAN = "01K0000000000000000000000C"


async def log_of(folder: Path) -> AuditLog:
    folder.mkdir(exist_ok=True)
    return await AuditLog.open(folder, SteppingClock())


async def fill(log: AuditLog) -> None:
    await log.append(SCAN, [OperationStarted("scan", "me", "execute")])
    await log.append(SCAN, [OperationFinished("done")])
    await log.append(OPERATION, [OperationStarted("execute", "me", "execute")])
    twice = msgspec.structs.replace(
        intent("c"), backup=msgspec.structs.replace(intent("c").backup, reused=True)
    )
    await log.append(OPERATION, [intent("a"), intent("b"), twice])
    await log.append(
        OPERATION,
        [Result("a", Outcome.DELETED), Result("b", Outcome.CHANGED), Result("c", Outcome.DELETED)],
    )
    await log.append(OPERATION, [OperationFinished("partial")])
    await log.append(LATER, [OperationStarted("restore", "me", "execute")])
    await log.append(LATER, [Restored("a", OPERATION, RestoreOutcome.RESTORED)])


async def test_every_record_counts_once_however_large_the_steps_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await log_of(tmp_path)
    await fill(log)
    whole = await log.totals(Totals())
    assert (whole.results, whole.restores) == ({"deleted": 2, "changed": 1}, {"restored": 1})
    assert whole.operations == {"scan": {"done": 1}, "execute": {"partial": 1}}
    assert whole.begun == {LATER: "restore"}
    assert set(whole.successes) == {"scan"}
    assert set(whole.ends) == {"scan", "execute"}
    assert whole.error is not None
    assert (whole.error.what, whole.error.outcome) == ("execute", "partial")
    # What shares its bytes is stored once.
    assert whole.held == Held(backups=3, raw_bytes=30, stored_bytes=20)
    assert (whole.records["intent"], whole.backed_up_bytes, whole.seq) == (3, 30, 12)
    monkeypatch.setattr(audit_totals, "STEP", 1)
    assert await log.totals(Totals()) == whole
    kept = msgspec.json.decode(msgspec.json.encode(whole), type=Totals)
    assert await log.totals(kept) == whole
    await log.close()


@pytest.mark.parametrize(
    ("ended", "cleared"),
    [
        (OperationFinished("done"), True),
        (OperationFinished("cancelled"), False),
        (OperationFinished("blocked", blocked=["budget", "canary"]), False),
    ],
)
async def test_an_error_is_told_until_a_run_is_done(
    tmp_path: Path, ended: OperationFinished, cleared: bool
) -> None:
    log = await log_of(tmp_path)
    await fill(log)
    before = (await log.totals(Totals())).error
    await log.append(LATER, [OperationFinished("done")])  # a restore tells nothing about runs
    assert (await log.totals(Totals())).error == before
    await log.append("01K0000000000000000000000D", [OperationStarted("scan", "me", "execute")])
    await log.append("01K0000000000000000000000D", [ended])
    error = (await log.totals(Totals())).error
    assert (error is None) is cleared
    if ended.blocked:
        assert error is not None
        assert (error.what, error.why) == ("scan", "budget, canary")
    await log.close()


async def test_sums_of_another_log_are_not_carried_on(tmp_path: Path) -> None:
    log, other = await log_of(tmp_path / "one"), await log_of(tmp_path / "other")
    await fill(log)
    await other.append(SCAN, [OperationStarted("scan", "you", "execute")] * 12)
    assert (await other.totals(await log.totals(Totals()))).results == {}
    assert await log.totals(await other.totals(Totals())) == await log.totals(Totals())
    longer = msgspec.structs.replace(await log.totals(Totals()), seq=99)
    assert await log.totals(longer) == await log.totals(Totals())
    await log.close()
    await other.close()


async def test_after_a_purge_the_log_alone_does_not_tell_what_is_held(tmp_path: Path) -> None:
    log = await log_of(tmp_path)
    await fill(log)
    before = await log.totals(Totals())
    await log.append(LATER, [Purged("a", OPERATION, intent("a").backup.path, "old")])
    after = await log.totals(before)
    assert (after.held, after.backed_up_bytes) == (None, 30)
    known = msgspec.structs.replace(after, held=Held(2, 20, 10))
    await log.append(LATER, [intent("z")])
    assert (await log.totals(known)).held == Held(3, 30, 20)
    assert after.ends["execute"].at > NOON
    await log.close()


async def test_what_blocked_and_what_healed_is_counted_by_its_name(tmp_path: Path) -> None:
    log = await log_of(tmp_path)
    await fill(log)
    healing = OperationStarted("restore", "me", "execute", arguments={"healing": "True"})
    for number, (begun, ended) in enumerate(
        [
            (OperationStarted("scan", "me", "execute"), ["budget", "budget-prefix:a/"]),
            (OperationStarted("scan", "me", "execute"), ["budget-prefix:b/", "budget-prefix:c/"]),
            (healing, []),
            (healing, []),
            (OperationStarted("restore", "me", "execute"), []),
        ]
    ):
        operation = f"01K000000000000000000000E{number}"
        await log.append(operation, [begun])
        counts = {"restored": 2, "failed": number % 2, "bytes": 70}
        await log.append(
            operation, [OperationFinished("blocked" if ended else "done", counts, blocked=ended)]
        )
    found = await log.totals(Totals())
    assert found.blocked == {"budget": 1, "budget-prefix": 2}
    assert found.healing == {"restored": 4, "failed": 1}
    assert found.operations["restore"] == {"done": 3}
    # What a former version added up lacks some of it.
    old = msgspec.structs.replace(found, version=0, blocked={}, healing={})
    assert await log.totals(old) == found
    await log.close()
