"""Names of tables, identities of rows, and the words of the room's errors. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import cast

import msgspec

from s3gc_core.databases.protocol import Page, RowId, TableRead
from s3gc_core.errors import DatabaseUnreachable, RightMissing, SourceMissing, SourceUnreadable

# Rows of a page; the first page is small, because the size of its rows is not known yet.
FIRST_PAGE_ROWS = 200
PAGE_ROWS = 4_000
# A probe by an index costs as much as reading so many rows in a row (measured: about 20).
ROWS_PER_PROBE = 20
# Bytes (of text, roughly) that a page should hold at most: what bounds the memory.
PAGE_BYTES = 8 << 20
# An application may count to 2**64, our registry's integers end at 2**63.
LARGEST_INTEGER = (1 << 63) - 1
_json = msgspec.json.Encoder()


def split_name(table: str) -> tuple[str, ...]:
    """The parts of a configured table name: `users`, `app.users`, `"my.schema"."T"`.

    A part that starts with `"` or a backtick ends at the same character; inside, it is doubled.
    Raises `SourceMissing` for a name that cannot be one.
    """
    parts: list[str] = []
    rest = table
    while True:
        mark = rest[:1]
        if mark in {'"', "`"}:
            part, rest = _quoted(table, rest[1:], mark)
        else:
            part, dot, tail = rest.partition(".")
            rest = dot + tail
        if not part or "\0" in part:
            raise _bad_name(table)
        parts.append(part)
        if not rest:
            return tuple(parts)
        if not rest.startswith("."):
            raise _bad_name(table)
        rest = rest[1:]


def _quoted(table: str, rest: str, mark: str) -> tuple[str, str]:
    """The text up to the closing `mark`, and what follows it."""
    part = ""
    while True:
        piece, found, rest = rest.partition(mark)
        if not found:
            raise _bad_name(table)
        part += piece
        if not rest.startswith(mark):
            return part, rest
        part += mark
        rest = rest[1:]


def join_name(*parts: str) -> str:
    """The name that `split_name` takes apart into `parts`: odd parts in double quotes."""
    return ".".join(
        part if part.isidentifier() else '"' + part.replace('"', '""') + '"' for part in parts
    )


def _bad_name(table: str) -> SourceMissing:
    return SourceMissing(
        f"{table!r} is no table name",
        next_step='write table, schema.table, or "odd.schema"."odd table" with its quotes',
    )


def label(database: str, read: TableRead) -> str:
    """How errors call what was read: `main:users.avatar_url`, several columns with commas."""
    return f"{database}:{read.table}.{','.join(read.columns)}"


def did_you_mean(wanted: str, existing: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?`, or nothing where no name is near. Letter case is ignored."""
    by_lower: dict[str, str] = {}
    for name in existing:
        by_lower.setdefault(name.casefold(), name)
    near = get_close_matches(wanted.casefold(), by_lower, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(by_lower[n]) for n in near)}?" if near else ""


def missing_table(database: str, read: TableRead, existing: Iterable[str]) -> SourceMissing:
    """The table of `read` does not exist, or is not visible to this user."""
    bare = split_name(read.table)[-1]
    names = sorted(existing)
    hint = did_you_mean(read.table, names) or did_you_mean(bare, names)
    return SourceMissing(f"{database}: there is no table {read.table!r}{hint}")


def missing_column(
    database: str, read: TableRead, column: str, existing: Iterable[str]
) -> SourceMissing:
    """A column of `read` does not exist."""
    hint = did_you_mean(column, existing)
    return SourceMissing(f"{database}: table {read.table!r} has no column {column!r}{hint}")


def right_missing(
    database: str, read: TableRead, right: str, *, column: str | None = None, detail: str = ""
) -> RightMissing:
    """This user lacks `right` (such as `SELECT`) on the table, or on one column of it."""
    target = f"column {column!r} of " if column is not None else ""
    reason = f" ({detail})" if detail else ""
    return RightMissing(
        f"{database}: the right {right} on {target}table {read.table!r} is missing{reason}"
    )


