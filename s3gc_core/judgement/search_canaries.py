"""Canaries of the search: keys of which it is known whether it must find them.

Those it must find stand, letter by letter, in rows of tracked columns; one nobody ever had. A
search that does not tell them apart proves nothing about the other keys (guard `canary`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Database, Row, Value
from s3gc_core.errors import RightMissing, SourceMissing, SourceUnreadable
from s3gc_core.ids import new_id
from s3gc_core.judgement.canaries import DEAD
from s3gc_core.references import (
    BucketNames,
    ColumnId,
    Mention,
    key_hashes,
    keys_of_row,
    table_read,
    tracked_columns,
)
from s3gc_core.references.foreign_urls import is_elsewhere
from s3gc_core.references.written_forms import SLASHES

# Of one source: some of its rows may go away before the search comes to them.
_OF_A_SOURCE = 5
# Rows looked at for them.
_SAMPLE = 20


@dataclass(slots=True)
class SearchCanaries:
    """Keys by the source whose rows hold them (`DEAD`: by none), and what a search found of them.

    Each pass of a search is told to `begin_pass` and `end_pass`, and what it finds goes through
    `see`.
    """

    by_source: Mapping[str, Sequence[str]]
    # The column, or columns, in which the keys of a source stand.
    columns: Mapping[str, Collection[ColumnId]]
    # Hashes of those that are no candidates besides.
    _own: frozenset[int] = frozenset()
    _seen: dict[int, str] = field(default_factory=dict)
    _missed: dict[str, str] = field(default_factory=dict)

    def begin_pass(self, candidates: Sequence[str]) -> list[str]:
        """What to look for: the candidates, and all of these, whatever was found before."""
        self._seen.clear()
        known = set(candidates)
        own = {key: None for keys in self.by_source.values() for key in keys if key not in known}
        self._own = frozenset(key_hashes(list(own)))
        return [*candidates, *own]

    def see(self, mentions: Sequence[Mention]) -> list[Mention]:
        """Look at what a pass found; returns what it found of candidates.

        What it found of the others must not reach the judge: that would keep the canaries of
        judgement, whatever else is broken.
        """
        for mention in mentions:
            self._seen.setdefault(mention.hash, f"{mention.place} row {mention.row}")
        return [mention for mention in mentions if mention.hash not in self._own]

    def end_pass(self, unread: Collection[str]) -> None:
        """Count what was missed; of columns that could not be read (named so) nothing is."""
        for source, keys in self.by_source.items():
            found = [(key, self._seen[h]) for key, h in _hashed(keys) if h in self._seen]
            if source == DEAD:
                for key, place in found:
                    self._missed[source] = f"{key!r}, which is nowhere, was found in {place}"
            elif not found and not any(str(column) in unread for column in self.columns[source]):
                self._missed[source] = (
                    f"{keys[0]!r}, which stands in {source}, was not found by the search"
                )

    @property
    def missed(self) -> dict[str, str]:
        """By source (or `DEAD`): what is wrong with the search. Empty where nothing is."""
        return dict(self._missed)


async def search_canaries(
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    searched: Collection[ColumnId],
) -> SearchCanaries:
    """Take some from rows of each source whose column is among those `searched`.

    Keys that a column does not write as they are, such as those of a template, are no canaries.
    Raises `DatabaseUnreachable`.
    """
    by_source: dict[str, Sequence[str]] = {DEAD: [f"s3gc-canary-{new_id()}"]}
    columns = {}
    by_name = {database.name: database for database in databases}
    for source in sources:
        try:
            own = await tracked_columns(databases, [source])
            if not own.issubset(searched):
                continue
            async with by_name[source.database].snapshot() as snapshot:
                rows = await snapshot.sample(table_read(source), _SAMPLE)
        except (RightMissing, SourceMissing, SourceUnreadable):
            # The scan has read it before: it went away meanwhile, and the next scan says so.
            continue
        if keys := _literal_keys(source, rows, names):
            by_source[source.name] = keys
            columns[source.name] = own
    return SearchCanaries(by_source, columns)


def _literal_keys(source: SourceConfig, rows: Sequence[Row], names: BucketNames) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        keys = sorted(keys_of_row(source, row.values, names))
        found |= dict.fromkeys(key for key in keys if stands_in(key, row.values, names))
    return list(found)[:_OF_A_SOURCE]


def stands_in(key: str, values: Sequence[Value], names: BucketNames) -> bool:
    """Whether the key does, letter by letter, and in no URL that the search passes over."""
    wanted = key.encode("utf-8", "surrogatepass")
    for value in values:
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value or b""
        with_slashes = raw
        for escape in SLASHES:
            with_slashes = with_slashes.replace(escape, b"/")
        if wanted in raw and not any(
            is_elsewhere(text, start, start + len(wanted), names)
            for text in (raw, with_slashes)
            if (start := text.find(wanted)) >= 0
        ):
            return True
    return False


def _hashed(keys: Sequence[str]) -> Iterator[tuple[str, int]]:
    return zip(keys, key_hashes(keys), strict=True)
