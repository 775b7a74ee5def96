"""Asking a database, with plain drivers, in which columns it spells keys; without s3gc's codecs."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from posixpath import basename
from urllib.parse import unquote

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.servers.app_database import AppDatabase

_SAMPLE = 160  # characters around a hit that are kept as a sample
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_COLUMNS = {
    Engine.POSTGRESQL: "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = 'public'",
    Engine.MYSQL: "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = DATABASE()",
    Engine.SQLITE: "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
    "WHERE t.type = 'table'",
}


@dataclass(slots=True)
class Spelled:
    """What one column spells of the keys asked for."""

    whole: set[str] = field(default_factory=set)  # with all of their folders
    base: set[str] = field(default_factory=set)  # by base name, with none or some of the folders
    samples: list[str] = field(default_factory=list)

    @property
    def keys(self) -> set[str]:
        """All keys spelled, one way or the other."""
        return self.whole | self.base


async def spelled_columns(url: str, keys: Iterable[str]) -> dict[str, Spelled]:
    """`table.column` -> the keys that its values spell, after undoing the usual escapes.

    A base name that several keys share counts for all of them, unless the value names the folder.
    """
    keys_of: defaultdict[str, set[str]] = defaultdict(set)
    for key in keys:
        keys_of[unicodedata.normalize("NFC", basename(key))].add(key)
    longest = sorted(keys_of, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.!%-])(?:{'|'.join(map(re.escape, longest))})(?![\w.-]*\w)")
    found: defaultdict[str, Spelled] = defaultdict(Spelled)
    async for column, value in _values(url):
        for reading in _readings(value):
            for hit in pattern.finditer(reading):
                _count(found[column], reading, hit, keys_of[hit[0]])
    return dict(found)


def _count(spelled: Spelled, reading: str, hit: re.Match[str], keys: set[str]) -> None:
    before = reading[: hit.end()]
    if whole := {key for key in keys if before.endswith(unicodedata.normalize("NFC", key))}:
        spelled.whole |= whole
    else:
        spelled.base |= keys
    if len(spelled.samples) < 3:
        start = max(0, hit.start() - _SAMPLE // 2)
        spelled.samples.append(reading[start : start + _SAMPLE])


def _readings(value: str) -> Iterator[str]:
    """The value as it is, and with the escapes of JSON, HTML and URLs undone."""
    normal = unicodedata.normalize("NFC", value)
    yield normal
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), normal)
    plain = html.unescape(plain.replace("\\/", "/"))
    for reading in (plain, unquote(plain), unquote(plain).replace(" ", "_")):
        if reading != normal:
            yield reading


async def _values(url: str) -> AsyncIterator[tuple[str, str]]:
    database = AppDatabase(url)
    try:
        for table, column in await database.execute(_COLUMNS[DatabaseUrl.parse(url).engine]):
            quoted = database.quoted(column), database.quoted(table)
            # The tables are made by us: a few hundred rows, which fit in memory.
            for (value,) in await database.execute("SELECT {} FROM {}".format(*quoted)):
                if isinstance(value, bytes):
                    yield f"{table}.{column}", value.decode(errors="replace")
                elif isinstance(value, str | list):
                    yield f"{table}.{column}", str(value)
    finally:
        await database.close()
