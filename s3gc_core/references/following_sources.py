"""Which sources of a database a change stream can keep true, and why not the others. They are read
as a whole with each scan, as without a stream.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3gc_core.config import SourceConfig
from s3gc_core.databases import Database, Following, Obstacle, Watched
from s3gc_core.references.chunks import definition
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.reading import table_read
from s3gc_core.references.row_edges import Placed

# What a condition may be made of for its row alone to decide it: names, literals, comparisons. No
# function (`now()` makes rows meet it without any change, and so does PostgreSQL's 'now'), no other
# table, no backslash (whose meaning depends on the server).
_OF_ROW = re.compile(
    r"""\s*+(?:
        '(?!\s*+(?:now|today|tomorrow|yesterday))(?:[^'\\]|'')*+'
        | "(?:[^"]|"")*+" | `[^`]*+` | \d++(?:\.\d++)? | [<>=!]{1,2} | [().,]
        | (?P<name>[A-Za-z_]\w*+)(?!\s*+['(])
        | (?:NOT|AND|OR|IN|LIKE|BETWEEN)\s*+(?=[('])
    )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_NOT_OF_ROW = re.compile(
    r"select|exists|any|all|some|case|cast|current\w*|session_user|user|system_user|localtime\w*"
    r"|utc_\w+|sysdate|rand|interval|rownum|ctid|xmin|xmax|cmin|cmax|tableoid|collate|binary",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Followable:
    """What can be followed: tables, their sources with the places of their columns; and what stands
    against the others, by source, with what mends it where something does. `obstacles` of the whole
    database leave nothing to follow.
    """

    watched: tuple[Watched, ...]
    sources: Mapping[str, Sequence[Placed]]
    unfollowed: Mapping[str, str]
    mends: Mapping[str, str]
    obstacles: tuple[Obstacle, ...] = ()

    def names(self) -> set[str]:
        """The sources that can be followed."""
        return {source.name for of_table in self.sources.values() for source, _ in of_table}


async def followable(
    database: Database, following: Following, sources: Sequence[SourceConfig]
) -> Followable:
    """Look at the database's sources and at the server. Raises what describing a source raises."""
    tables: defaultdict[str, list[SourceConfig]] = defaultdict(list)
    unfollowed, mends = {}, {}
    async with database.snapshot() as snapshot:
        for source in sources:
            if source.database != database.name:
                continue
            shape = await snapshot.describe(table_read(source))
            if is_decided_by_row(source.where):
                tables[shape.canonical].append(source)
            else:
                unfollowed[source.name] = "its condition may change without its rows"
    watched = {table: _watched(table, of_table) for table, of_table in tables.items()}
    obstacles = await following.obstacles(list(watched.values()))
    for obstacle in obstacles:
        for source in tables.pop(obstacle.table, ()) if obstacle.table is not None else ():
            unfollowed[source.name], mends[source.name] = obstacle.what, obstacle.mend
    whole = tuple(obstacle for obstacle in obstacles if obstacle.table is None)
    if whole:
        for of_table in tables.values():
            unfollowed |= {source.name: whole[0].what for source in of_table}
        tables.clear()
    placed = {
        table: [(s, tuple(map(watched[table].columns.index, s.columns))) for s in of_table]
        for table, of_table in tables.items()
    }
    return Followable(tuple(watched[table] for table in tables), placed, unfollowed, mends, whole)


def _watched(table: str, sources: Sequence[SourceConfig]) -> Watched:
    columns = dict.fromkeys(column for source in sources for column in source.columns)
    return Watched(table, tuple(columns))


def is_decided_by_row(where: str | None) -> bool:
    """Whether a row of the table meets the condition, or not, for as long as it does not change."""
    at = 0
    text = (where or "").rstrip()
    while at < len(text):
        found = _OF_ROW.match(text, at)
        if found is None or _NOT_OF_ROW.fullmatch(found["name"] or ""):
            return False
        at = found.end()
    return True


def definition_digest(source: SourceConfig, names: BucketNames) -> bytes:
    """Changes with whatever makes the same rows have other edges: settings, and our own code."""
    return hashlib.blake2b(definition(source, names), digest_size=16).digest()
