"""Reading the audit log: one page a call, so that no read holds the database for long.

Functions of a connection, run in the store's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby

from s3gc_core.vault.audit_schema import FOLDER, RAW_HASH, RAW_HASH_DIGITS, STILL_THERE
from s3gc_core.vault.backup_states import KINDS, BackupState, backups_of, is_still_there
from s3gc_core.vault.chain import GENESIS, Row, entry_of
from s3gc_core.vault.records import Entry, Intent, RestoreOutcome

_COLUMNS = "seq, v, at, operation_id, kind, key, body, prev, hash"
# Before the first and after the last possible row.
FIRST, LAST = 0, (1 << 63) - 1
# Rows looked at for one SHA-256.
_COPIES = 4


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Sequence number and hash of the last row."""
    row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return row if row else (0, GENESIS)


def hash_at(connection: sqlite3.Connection, seq: int) -> bytes | None:
    """The hash of one row."""
    row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None


def rows_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[Row]:
    """The next rows, by sequence number."""
    query = f"SELECT {_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"
    return list(map(Row._make, connection.execute(query, (seq, limit))))


def page(
    connection: sqlite3.Connection,
    *,
    operation_id: str | None,
    key: str | None,
    kinds: Sequence[str] | None,
    newest_first: bool,
    start: int,
    limit: int,
) -> list[Entry]:
    """The next entries after (with `newest_first`: before) the row `start`."""
    compare, order = ("<", "DESC") if newest_first else (">", "ASC")
    tail = f"seq {compare} ? ORDER BY seq {order} LIMIT ?"
    conditions, values = [], []
    if operation_id is not None:
        # The plus signs say which index to use: the key's, else the operation's, else the kind's.
        conditions.append("operation_id = ?" if key is None else "+operation_id = ?")
        values.append(operation_id)
    if key is not None:
        conditions.append("key = ?")
        values.append(key)
    if kinds is not None and not conditions:
        # One index range a kind: neither a rare nor a frequent kind makes a page slow.
        part = f"SELECT * FROM (SELECT seq FROM audit WHERE kind = ? AND {tail})"
        union = " UNION ALL ".join([part] * len(kinds)) or "SELECT NULL"
        query = f"SELECT {_COLUMNS} FROM audit WHERE seq IN ({union}) ORDER BY seq {order} LIMIT ?"
        bound: list[object] = [v for kind in kinds for v in (kind, start, limit)]
        return _entries(connection.execute(query, (*bound, limit)))
    if kinds is not None:
        conditions.append(f"+kind IN ({_marks(kinds)})")
        values.extend(kinds)
    where = " AND ".join([*conditions, tail])
    query = f"SELECT {_COLUMNS} FROM audit WHERE {where}"
    return _entries(connection.execute(query, (*values, start, limit)))


def open_steps(connection: sqlite3.Connection, kind: str, after: int, limit: int) -> list[Entry]:
    """The next intents (`kind`: `intent` or `restore-intent`) whose end is not recorded."""
    query = (
        f"SELECT {_COLUMNS} FROM audit WHERE seq IN "
        "(SELECT seq FROM open_steps WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?) ORDER BY seq"
    )
    return _entries(connection.execute(query, (kind, after, limit)))


def all_open_steps(connection: sqlite3.Connection) -> dict[int, tuple[str, str, str]]:
    """The whole table of open steps: seq -> (kind, operation, key)."""
    query = "SELECT seq, kind, operation_id, key FROM open_steps"
    return {seq: (kind, operation, key) for seq, kind, operation, key in connection.execute(query)}


def keys_claimed(connection: sqlite3.Connection, operation_id: str) -> set[str]:
    """Keys of which another operation than this one has an open step."""
    query = "SELECT key FROM open_steps WHERE operation_id <> ?"
    return {key for (key,) in connection.execute(query, (operation_id,))}


def claims(connection: sqlite3.Connection) -> dict[str, str]:
    """Keys with an open step -> the operation of the last one."""
    return dict(connection.execute("SELECT key, operation_id FROM open_steps ORDER BY seq"))


