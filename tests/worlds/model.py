"""A world described in plain values: tables with their rows, and objects in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# What a column can hold: text, bytes, the elements of an array, NULL.
Value = str | bytes | tuple[str | None, ...] | None

RETENTION_DAYS = 7
PROTECTED_PREFIX = "keep/"
PROTECTED_PATTERN = "*.keepme"
CDN_BASE = "https://cdn.example.org/static/"
BUCKET = "worlds"
# Stands in the values for the host of the store, which has another port each time.
ENDPOINT_HOST = "store.test:9000"


class Sight(StrEnum):
    """Who sees a key that was written into a value."""

    READ = "read"  # the codec declared for the column
    ASKED = "asked"  # only the search with every codec, because the column is declared wrongly
    IGNORED = "ignored"  # nobody: the key stands in the URL of another bucket


@dataclass(frozen=True, slots=True)
class Mention:
    """A key as the application meant it before it was spelled."""

    text: str
    sight: Sight = Sight.READ


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one row, the keys written into it, and how they were written."""

    value: Value
    mentions: tuple[Mention, ...] = ()
    way: str = "no key"


class Holds(StrEnum):
    """The type of a column, by what it holds."""

    TEXT = "text"
    VARCHAR = "varchar"
    JSON = "json"
    BINARY_JSON = "jsonb"
    BYTES = "bytes"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its type, and the codec it is declared with (for the counts)."""

    name: str
    holds: Holds
    codec: str


class Life(StrEnum):
    """Whether a row is there: (in the first scan, in all later ones)."""

    STAYS = "stays"
    LEAVES = "leaves"
    RETURNS = "returns"
    GONE = "gone"

    def there(self, scan: int) -> bool:
        """Whether the row is there in the scan of that number (the first is 1)."""
        if scan == 1:
            return self in (Life.STAYS, Life.LEAVES)
        return self in (Life.STAYS, Life.RETURNS)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number, a cell for each column, and the keys a template makes of them."""

    number: int
    cells: tuple[Cell, ...]
    life: Life = Life.STAYS
    computed: tuple[Mention, ...] = ()

    def mentions(self) -> Iterator[Mention]:
        """Every key in the row."""
        yield from self.computed
        for cell in self.cells:
            yield from cell.mentions


class Identity(StrEnum):
    """What identifies the rows of a table."""

    INTEGER = "integer key"
    TEXT = "text key"
    COMPOSITE = "composite key"
    NONE = "no key"


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `sources` is what the configuration says about it, as in [tables].

    With `soft` a row that is gone is still there, with a date in `deleted_at`.
    """

    name: str
    identity: Identity
    columns: tuple[Column, ...]
    sources: tuple[Mapping[str, object], ...]
    rows: tuple[Row, ...]
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the bucket. `kin` tells how its key was made from another one."""

    key: str
    young: bool = False
    kin: str = ""


class SupportsText(Protocol):
    """What Hypothesis prints with."""

    def text(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """A database and a bucket. `scans` of them: rows change after the first, days pass before
    the third.
    """

    engine: str
    tables: tuple[Table, ...]
    objects: tuple[Stored, ...]
    scans: int = 1
    url_patterns: tuple[str, ...] = ()

    def _repr_pretty_(self, printer: SupportsText, cycle: bool) -> None:
        # What Hypothesis shows of a world that failed; `described` is in the error itself.
        printer.text(repr(self))

    def __repr__(self) -> str:
        return f"<world: {self.engine}, {len(self.tables)} tables, {len(self.objects)} objects>"

    def mentions(self, scan: int) -> Iterator[Mention]:
        """Every key that is written in the rows that are there in a scan."""
        for table in self.tables:
            for row in table.rows:
                if row.life.there(scan):
                    yield from row.mentions()


def described(world: World) -> str:
    """A world in lines, each value as Python writes it: enough to make it again by hand."""
    lines = [f"{world.engine}, {world.scans} scans"]
    for table in world.tables:
        lines.append(f"table {table.name!r} ({table.identity}): {[*map(dict, table.sources)]}")
        for row in table.rows:
            lines.append(f"  row {row.number} {row.life} {[m.text for m in row.computed] or ''}")
            for column, cell in zip(table.columns, row.cells, strict=True):
                meant = [(m.text, m.sight.value) for m in cell.mentions]
                lines.append(
                    f"    {column.name} {column.holds}: {cell.value!r}  {cell.way} {meant}"
                )
    for stored in world.objects:
        lines.append(f"object {stored.key!r} {'young ' * stored.young}{stored.kin}")
    return "\n".join(lines)
