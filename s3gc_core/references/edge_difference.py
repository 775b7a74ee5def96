"""Replacing the edges of some rows by those that they have now: what a reading and what a change
stream write goes through here.

`fresh` holds the edges that rows have now, `touched` the rows, `gone` what was taken away and may
have been the last edge of its key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from s3gc_core.references.edge_blocks import FRESH, TOUCHED, write_blocks

SCRATCH = """
CREATE TEMP TABLE fresh (row, h INT, PRIMARY KEY (row, h)) WITHOUT ROWID;
CREATE TEMP TABLE touched (row PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE gone (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
"""
_NOT_FRESH = "NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.row = edge.row AND fresh.h = edge.h)"


def make_scratch(connection: sqlite3.Connection) -> None:
    """Make the temporary tables of a connection."""
    for statement in SCRATCH.split(";"):
        connection.execute(statement)


def note_fresh(connection: sqlite3.Connection, edges: Sequence[list[Any]], *, rest: bool) -> None:
    """Edges (columns of rows and hashes) that their rows have now; taken out of the lists."""
    write_blocks(connection, FRESH, (), edges, rest=rest)


def touch(connection: sqlite3.Connection, rows: Sequence[Any]) -> None:
    """Rows whose edges are replaced."""
    write_blocks(connection, TOUCHED, (), [list(rows)], rest=True)


def find_gone_of_touched(connection: sqlite3.Connection, source: int) -> None:
    """What the touched rows no longer refer to, or all of it where nothing of them is fresh."""
    connection.execute(
        "INSERT OR IGNORE INTO gone SELECT src, edge.row, h FROM touched CROSS JOIN edge"
        f" ON edge.src = ? AND edge.row = touched.row WHERE {_NOT_FRESH}",
        (source,),
    )


def find_gone_of_all(connection: sqlite3.Connection, source: int) -> None:
    """What no row of the source refers to any more."""
    connection.execute(
        f"INSERT OR IGNORE INTO gone SELECT src, row, h FROM edge WHERE src = ? AND {_NOT_FRESH}",
        (source,),
    )


def remove_gone(connection: sqlite3.Connection, source: int) -> int:
    """Take the gone edges of the source away; returns how many."""
    removed = connection.execute(
        # Not by the index of hashes: a placeholder's key may be held by a million rows.
        "DELETE FROM edge INDEXED BY sqlite_autoindex_edge_1 WHERE (src, row, h) IN"
        " (SELECT src, row, h FROM gone WHERE src = ?)",
        (source,),
    ).rowcount
    # What is referred to again is released no more.
    connection.execute("DELETE FROM released WHERE h IN (SELECT h FROM fresh)")
    return removed


def forget_rows(connection: sqlite3.Connection) -> None:
    """These rows are dealt with."""
    for table in ("fresh", "touched"):
        connection.execute(f"DELETE FROM {table}")


def release(connection: sqlite3.Connection, stamp: str) -> None:
    """Remember when the last edge of a key went away: now, with the row that held it."""
    connection.execute(
        # With max() the other columns are those of the row that has it (SQLite manual, SELECT).
        "INSERT OR REPLACE INTO released SELECT h, ?, name, max(gone.row)"
        " FROM gone JOIN source ON source.id = gone.src"
        " WHERE NOT EXISTS (SELECT 1 FROM edge WHERE edge.h = gone.h) GROUP BY h",
        (stamp,),
    )
    connection.execute("DELETE FROM gone")
