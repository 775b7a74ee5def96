"""A vault that is held, torn or cut: what may go on goes on, and what may not says so."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.faults.children import run_s3gc, until_stopped
from tests.faults.ground import BATCH_OBJECTS, Ground


async def test_a_second_operation_finds_the_vault_busy(ground: Ground) -> None:
    await ground.begin_round()
    process, ending = await ground.children.begin(
        *ground.execution, fault="delete:before:3:SIGSTOP"
    )
    try:
        await until_stopped(process.pid)
        before = await asyncio.to_thread(ground.oracle.head)
        for command in (("scan",), ground.restoring, ground.execution):
            second = await run_s3gc(*command, config=ground.config)
            assert second.returncode == 5, second.diagnostics
            assert second.summary["outcome"] == "failed"
            assert second.summary["error"] == "vault-busy"
            assert f"process {process.pid}" in str(second.summary["what"])
        assert await asyncio.to_thread(ground.oracle.head) == before
        looking = await run_s3gc("status", config=ground.config)
        assert looking.returncode == 0, looking.diagnostics
    finally:
        process.send(signal.SIGCONT)
    first = await ending
    assert first.returncode == 0, first.diagnostics
    assert first.summary["deleted"] == len(ground.orphans)
    await asyncio.to_thread(ground.oracle.everything_is_settled)
    await asyncio.to_thread(ground.oracle.the_plan_was_executed, ground.plan_id)


async def test_the_vault_is_free_again_once_its_holder_is_killed(ground: Ground) -> None:
    await ground.begin_round()
    assert (await ground.children.run(*ground.execution, fault="delete:before:3")).killed
    assert (ground.vault / "lease").read_bytes() != b""
    await ground.finish_execution()


async def test_an_anchor_that_was_cut_short_is_mended(ground: Ground) -> None:
    """Only its last line can be torn by a crash; the next operation's end writes over it."""
    await ground.begin_round()
    anchors = ground.vault / "anchors.jsonl"
    for cut in (b'{"seq":', b'{"seq":9,"hash":"00"', b"{"):
        whole = anchors.read_bytes()
        anchors.write_bytes(whole + cut)
        looked = await ground.children.run("status")
        assert looked.returncode == 0, looked.diagnostics
        assert anchors.read_bytes() == whole + cut
        assert (await ground.children.run("scan")).returncode == 0
        lines = anchors.read_bytes()
        assert lines.startswith(whole)
        assert cut not in lines.removeprefix(whole).splitlines()
        assert lines.count(b"\n") == whole.count(b"\n") + 1
        await asyncio.to_thread(ground.oracle.everything_is_settled)


async def test_an_anchor_in_the_middle_that_is_none_stops_everything(ground: Ground) -> None:
    await ground.begin_round()
    anchors = ground.vault / "anchors.jsonl"
    first, *others = anchors.read_bytes().splitlines(keepends=True)
    anchors.write_bytes(first[:20] + b"\n" + b"".join(others))
    await _refused(ground)


async def test_a_log_that_was_cut_behind_its_anchor_stops_everything(ground: Ground) -> None:
    """A shorter log is a valid chain of its own; only the anchor tells."""
    await ground.begin_round()
    await ground.finish_execution()
    for rows in (1, 4):
        await asyncio.to_thread(_cut, ground.vault / "audit.db", rows)
        await _refused(ground)
    refused = await run_s3gc("status", config=ground.config)
    assert refused.returncode == 3
    assert refused.summary["error"] == "audit-broken"


async def test_a_log_that_was_cut_while_a_plan_is_executed_stops_everything(
    ground: Ground,
) -> None:
    """Its packs hold more than its records say, and may be the only copies: nothing is tidied."""
    await ground.begin_round()
    assert (await ground.children.run(*ground.execution, fault="delete:after:3")).killed
    gone = (await ground.after_kill()).only_in_vault
    assert gone == 3 * BATCH_OBJECTS
    await asyncio.to_thread(_cut, ground.vault / "audit.db", BATCH_OBJECTS)
    before = await asyncio.to_thread(_backups, ground.vault)
    await _refused(ground)
    assert await asyncio.to_thread(_backups, ground.vault) == before


async def test_an_older_copy_of_the_log_stops_everything(ground: Ground, tmp_path: Path) -> None:
    await ground.begin_round()
    await asyncio.to_thread(_checkpoint, ground.vault / "audit.db")
    await asyncio.to_thread(shutil.copy, ground.vault / "audit.db", tmp_path / "older")
    await ground.finish_execution()
    for name in ("audit.db-wal", "audit.db-shm"):
        (ground.vault / name).unlink(missing_ok=True)
    await asyncio.to_thread(shutil.copy, tmp_path / "older", ground.vault / "audit.db")
    await _refused(ground)


async def _refused(ground: Ground) -> None:
    before = await asyncio.to_thread(ground.store.listed)
    rows = await asyncio.to_thread(ground.oracle.rows)
    for command in (("scan",), ground.execution, ground.restoring, ("vault", "audit", "verify")):
        refused = await ground.children.run(*command)
        assert refused.returncode == 3, (command, refused.diagnostics)
        assert refused.summary["outcome"] == "blocked"
        assert refused.summary["blocked"] == ["audit-broken"]
    assert await asyncio.to_thread(ground.store.listed) == before
    assert await asyncio.to_thread(ground.oracle.rows) == rows


def _backups(vault: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in (vault / "backups").rglob("*") if p.is_file()}


def _cut(path: Path, rows: int) -> None:
    """Take rows off the end as somebody would who knows the triggers; they are back afterwards."""
    with closing(sqlite3.connect(path)) as database, database:
        query = "SELECT sql FROM sqlite_master WHERE name = 'audit_never_shrinks'"
        (trigger,) = database.execute(query).fetchone()
        database.execute("DROP TRIGGER audit_never_shrinks")
        database.execute("DELETE FROM audit WHERE seq > (SELECT max(seq) FROM audit) - ?", (rows,))
        database.execute(trigger)


def _checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
