"""Which shape `catalogue.db` has, and what becomes of one that another version of s3gc wrote.

The number stands in the file itself (`PRAGMA user_version`), put there together with the tables: a
file that has ours has all of our tables, and an older one, or one being made right now, does not.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from s3gc_core.errors import CatalogueTooNew, VaultBusy
from s3gc_core.jobs import lease_holder
from s3gc_core.judgement import (
    canary_tables,
    finding_tables,
    mention_tables,
    plan_tables,
    scan_tables,
    sighting_tables,
)
from s3gc_core.judgement.read_lane import Reading

# One more with every change of the tables, and of what is kept in them as JSON.
VERSION = 7
_TABLES = (
    scan_tables,
    plan_tables,
    finding_tables,
    mention_tables,
    canary_tables,
    sighting_tables,
)


def is_ours(reader: sqlite3.Connection | Reading) -> bool:
    """Whether the tables are those of this version; an older file's are not to be read.

    Raises `CatalogueTooNew`.
    """
    version = reader.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise CatalogueTooNew(f"catalogue.db has format {version}, this s3gc knows {VERSION}")
    return bool(version == VERSION)


def make_ours(connection: sqlite3.Connection, vault_path: Path) -> None:
    """Make the tables, in place of an older version's. All within one transaction.

    Older plans go as well, approved or not: what is stored for them may not mean the same here.
    Raises `VaultBusy` while an operation may still use the older tables.
    """
    if is_ours(connection):
        return  # another process was quicker
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    older = [name for (name,) in tables]
    # An execution that loses its plan's items half way would believe that it has done them all.
    if older and (holder := lease_holder(vault_path)):
        raise VaultBusy(
            f"{holder.what} {holder.operation_id} may still use the catalogue of an older s3gc",
            why="the catalogue is made anew for this version, which would take it away",
            next_step=f"wait for process {holder.pid} to end; it goes on undisturbed",
        )
    for name in older:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in "".join(tables.SCHEMA for tables in _TABLES).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
