"""Which table the row events mean, and whether its rows can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3gc_core.databases import naming
from s3gc_core.databases.binlog_events import Undecodable
from s3gc_core.databases.binlog_rows import RowsLost, TableRows
from s3gc_core.databases.binlog_tables import table_id, table_map, table_name
from s3gc_core.databases.mysql_definition import TableDefinition

HEARTBEAT = "s3gc.heartbeat"
HEARTBEAT_COLUMNS = ("counter", "token", "previous")
_NO_TABLE = b"\xff\xff\xff\0\0\0"  # stands in a row event that has no rows
_MOST_MAPS = 2_000


@dataclass(frozen=True, slots=True)
class Unread:
    """A table that is followed, and whose rows cannot be told; or one that is not followed."""

    table: str | None
    why: str = ""


class TableMaps:
    """The tables of the current transaction by their numbers in it. `watched` are those to tell of
    with their columns, `definitions` what the catalogue says of them and of the heartbeat.
    """

    def __init__(
        self,
        watched: Mapping[str, Sequence[str]],
        definitions: Mapping[str, TableDefinition],
        charsets: dict[int, str],
    ) -> None:
        self._watched = watched
        self._definitions = {(t.schema, t.table): t for t in definitions.values()}
        self._missing = [table for table in watched if table not in definitions]
        self._charsets = charsets
        self._maps: dict[bytes, TableRows | Unread] = {}
        self._known: dict[bytes, TableRows | Unread] = {}

    def clear(self) -> None:
        """Numbers mean nothing beyond a transaction."""
        self._maps.clear()

    def find(self, body: bytes) -> TableRows | Unread:
        """The table of a row event. Raises `Undecodable`."""
        number = table_id(body)
        found = self._maps.get(number)
        if found is None:
            if number == _NO_TABLE:
                return Unread(None)
            raise Undecodable("rows of a table that was not named before")
        return found

    def add(self, body: bytes) -> None:
        """Take in a TABLE_MAP event. Raises `Undecodable`."""
        number, meaning = table_id(body), body[6:]
        found = self._known.get(meaning)
        if found is None:
            if len(self._known) >= _MOST_MAPS:
                self._known.clear()
            found = self._known[meaning] = self._table(body)
        if len(self._maps) >= _MOST_MAPS:
            raise Undecodable("a transaction has too many tables")
        self._maps[number] = found

    def _table(self, body: bytes) -> TableRows | Unread:
        definition = self._definitions.get(table_name(body))
        if definition is None:
            # One that was not there when the stream began cannot be told, but may be followed.
            name = naming.join_name(*table_name(body))
            return Unread(name if name in self._missing else None, "it was made anew")
        table = definition.canonical
        if table != HEARTBEAT and table not in self._watched:
            return Unread(None)
        wanted = HEARTBEAT_COLUMNS if table == HEARTBEAT else self._watched[table]
        try:
            mapped = table_map(body)
            if mapped is None:
                return Unread(table, "its columns are not named (binlog_row_metadata is not FULL)")
            return TableRows(definition, wanted, mapped, self._charsets)
        except (RowsLost, Undecodable) as error:
            return Unread(table, str(error))
