"""The audit log's tables, and what our own connection may do to them: read and append.

Triggers guard against our own mistakes, the authorizer against anything else in our process; what
somebody does with another tool only the hash chain and the anchors show (vault notes, section 4).
"""

from __future__ import annotations

import sqlite3

from s3gc_core.errors import AuditBroken
from s3gc_core.vault.places import BACKUPS

_BODY = "CAST(body AS TEXT)"


def _of_backup(name: str) -> str:
    # A body that somebody broke is for the chain to tell, not for an index to stumble over.
    return f"CASE WHEN json_valid({_BODY}) THEN json_extract({_BODY}, '$.backup.{name}') END"


# What the indexes of intents hold: 64 bits of the SHA-256 of the object's bytes, and the operation
# in whose folder the backup lies. Queries must say it in these very words.
RAW_HASH_DIGITS = 16
RAW_HASH = f"substr({_of_backup('raw_sha256')}, 1, {RAW_HASH_DIGITS})"
_BELOW = f"substr({_of_backup('path')}, {len(BACKUPS) + 2})"
FOLDER = f"substr({_BELOW}, 1, instr({_BELOW}, '/') - 1)"

# Results after which the object was still there, as far as anybody knew. Queries must say it so.
_RESULT = f"CASE WHEN json_valid({_BODY}) THEN json_extract({_BODY}, '$.%s') END"
STILL_THERE = (
    f"kind = 'result' AND ({_RESULT % 'outcome'} = 'failed'"
    f" OR ({_RESULT % 'outcome'} = 'kept' AND {_RESULT % 'inferred'}))"
)

# `open_steps` is an index in effect: intents without their result, so that looking for them
# does not take longer as the log grows. Only triggers write it; `verify` checks it.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    v INTEGER NOT NULL,
    at TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT,
    body BLOB NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS audit_by_operation ON audit (operation_id, seq);
CREATE INDEX IF NOT EXISTS audit_by_kind ON audit (kind, seq);
CREATE INDEX IF NOT EXISTS audit_by_key ON audit (key, kind, seq) WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_by_raw_hash ON audit ({RAW_HASH}) WHERE kind = 'intent';
CREATE INDEX IF NOT EXISTS audit_by_folder ON audit ({FOLDER}) WHERE kind = 'intent';
CREATE INDEX IF NOT EXISTS audit_still_there ON audit (seq) WHERE {STILL_THERE};
CREATE TABLE IF NOT EXISTS open_steps (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS open_steps_by_key ON open_steps (operation_id, key);
CREATE TRIGGER IF NOT EXISTS audit_only_grows BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT raise(ABORT, 'audit: a record can only be added at the end'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_a_chain BEFORE INSERT ON audit
WHEN NEW.prev IS NOT coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), zeroblob(32))
BEGIN SELECT raise(ABORT, 'audit: a record must follow the last one'); END;
CREATE TRIGGER IF NOT EXISTS audit_never_changes BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'audit: records are never changed'); END;
CREATE TRIGGER IF NOT EXISTS audit_never_shrinks BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'audit: records are never removed'); END;
CREATE TRIGGER IF NOT EXISTS step_opened AFTER INSERT ON audit
WHEN NEW.kind IN ('intent', 'restore-intent')
BEGIN INSERT INTO open_steps VALUES (NEW.seq, NEW.kind, NEW.operation_id, NEW.key); END;
CREATE TRIGGER IF NOT EXISTS step_ended AFTER INSERT ON audit
WHEN NEW.kind IN ('result', 'restored')
BEGIN
    DELETE FROM open_steps WHERE operation_id = NEW.operation_id AND key = NEW.key
    AND kind = CASE NEW.kind WHEN 'result' THEN 'intent' ELSE 'restore-intent' END;
END;
"""

# How `open_steps` comes about, for those who check it: what ends which step.
ENDS = {"result": "intent", "restored": "restore-intent"}

_READING = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)


def guard(connection: sqlite3.Connection) -> None:
    """Check that the schema is ours, then allow this connection to read and append only.

    Raises `AuditBroken` where a table or trigger was changed, added or replaced.
    """
    if _shape(connection) != _expected_shape():
        raise AuditBroken("the tables or triggers of audit.db were changed")
    connection.set_authorizer(authorize)


def authorize(
    action: int, table: str | None, _column: str | None, _schema: str | None, trigger: str | None
) -> int:
    """SQLite's question before it prepares a statement: everything not listed is refused."""
    allowed = (
        action in _READING
        or (action == sqlite3.SQLITE_INSERT and table == "audit")
        or (
            action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE)
            and table == "open_steps"
            and trigger is not None
        )
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _shape(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    # Indexes are left out: SQLite's own and added ones change no answer.
    query = "SELECT type, name, sql FROM sqlite_master WHERE type <> 'index'"
    return set(connection.execute(query))


def _expected_shape() -> set[tuple[str, str, str]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        return _shape(connection)
    finally:
        connection.close()