def unreadable(database: str, read: TableRead, detail: str) -> SourceUnreadable:
    """The database refused to read the source; its `where` is named where it has one."""
    where = f" (where {read.where!r})" if read.where is not None else ""
    return SourceUnreadable(f"{label(database, read)} cannot be read{where}: {detail}")


def unfaithful(database: str, read: TableRead, column: str, type_name: str) -> SourceUnreadable:
    """A column's type has no text in which a key could be recognised."""
    return SourceUnreadable(
        f"{database}: column {column!r} of table {read.table!r} has type {type_name},"
        " whose values have no faithful text",
        next_step="track a text, JSON or binary column instead, or a view that gives one",
    )


def unreachable(address: str, error: BaseException) -> DatabaseUnreachable:
    """The database does not answer, refuses us, or left in the middle of a read."""
    detail = str(error) or type(error).__name__
    return DatabaseUnreachable(
        f"{address}: {detail}",
        next_step="check that the server runs there, and host, port, user and password in the URL",
    )


def row_id(parts: Sequence[RowId]) -> RowId:
    """The identity of a row from the values of its primary key.

    One value stays as it is (an integer too large for our registry becomes text); several become
    the text of a JSON array.
    """
    if len(parts) > 1:
        return _json.encode(parts).decode()
    first = parts[0]
    if isinstance(first, int) and not -LARGEST_INTEGER <= first <= LARGEST_INTEGER:
        return str(first)
    return first


def row_hash(values: Iterable[object]) -> str:
    """The identity of a row that has no key: `row:` and the SHA-256 over all its values.

    Each value goes in with its type and its length, so that no two rows run together.
    """
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, str):
            data = value.encode("utf-8", "surrogateescape")
        else:
            data = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{type(value).__name__}:{len(data)}:".encode())
        digest.update(data)
    return f"row:{digest.hexdigest()}"


def row_parts(row: RowId, count: int) -> list[RowId] | None:
    """What `row_id` made `row` of, for a key of `count` columns; None where it cannot be told."""
    if count == 1:
        return [row]
    try:
        return msgspec.json.decode(row, type=list[RowId]) if isinstance(row, str) else None
    except msgspec.DecodeError:
        return None


def shown(columns: Iterable[str], table: str, condition: str | None, where: str | None) -> str:
    """A query to paste, of names in SQL: the row with that `condition`, or the whole source."""
    query = f"SELECT {', '.join(columns)} FROM {table}"
    if condition is not None:
        return f"{query} WHERE {condition};"
    every = "" if where is None else f" WHERE ({where}\n)"
    return f"-- SQL cannot name this row (no key): all rows of the source.\n{query}{every};"


def row_ids(parts: Sequence[Sequence[RowId]]) -> Sequence[RowId]:
    """The identities of a page's rows from the columns of their primary key, as `row_id`."""
    if len(parts) > 1:
        return list(map(row_id, zip(*parts, strict=True)))
    (column,) = parts
    kinds = set(map(type, column))
    if kinds == {int}:
        numbers = cast(Sequence[int], column)
        if min(numbers) >= -LARGEST_INTEGER and max(numbers) <= LARGEST_INTEGER:
            return column
    return column if kinds == {str} else [row_id((part,)) for part in column]


def is_much_of(values: int, rows: int | None) -> bool:
    """Whether asking for so many values takes longer than reading a table of about `rows` rows.

    So too where nobody knows how many rows there are.
    """
    return rows is None or values * ROWS_PER_PROBE > rows


def is_utf8(text: str) -> bool:
    """Whether it can be sent to a server at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class PageSize:
    """How many rows to ask for next, learned from the pages before, to stay near `PAGE_BYTES`."""

    def __init__(self, rows: int = FIRST_PAGE_ROWS) -> None:
        self.rows = rows

    def learn(self, page: Page) -> int:
        """Take the size of `page` into account. It grows fourfold at most, shrinks at once."""
        size = page.size
        fitting = PAGE_BYTES * len(page) // max(size, 1)
        self.rows = max(1, min(PAGE_ROWS, fitting, self.rows * 4))
        return size
