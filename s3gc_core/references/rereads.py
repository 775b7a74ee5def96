"""The tables of `registry.db` that hold the rows of which a stream told too little: they are read
again in the database. Functions run in a thread, within a transaction.
"""

from __future__ import annotations

import sqlite3

from s3gc_core.databases.protocol import RowId

# reread: rows to be read, since the beat `queued`, and last by the portion `serial`; where they
# were read (which was before the beat `after`), what they held until then is not known until that
# beat has come. leaving: edges that their rows lost before the beat `after`.
SCHEMA = """
CREATE TABLE reread (
    src INT, row, queued INT, serial INT, after INT, PRIMARY KEY (src, row)
) WITHOUT ROWID;
CREATE TABLE leaving (src INT, row, h INT, after INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
"""
_OF_DATABASE = (
    "FROM reread JOIN source ON source.id = reread.src"
    " JOIN followed ON followed.source = source.name WHERE followed.database = ?"
)


def unread(connection: sqlite3.Connection, database: str) -> int:
    """How many rows have to be read."""
    query = f"SELECT count(*) {_OF_DATABASE} AND after IS NULL"
    return int(connection.execute(query, (database,)).fetchone()[0])


def unknown_before(connection: sqlite3.Connection, database: str, counter: int) -> int:
    """How many rows hold what is not known as of that beat.

    A row that was queued since a later one changed after it: what it was then is still there.
    """
    query = f"SELECT count(*) {_OF_DATABASE} AND queued < ?"
    return int(connection.execute(query, (database, counter)).fetchone()[0])


def wanted(
    connection: sqlite3.Connection, database: str, serial: int, most: int
) -> dict[str, list[RowId]]:
    """At most so many rows that have to be read, by source: told of up to that portion."""
    found: dict[str, list[RowId]] = {}
    query = (
        f"SELECT source.name, row {_OF_DATABASE} AND serial <= ? AND after IS NULL"
        " ORDER BY queued LIMIT ?"
    )
    for source, row in connection.execute(query, (database, serial, most)):
        found.setdefault(source, []).append(row)
    return found


def forget(connection: sqlite3.Connection, source: str) -> None:
    """No stream keeps the source true any more, or it was read as a whole."""
    for table in ("reread", "leaving"):
        connection.execute(
            f"DELETE FROM {table} WHERE src = (SELECT id FROM source WHERE name = ?)", (source,)
        )
