"""What a table must be to be followed by the binary log."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.databases import naming
from s3gc_core.databases.binlog_values import KEY_CHARSETS, KEY_TYPES
from s3gc_core.databases.following import Obstacle, Watched
from s3gc_core.databases.mysql_catalogue import check, quote
from s3gc_core.databases.mysql_connection import Connection
from s3gc_core.databases.mysql_definition import TableDefinition, definition
from s3gc_core.databases.protocol import TableRead
from s3gc_core.errors import RightMissing, SourceMissing, SourceUnreadable

_READ_AS_A_WHOLE = "leave it out of what is followed: it is then read as a whole"


async def table_obstacles(
    connection: Connection, name: str, watched: Sequence[Watched]
) -> list[Obstacle]:
    """What is in the way of each table; `name` is what errors call the database.

    Raises the driver's errors.
    """
    found: list[Obstacle] = []
    for table in watched:
        read = TableRead(table.table, table.columns)
        defined = await definition(connection, table.table)
        if defined is not None:
            unfit = _unfit(defined, table)
            found += unfit
            if unfit:
                continue
        try:
            await check(connection, name, read)
        except (SourceMissing, RightMissing, SourceUnreadable) as error:
            found.append(Obstacle(table.table, error.what, error.next_step))
            continue
        if defined is None:
            what = "the catalogue has no table of exactly this name"
            found.append(Obstacle(table.table, what, "write it as the database does"))
    return found


def _unfit(table: TableDefinition, watched: Watched) -> list[Obstacle]:
    sql_name = f"{quote(table.schema)}.{quote(table.table)}"
    if table.type != "BASE TABLE":
        return [Obstacle(watched.table, f"it is of type {table.type}", _READ_AS_A_WHOLE)]
    found = []
    if table.engine.lower() != "innodb":
        # Others have no order of commits, and no place in the list of open transactions.
        what = f"its storage engine is {table.engine}, not InnoDB"
        found.append((what, f"ALTER TABLE {sql_name} ENGINE = InnoDB;"))
    if not table.key:
        what = "it has no primary key, so that the log cannot name its rows"
        found.append((what, f"ALTER TABLE {sql_name} ADD PRIMARY KEY (...);"))
    wanted = {*watched.columns}
    for column in table.columns:
        if column.name in table.key and not (
            column.type in KEY_TYPES and (not column.charset or column.charset in KEY_CHARSETS)
        ):
            kind = f"{column.full_type} {column.charset}".strip()
            what = f"column {column.name!r} of its primary key has type {kind},"
            found.append((f"{what} whose text the log does not tell", _READ_AS_A_WHOLE))
        if column.name in wanted and column.is_generated:
            what = f"column {column.name!r} is generated"
            found.append((what, "track the columns that it is made of"))
    changing = sorted((wanted | {*table.key}) & {*table.cascading})
    rules = [f"column {name!r}" for name in changing] or ["the rows"] * bool(table.row_deleting)
    if rules:
        what = f"a foreign key changes {', '.join(rules)} by a rule, which the log does not tell"
        found.append((what, "drop ON DELETE / ON UPDATE of that key, or " + _READ_AS_A_WHOLE))
    return [Obstacle(watched.table, what, mend) for what, mend in found]


def schemas(watched: Sequence[Watched]) -> set[str]:
    """The schemas that the log must have, ours too."""
    return {"s3gc", *(naming.split_name(table.table)[0] for table in watched)}
