"""What the catalogue says of a table that is followed: its definition, and its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiomysql

from s3gc_core.databases import naming
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch

_COLUMNS = """
    SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, EXTRA, COLLATION_NAME,
        GENERATION_EXPRESSION
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""
_KEY = """
    SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX
"""
_TABLE = """
    SELECT TABLE_TYPE, ENGINE, ROW_FORMAT, CREATE_TIME, CREATE_OPTIONS
    FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
"""
# Rules by which deleting or changing another table's row changes one of this table.
_CASCADES = """
    SELECT r.CONSTRAINT_NAME, r.UPDATE_RULE, r.DELETE_RULE, k.COLUMN_NAME
    FROM information_schema.REFERENTIAL_CONSTRAINTS r
    JOIN information_schema.KEY_COLUMN_USAGE k
        ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME
        AND k.TABLE_NAME = r.TABLE_NAME
    WHERE r.CONSTRAINT_SCHEMA = %s AND r.TABLE_NAME = %s
    ORDER BY r.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
_HARMLESS_RULES = frozenset({"RESTRICT", "NO ACTION"})
# The number that a rewrite of the table changes; MariaDB's view, and MySQL's.
_INNODB_TABLES = ("INNODB_SYS_TABLES", "INNODB_TABLES")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")
_UNKNOWN_TABLE = 1109


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """One column. `charset` is empty where it has none."""

    name: str
    type: str
    full_type: str
    charset: str
    extra: str

    @property
    def unsigned(self) -> bool:
        """The number has no sign."""
        return "unsigned" in self.full_type or self.zerofill

    @property
    def zerofill(self) -> bool:
        """A read gets the number with zeros before it."""
        return "zerofill" in self.full_type

    @property
    def is_virtual(self) -> bool:
        """Computed when it is read, so that a change of it is no change of the row."""
        return "VIRTUAL" in self.extra.upper()

    @property
    def is_generated(self) -> bool:
        """Computed from other columns."""
        extra = self.extra.upper()
        return any(word in extra for word in ("VIRTUAL", "STORED", "PERSISTENT"))


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table. `cascading` are the columns that a foreign key's rule can change; `details` are
    what else its fingerprint is made of.
    """

    schema: str
    table: str
    columns: tuple[ColumnDefinition, ...]
    key: tuple[str, ...]
    type: str
    engine: str
    cascading: tuple[str, ...]
    row_deleting: tuple[str, ...]
    details: tuple[Any, ...]

    @property
    def canonical(self) -> str:
        """Its one name."""
        return naming.join_name(self.schema, self.table)

    @property
    def fingerprint(self) -> str:
        """Changes with whatever may change the rows behind the log's back."""
        return hashlib.sha256(repr((self.columns, self.key, self.details)).encode()).hexdigest()


async def definition(connection: Connection, canonical: str) -> TableDefinition | None:
    """Look a table up; None where there is none of exactly this name.

    Raises the driver's errors.
    """
    schema, table = naming.split_name(canonical)
    # The server may take another spelling for the same name; the log does not.
    query = f"{_TABLE} AND BINARY TABLE_SCHEMA = %s AND BINARY TABLE_NAME = %s"
    found = await fetch(connection, query, schema, table, schema, table)
    if not found:
        return None
    kind, engine, *_ = found[0]
    columns = await fetch(connection, _COLUMNS, schema, table)
    key = await fetch(connection, _KEY, schema, table)
    rules = await fetch(connection, _CASCADES, schema, table)
    changing = [rule for rule in rules if not {rule[1], rule[2]} <= _HARMLESS_RULES]
    return TableDefinition(
        schema,
        table,
        tuple(
            ColumnDefinition(name, str(plain).lower(), full, charset or "", extra or "")
            for name, plain, full, charset, extra, *_ in columns
        ),
        tuple(name for name, _ in key),
        str(kind),
        str(engine or ""),
        tuple(sorted({column for *_, column in changing})),
        tuple(sorted({name for name, _, delete, _ in changing if delete == "CASCADE"})),
        (found, columns, key, changing, await _table_numbers(connection, schema, table)),
    )


async def _table_numbers(connection: Connection, schema: str, table: str) -> list[tuple[Any, ...]]:
    """InnoDB's own numbers of the table and its partitions, where we may see them."""
    # Other names are written in an encoding of file names.
    if not (_PLAIN_NAME.fullmatch(schema) and _PLAIN_NAME.fullmatch(table)):
        return []
    for view in _INNODB_TABLES:
        try:
            return sorted(
                await fetch(
                    connection,
                    f"SELECT NAME, TABLE_ID FROM information_schema.{view}"
                    " WHERE NAME = %s OR NAME LIKE %s",
                    f"{schema}/{table}",
                    f"{schema}/{table}#P#%".replace("_", r"\_"),
                )
            )
        except aiomysql.Error as error:
            code = error_code(error)
            if code in NO_RIGHT:
                return []
            if code != _UNKNOWN_TABLE:
                raise
    return []


async def definitions(connection: Connection, tables: Sequence[str]) -> dict[str, TableDefinition]:
    """The definitions of those of the tables that are there. Raises the driver's errors."""
    found = [await definition(connection, table) for table in tables]
    return {table.canonical: table for table in found if table is not None}


async def charsets(connection: Connection) -> dict[int, str]:
    """The number of each collation, and its character set. Raises the driver's errors."""
    numbers = dict(
        await fetch(connection, "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS")
    )
    try:
        # MariaDB's newer collations have one name and a number for each character set.
        numbers |= dict(
            await fetch(
                connection,
                "SELECT ID, CHARACTER_SET_NAME"
                " FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY",
            )
        )
    except aiomysql.Error as error:
        if error_code(error) != _UNKNOWN_COLUMN:
            raise
    return {int(number): name for number, name in numbers.items() if number is not None and name}


_UNKNOWN_COLUMN = 1054
