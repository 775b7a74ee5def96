"""Statements in the binary log: what they may have done to the tables that are followed.

A statement tells no rows. Whatever is not surely something else may have changed every table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from s3gc_core.databases import naming
from s3gc_core.databases.binlog_events import Query
from s3gc_core.databases.changes import Change, TableAltered, TableEmptied


class Control(Enum):
    """Statements about the transaction itself."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    ROLLBACK_TO = "rollback to"
    SAVEPOINT = "savepoint"
    XA_START = "xa start"
    XA_END = "xa end"
    XA_COMMIT = "xa commit"
    XA_ROLLBACK = "xa rollback"


_CONTROL = (
    (re.compile(r"BEGIN(\s+WORK)?|START\s+TRANSACTION", re.I), Control.BEGIN),
    (re.compile(r"COMMIT(\s+WORK)?", re.I), Control.COMMIT),
    (re.compile(r"ROLLBACK(\s+WORK)?", re.I), Control.ROLLBACK),
    (re.compile(r"ROLLBACK\s+TO\s.*", re.I | re.S), Control.ROLLBACK_TO),
    (re.compile(r"SAVEPOINT\s.*", re.I | re.S), Control.SAVEPOINT),
    (re.compile(r"XA\s+START\s.*", re.I | re.S), Control.XA_START),
    (re.compile(r"XA\s+END\s.*", re.I | re.S), Control.XA_END),
    (re.compile(r"XA\s+COMMIT\s.*", re.I | re.S), Control.XA_COMMIT),
    (re.compile(r"XA\s+ROLLBACK\s.*", re.I | re.S), Control.XA_ROLLBACK),
)
# These change rights, accounts, statistics and caches, never a row of an application's table.
_HARMLESS = re.compile(
    r"(GRANT|REVOKE|FLUSH|ANALYZE|SET\s+PASSWORD|SET\s+DEFAULT\s+ROLE"
    r"|(CREATE|ALTER|DROP|RENAME)(\s+OR\s+REPLACE)?\s+(USER|ROLE)"
    r"|(CREATE|DROP)(\s+OR\s+REPLACE)?\s+TEMPORARY\s+TABLE)\b",
    re.I,
)
# These change only the tables whose names are in their text, or all of a schema in it.
_NAMING = re.compile(r"(CREATE|ALTER|DROP|RENAME|TRUNCATE|OPTIMIZE|REPAIR)\b", re.I)
_OF_SCHEMA = re.compile(r"(CREATE|DROP)\b.*\b(DATABASE|SCHEMA)\b", re.I | re.S)
# Written out with its rows unless it was logged as a statement, which may call functions.
_FILLED = re.compile(r"CREATE(\s+OR\s+REPLACE)?\s+TABLE\b.*\bSELECT\b", re.I | re.S)
_COMMENT = re.compile(r"/\*(?!M?!).*?\*/", re.S)
_NAME = r"(?:`((?:[^`]|``)+)`|([A-Za-z0-9_$]+))"
_TRUNCATE = re.compile(rf"TRUNCATE(?:\s+TABLE)?\s+(?:{_NAME}\s*\.\s*)?{_NAME}\s*;?", re.I)


def control(query: Query) -> Control | None:
    """Which of the statements about transactions this is, None for any other."""
    text = query.text.decode("utf-8", "replace").strip()
    return next((what for pattern, what in _CONTROL if pattern.fullmatch(text)), None)


def effects(query: Query, tables: Sequence[str]) -> list[Change]:
    """What the statement may have done to these tables (canonical names)."""
    try:
        # Comments at both ends are common: the server's own, and those of frameworks.
        text = _COMMENT.sub(" ", query.text.decode()).strip()
    except UnicodeDecodeError:
        return [TableAltered(None, "a statement that cannot be read")]
    words = " ".join(text.split()[:3]).upper()[:40]
    if _HARMLESS.match(text):
        return []
    if not _NAMING.match(text) or _FILLED.match(text):
        return [TableAltered(None, f"a statement without its rows: {words}")]
    whole = query.text.decode()  # with what only looked like a comment
    # With a comment in the middle, the names in it are not surely those of the statement.
    emptied = _truncated(text, query.schema) if text in whole else None
    found: list[Change] = []
    for table in tables:
        schema, name = naming.split_name(table)
        if not (_mentions(whole, schema) or query.schema.casefold() == schema.casefold()):
            continue
        if emptied is not None:
            if emptied == (schema, name):
                found.append(TableEmptied(table))
            elif _folded(emptied) == _folded((schema, name)):
                found.append(TableAltered(table, words))
        elif _mentions(whole, name) or _OF_SCHEMA.match(text):
            found.append(TableAltered(table, f"its definition may have changed: {words}"))
    return found


def _mentions(text: str, name: str) -> bool:
    """Whether the name is anywhere in the text, quoted or not; too often rather than too seldom."""
    for spelling in {name, name.replace("`", "``"), name.replace('"', '""')}:
        folded = re.escape(spelling.casefold())
        if re.search(rf"(?<![\w$]){folded}(?![\w$])", text.casefold()):
            return True
    return False


def _truncated(text: str, schema: str) -> tuple[str, str] | None:
    """The one table that the statement empties, None where it is not that for certain."""
    match = _TRUNCATE.fullmatch(text)
    if match is None:
        return None
    quoted_schema, plain_schema, quoted, plain = match.groups()
    name = plain or quoted.replace("``", "`")
    return (plain_schema or (quoted_schema or schema).replace("``", "`")), name


def _folded(names: tuple[str, str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)