def is_anything_open(connection: sqlite3.Connection) -> bool:
    """Whether there is an open step, or an operation without its end."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM open_steps) OR EXISTS ("
        "SELECT 1 FROM audit AS started WHERE started.kind = ? AND NOT EXISTS ("
        "SELECT 1 FROM audit AS ended WHERE ended.operation_id = started.operation_id"
        " AND +ended.kind = ?))"
    )
    [(found,)] = connection.execute(query, ("operation-started", "operation-finished"))
    return bool(found)


def intents(
    connection: sqlite3.Connection, operation_id: str | None, after: int, limit: int
) -> list[tuple[int, str, str]]:
    """The next keys that an operation, or any, backed up: sequence number, operation, key.

    Each key of an operation comes once, with its first intent.
    """
    values: list[object] = []
    condition = "kind = 'intent'"
    if operation_id is not None:
        condition = "operation_id = ? AND +kind = 'intent'"
        values.append(operation_id)
    query = (
        "SELECT seq, operation_id, key FROM audit "
        f"WHERE {condition} AND seq > ? AND NOT EXISTS ("
        "SELECT 1 FROM audit AS earlier WHERE earlier.key = audit.key AND earlier.kind = 'intent' "
        "AND +earlier.operation_id = audit.operation_id AND earlier.seq < audit.seq"
        ") ORDER BY seq LIMIT ?"
    )
    return connection.execute(query, (*values, after, limit)).fetchall()


def keys_with_intents(
    connection: sqlite3.Connection, first: str, end: str | None, limit: int
) -> list[str]:
    """The next keys ever backed up, by their UTF-8 bytes, from `first` to before `end`."""
    condition, values = ("AND key < ?", [end]) if end is not None else ("", [])
    query = (
        "SELECT DISTINCT key FROM audit INDEXED BY audit_by_key "
        f"WHERE key IS NOT NULL AND kind = 'intent' AND key >= ? {condition} ORDER BY key LIMIT ?"
    )
    return [key for (key,) in connection.execute(query, (first, *values, limit))]


def states_of(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, list[BackupState]]:
    """The kept backups of some keys, by key in the order of UTF-8 bytes."""
    query = (
        f"SELECT {_COLUMNS} FROM audit WHERE key IN ({_marks(keys)}) "
        f"AND kind IN ({_marks(KINDS)}) ORDER BY key, seq"
    )
    rows = (Row(*row) for row in connection.execute(query, (*keys, *KINDS)))
    return {
        key: backups_of(entry_of(row) for row in of_key)
        for key, of_key in groupby(rows, key=lambda row: str(row.key))
    }


def copies_of(
    connection: sqlite3.Connection, hashes: Sequence[str]
) -> dict[str, list[BackupState]]:
    """Kept backups of these bytes, by their SHA-256 in hex: newest first, of a few of their keys.

    A few are enough for who looks for one copy to use again, however many there are.
    """
    query = (
        f"SELECT key FROM audit WHERE kind = 'intent' AND {RAW_HASH} = ? ORDER BY seq DESC LIMIT ?"
    )
    keys = {
        key
        for sha256 in hashes
        for (key,) in connection.execute(query, (sha256[:RAW_HASH_DIGITS], _COPIES))
    }
    found: dict[str, list[BackupState]] = {sha256: [] for sha256 in hashes}
    for states in states_of(connection, sorted(keys)).values():
        for state in states:
            if (same := found.get(state.intent.backup.raw_sha256)) is not None:
                same.append(state)
    for states in found.values():
        states.sort(key=lambda state: state.backed_up_at or state.at, reverse=True)
    return found


def still_there(connection: sqlite3.Connection, before: int, limit: int) -> list[Entry]:
    """The next results, newest first, after which the object was still there, as far as known."""
    query = (
        f"SELECT {_COLUMNS} FROM audit INDEXED BY audit_still_there WHERE {STILL_THERE} "
        "AND seq < ? ORDER BY seq DESC LIMIT ?"
    )
    return _entries(connection.execute(query, (before, limit)))


def left_by_deletes(
    connection: sqlite3.Connection, results: Sequence[tuple[str, str]]
) -> list[BackupState]:
    """Of results, by operation and key: the backups of objects that no later operation touched, no
    restore brought back, and about which no step is open.
    """
    claimed = keys_claimed(connection, "")
    wanted = {(of, key) for of, key in results if key not in claimed}
    states = states_of(connection, sorted({key for _, key in wanted}))
    last = [of_key[-1] for of_key in states.values() if of_key]
    back = RestoreOutcome.RESTORED
    left = [state for state in last if is_still_there(state) and state.restored is not back]
    return [state for state in left if (state.operation_id, state.intent.key) in wanted]


def intents_in_folder(
    connection: sqlite3.Connection, operation_id: str, after: int, limit: int
) -> list[tuple[int, str]]:
    """The next intents, of any operation, whose backup lies in this operation's folder: sequence
    number, key.
    """
    query = (
        f"SELECT seq, key FROM audit WHERE kind = 'intent' AND {FOLDER} = ? AND seq > ? "
        "ORDER BY seq LIMIT ?"
    )
    return connection.execute(query, (operation_id, after, limit)).fetchall()


def last_intent(connection: sqlite3.Connection, operation_id: str, key: str) -> Intent | None:
    """The last intent that an operation recorded for a key."""
    query = (
        f"SELECT {_COLUMNS} FROM audit WHERE key = ? AND kind = 'intent' "
        "AND +operation_id = ? ORDER BY seq DESC LIMIT 1"
    )
    for entry in _entries(connection.execute(query, (key, operation_id))):
        if isinstance(entry.record, Intent):
            return entry.record
    return None


def prefix_end(prefix: str) -> str | None:
    """The first string after all that start with `prefix`, by UTF-8 bytes; None where none is."""
    for cut in range(len(prefix), 0, -1):
        last = ord(prefix[cut - 1])
        if last < 0x10FFFF:
            # Surrogates are no text; UTF-8 bytes and code points sort alike otherwise.
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[: cut - 1] + chr(following)
    return None


def _entries(rows: Iterable[tuple[object, ...]]) -> list[Entry]:
    return [entry_of(Row(*row)) for row in rows]  # type: ignore[arg-type]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
