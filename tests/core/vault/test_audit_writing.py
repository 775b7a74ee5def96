"""The audit log grows, is chained, and shows when it was edited or cut."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.bucket import DeleteMode, DeleteModes
from s3gc_core.errors import AuditBroken, VaultFull, VaultUnreachable
from s3gc_core.vault import (
    AnyRecord,
    AuditLog,
    Bound,
    CopyDamaged,
    DrillDiffered,
    Drilled,
    Entry,
    Intent,
    KeyProven,
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
    StoreProbed,
)
from s3gc_core.vault.chain import GENESIS, Row, row_hash
from s3gc_core.vault.failures import database_failure
from tests.core.vault.builders import LATER, NOON, OPERATION, SteppingClock, intent
from tests.core.vault.fresh import run_fresh

ONE_OF_EACH: list[AnyRecord] = [
    Bound("bucket", {"main": "postgres/1"}),
    OperationStarted("execute", "me@host", "execute", "P1", {"a": "b"}),
    ScanRecorded(5, {"main:users.avatar": 3}, ["budget"]),
    PlanRecorded("P1", "f" * 64, 2, 20, NOON, "P0"),
    PlanDecided("P1", "f" * 64, True, "me@host", "looks right"),
    intent("a"),
    Result("a", Outcome.DELETED),
    RestoreIntent("a", OPERATION, '"other"'),
    Restored("a", OPERATION, RestoreOutcome.NEWER_KEPT, None, "newer", True),
    Purged("a", OPERATION, "backups/x/y", "restored"),
    CopyDamaged("a", OPERATION, "backups/x/y", "has other stored bytes"),
    Drilled(20, 7, 20, 1, 1.5, "s3://bucket/.s3gc-drill/", 1),
    DrillDiffered("a", OPERATION, "differs in content_type"),
    OperationFinished("partial", {"deleted": 1}, ["budget"], "vault-full"),
    StoreProbed(DeleteModes(DeleteMode.CONDITIONAL_SINGLE, DeleteMode.HEAD_COMPARE)),
    KeyProven("age:0123456789abcdef", ["age1q", "age1p"], ["age1q"], "me@host"),
]


async def all_entries(log: AuditLog) -> list[Entry]:
    return [entry async for page in log.entries() for entry in page]


def tamper(vault: Path, *statements: str, guarded: bool = False) -> None:
    """Edit the log with another tool; unless `guarded`, past the triggers."""
    with closing(sqlite3.connect(vault / "audit.db")) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = [] if guarded else connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def rows_of(vault: Path) -> list[Row]:
    with closing(sqlite3.connect(vault / "audit.db")) as connection:
        return [Row(*row) for row in connection.execute("SELECT * FROM audit ORDER BY seq")]


async def fill(
    vault: Path, count: int = 10, *, anchored: bool = False, operation_id: str = OPERATION
) -> None:
    log = await AuditLog.open(vault, SteppingClock())
    await log.append(operation_id, [Result(f"k{n}", Outcome.KEPT) for n in range(count)])
    if anchored:
        await log.anchor()
    await log.close()


async def checked(vault: Path) -> int:
    """Open and verify, as after a new start."""
    log = await AuditLog.open(vault, SteppingClock())
    try:
        return await log.verify()
    finally:
        await log.close()


async def test_what_is_appended_comes_back(log: AuditLog) -> None:
    assert await log.head() == (0, GENESIS)
    assert await log.append(OPERATION, ONE_OF_EACH[:4]) == [1, 2, 3, 4]
    assert await log.append(OPERATION, []) == []
    assert await log.append(LATER, ONE_OF_EACH[4:]) == list(range(5, 17))
    entries = await all_entries(log)
    assert [entry.record for entry in entries] == ONE_OF_EACH
    assert [entry.seq for entry in entries] == list(range(1, 17))
    assert [entry.operation_id for entry in entries] == [OPERATION] * 4 + [LATER] * 12
    assert [entry.at for entry in entries] == [NOON] * 4 + [NOON + timedelta(seconds=1)] * 12
    assert await log.head() == (16, entries[-1].hash)
    assert await log.verify() == 16


async def test_what_is_stored_is_what_was_hashed(vault: Path, log: AuditLog) -> None:
    await log.append(OPERATION, ONE_OF_EACH)
    rows = rows_of(vault)
    assert [row.prev for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]
    for row, record in zip(rows, ONE_OF_EACH, strict=True):
        assert row.hash == row_hash(row)
        assert json.loads(row.body)["kind"] == row.kind
        assert json.loads(row.body).get("key") == row.key == getattr(record, "key", None)
        assert row.at == "2026-03-01T12:00:00.000000+00:00"


@given(st.sampled_from(Row._fields[:-1]), st.data())
def test_each_column_counts_in_the_hash(column: str, data: st.DataObject) -> None:
    row = Row(1, 1, "2026", "op", "result", "key", b"{}", GENESIS, b"")
    values: dict[type, st.SearchStrategy[Any]] = {
        int: st.integers(0, 2**62),
        str: st.text(),
        bytes: st.binary(),
    }
    drawn = data.draw(values[type(getattr(row, column))])
    other = row._replace(**{column: drawn})
    assert (row_hash(other) == row_hash(row)) == (other == row)


def test_nothing_shifts_from_one_column_to_the_next() -> None:
    row = Row(1, 1, "", "ab", "c", None, b"", b"", b"")
    others = [
        row._replace(operation_id="a", kind="bc"),
        row._replace(key=""),
        row._replace(v=11),
        row._replace(seq=11),
    ]
    assert len({row_hash(each) for each in [row, *others]}) == 5


async def test_times_are_stored_in_utc_and_without_zone_refused(log: AuditLog) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    await log.append(OPERATION, [msgspec.structs.replace(intent("a"), last_modified=east)])
    [entry] = await all_entries(log)
    assert isinstance(entry.record, Intent)
    assert entry.record.last_modified == NOON
    assert entry.record.last_modified.tzinfo == UTC
    naive = msgspec.structs.replace(intent("a"), last_modified=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        await log.append(OPERATION, [Result("x", Outcome.KEPT), naive])
    assert await log.verify() == 1


KEYS = st.text(min_size=1, max_size=40) | st.sampled_from(["a\0", "a\0b", "\0", "a", "\U0010ffff"])


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(KEYS, unique=True, min_size=1, max_size=12))
async def test_any_key_is_kept_and_found(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    log = await AuditLog.open(tmp_path_factory.mktemp("vault"), SteppingClock())
    try:
        await log.append(OPERATION, [intent(key) for key in keys])
        await log.append(OPERATION, [Result(key, Outcome.DELETED) for key in keys])
        for key in keys:
            found = [e.record async for p in log.entries(key=key) for e in p]
            assert found == [intent(key), Result(key, Outcome.DELETED)]
        everything = [d.intent.key async for p in log.deleted_objects() for d in p]
        assert everything == sorted(keys, key=str.encode)
        for prefix in {key[:1] for key in keys} | {keys[0]}:
            found_keys = [d.intent.key async for p in log.deleted_objects(prefix=prefix) for d in p]
            assert found_keys == [key for key in everything if key.startswith(prefix)]
        assert await log.verify() == 2 * len(keys)
    finally:
        await log.close()


# Edits with another tool


@pytest.mark.parametrize(
    ("edit", "bad"),
    [
        ("UPDATE audit SET body = CAST(replace(body, 'kept', 'gone') AS BLOB) WHERE seq = 4", 4),
        ("UPDATE audit SET key = 'other' WHERE seq = 7", 7),
        ("UPDATE audit SET at = '2020-01-01T00:00:00.000000+00:00' WHERE seq = 1", 1),
        ("UPDATE audit SET operation_id = 'x' WHERE seq = 10", 10),
        ("UPDATE audit SET kind = 'restored' WHERE seq = 5", 5),
        ("UPDATE audit SET v = 2 WHERE seq = 5", 5),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 5", 5),
        ("UPDATE audit SET prev = zeroblob(32) WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 6", 6),
        ("DELETE FROM audit WHERE seq < 4", 1),
        ("UPDATE audit SET seq = 11 WHERE seq = 10", 10),
    ],
)
async def test_an_edit_is_found_and_named(vault: Path, edit: str, bad: int) -> None:
    await fill(vault)
    assert await checked(vault) == 10
    tamper(vault, edit)
    with pytest.raises(AuditBroken, match=rf"audit record {bad}\b"):
        await checked(vault)


async def test_swapped_rows_are_found(vault: Path) -> None:
    await fill(vault)
    tamper(
        vault,
        "UPDATE audit SET seq = 99 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    )
    with pytest.raises(AuditBroken, match=r"audit record 3\b"):
        await checked(vault)


async def test_a_row_rewritten_with_its_own_hash_breaks_the_next(vault: Path) -> None:
    await fill(vault)
    row = rows_of(vault)[3]
    body = row.body.replace(b"kept", b"deleted")
    forged = row._replace(body=body, hash=row_hash(row._replace(body=body)))
    tamper(
        vault,
        f"UPDATE audit SET body = X'{body.hex()}', hash = X'{forged.hash.hex()}' WHERE seq = 4",
    )
    with pytest.raises(AuditBroken, match=r"audit record 5\b"):
        await checked(vault)


@pytest.mark.parametrize("rows", [1, 9, 10])
async def test_a_cut_end_is_found_by_the_anchor(vault: Path, rows: int) -> None:
    await fill(vault, anchored=True)
    tamper(vault, f"DELETE FROM audit WHERE seq > {10 - rows}")
    with pytest.raises(AuditBroken, match="record 10 is missing"):
        await AuditLog.open(vault, SteppingClock())
    # Without the anchor nothing shows it: the shorter chain is whole.
    (vault / "anchors.jsonl").unlink()
    assert await checked(vault) == 10 - rows


async def test_another_log_in_its_place_is_found_by_the_anchor(vault: Path) -> None:
    await fill(vault, anchored=True)
    (vault / "audit.db").unlink()
    anchors = (vault / "anchors.jsonl").rename(vault.parent / "anchors.jsonl")
    await fill(vault, 12, operation_id=LATER)
    anchors.rename(vault / "anchors.jsonl")
    with pytest.raises(AuditBroken, match="record 10 is not the one"):
        await AuditLog.open(vault, SteppingClock())


async def test_an_edited_index_of_open_steps_is_found(vault: Path) -> None:
    log = await AuditLog.open(vault, SteppingClock())
    await log.append(OPERATION, [intent("a"), intent("b"), Result("a", Outcome.DELETED)])
    await log.close()
    assert await checked(vault) == 3
    tamper(vault, "DELETE FROM open_steps", guarded=True)
    with pytest.raises(AuditBroken, match="audit record 2"):
        await checked(vault)


# What our own connection may do


REFUSED = [
    "UPDATE audit SET key = 'x' WHERE seq = 1",
    "DELETE FROM audit",
    "DELETE FROM open_steps",
    "INSERT INTO open_steps VALUES (9, 'intent', 'x', 'y')",
    "DROP TABLE audit",
    "DROP TRIGGER audit_only_grows",
    "DROP INDEX audit_by_key",
    "ALTER TABLE audit RENAME TO gone",
    "CREATE TABLE x (a)",
    "CREATE TEMP TRIGGER t AFTER INSERT ON audit BEGIN SELECT 1; END",
    "ATTACH ':memory:' AS other",
    "PRAGMA writable_schema = ON",
    "PRAGMA synchronous = OFF",
    "UPDATE sqlite_master SET sql = ''",
    "DELETE FROM sqlite_master",
]


@pytest.mark.parametrize("statement", REFUSED)
async def test_our_own_connection_can_only_read_and_append(log: AuditLog, statement: str) -> None:
    await log.append(OPERATION, [intent("a"), Result("b", Outcome.KEPT)])

    def attempt(connection: sqlite3.Connection) -> str:
        with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|may not be") as e:
            connection.execute(statement)
        return str(e.value)

    assert await log._store.run(attempt)
    assert await log.verify() == 2


@pytest.mark.parametrize("how", ["INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
@pytest.mark.parametrize("seq", [1, 2, 4, 99, -1])
async def test_a_row_goes_only_to_the_end(log: AuditLog, how: str, seq: int) -> None:
    await log.append(OPERATION, [Result(f"k{n}", Outcome.KEPT) for n in range(2)])
    _, head = await log.head()
    values = (seq, 1, "", "", "result", "k", b"", head, b"")

    def insert(connection: sqlite3.Connection) -> None:
        connection.execute(f"{how} INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    with pytest.raises(sqlite3.IntegrityError, match="only be added at the end"):
        await log._store.run(insert)
    assert await log.verify() == 2


async def test_a_row_must_follow_the_last_one(log: AuditLog) -> None:
    await log.append(OPERATION, [Result("k", Outcome.KEPT)])

    def insert(connection: sqlite3.Connection) -> None:
        values = (2, 1, "", "", "result", "k", b"", GENESIS, b"")
        connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    with pytest.raises(sqlite3.IntegrityError, match="must follow"):
        await log._store.run(insert)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET key = 'x'", "DELETE FROM audit WHERE seq = 1"]
)
async def test_the_triggers_stop_other_tools_mistakes(vault: Path, statement: str) -> None:
    await fill(vault)
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        tamper(vault, statement, guarded=True)
    assert await checked(vault) == 10


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER more AFTER INSERT ON audit BEGIN DELETE FROM open_steps; END"],
        [
            "DROP TRIGGER audit_never_changes",
            "CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit BEGIN SELECT 1; END",
        ],
        ["CREATE TABLE more (a)"],
        ["CREATE VIEW more AS SELECT 1"],
    ],
)
async def test_changed_tables_or_triggers_are_found(vault: Path, statements: list[str]) -> None:
    await fill(vault)
    tamper(vault, "CREATE INDEX theirs ON audit (at)", guarded=True)
    assert await checked(vault) == 10
    tamper(vault, *statements, guarded=True)
    with pytest.raises(AuditBroken, match="triggers"):
        await AuditLog.open(vault, SteppingClock())


# Errors


async def test_a_newer_format_is_not_guessed_at(vault: Path) -> None:
    await fill(vault)
    tamper(vault, "UPDATE audit SET v = 2 WHERE seq = 5")
    log = await AuditLog.open(vault, SteppingClock())
    with pytest.raises(AuditBroken, match="record 5 has format 2"):
        await all_entries(log)
    await log.close()


@pytest.mark.parametrize("edit", ["body = X'7b7d'", "body = X'ff'", "at = 'yesterday'"])
async def test_a_record_that_cannot_be_read_is_named(vault: Path, edit: str) -> None:
    await fill(vault)
    tamper(vault, f"UPDATE audit SET {edit} WHERE seq = 5")
    log = await AuditLog.open(vault, SteppingClock())
    with pytest.raises(AuditBroken, match="record 5 cannot be read"):
        await all_entries(log)
    await log.close()


async def test_what_is_no_database_is_told(vault: Path) -> None:
    (vault / "audit.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(VaultUnreachable):
        await AuditLog.open(vault, SteppingClock())


async def test_a_damaged_page_is_told(vault: Path) -> None:
    await fill(vault, 3_000)
    path = vault / "audit.db"
    damaged = bytearray(path.read_bytes())
    damaged[8192:] = b"\xff" * (len(damaged) - 8192)
    path.write_bytes(damaged)
    with pytest.raises(AuditBroken):
        await checked(vault)


def test_a_full_disk_leaves_the_log_whole_and_usable(vault: Path) -> None:
    out = run_fresh(
        """
        import resource
        from s3gc_core.errors import S3gcError
        log = await AuditLog.open(vault, SteppingClock())
        records = [Result(f"key {n}", Outcome.KEPT) for n in range(200)]
        await log.append(OPERATION, records)
        size = (vault / "audit.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
        for _ in range(2):
            try:
                await log.append(OPERATION, records)
            except S3gcError as error:
                print(error.name)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        print(await log.verify())
        print((await log.append(OPERATION, records))[-1], await log.verify())
        await log.close()
        """,
        vault,
    )
    assert out.split() == ["vault-unreachable", "vault-unreachable", "200", "400", "400"]


def test_sqlite_without_room_is_a_full_vault() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE x (a)")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO x VALUES (zeroblob(100000))")
        with pytest.raises(sqlite3.OperationalError) as other:
            connection.execute("nonsense")
    assert isinstance(database_failure(full.value), VaultFull)
    assert isinstance(database_failure(other.value), VaultUnreachable)
