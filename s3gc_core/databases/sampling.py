"""Samples of a table, with bounded load: how many rows to look at, where, for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from s3gc_core.databases import naming
from s3gc_core.databases.protocol import Row, RowId

# A statement that takes longer ends, and the sample is what was found until then.
STATEMENT_SECONDS = 5.0
# Characters (bytes of binary values) that a sample keeps of a value.
LONGEST_VALUE = 64 << 10
# Rows of the first page: even if each value is of the greatest length, they are bearable.
FIRST_ROWS = 16
# Where keys are integers: this many places along their range, this many rows looked at from each.
_PLACES = 40
PLACE_ROWS = 500
# Coprime to `_PLACES`: whenever the sample is full, the places taken lie spread over the range.
_STRIDE = 17


class Sample:
    """Rows found so far, each once; full at `limit` rows, or at `naming.PAGE_BYTES`."""

    def __init__(self, limit: int) -> None:
        self._rows: dict[RowId, Row] = {}
        self._bytes = 0
        self._limit = limit
        self.at_a_place = -(-limit // _PLACES)

    @property
    def missing(self) -> int:
        """How many more rows are wanted."""
        return 0 if self._bytes >= naming.PAGE_BYTES else self._limit - len(self._rows)

    @property
    def rows(self) -> list[Row]:
        """What was found."""
        return list(self._rows.values())

    def add(self, page: Sequence[Row]) -> None:
        """Take rows in, as many as are missing."""
        for row in page:
            if self.missing > 0 and row.id not in self._rows:
                self._rows[row.id] = row
                self._bytes += sum(len(value) for value in row.values if value)


def places(least: int, greatest: int) -> Iterator[int]:
    """Keys to begin at, each once, in an order that soon has some from everywhere."""
    span = greatest - least + 1
    count = min(_PLACES, span)
    for place in range(_PLACES):
        number = place * _STRIDE % _PLACES
        if number < count:
            yield least + span * number // count
