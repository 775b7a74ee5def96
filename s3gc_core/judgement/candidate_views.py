"""What of a scan's candidates is looked at, and what is seen: values only."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import overload

from s3gc_core.judgement.layers import ObjectVerdict


@dataclass(frozen=True, slots=True)
class CandidateFilter:
    """Which candidates; every term given must hold. Sizes in bytes, ages by last modification.

    `prefix` and `containing` are compared exactly, `verdicts` empty means any of them.
    """

    prefix: str = ""
    containing: tuple[str, ...] = ()
    verdicts: frozenset[ObjectVerdict] = frozenset()
    larger_than: int | None = None
    smaller_than: int | None = None
    older_than: timedelta | None = None
    younger_than: timedelta | None = None


class Column(StrEnum):
    """What candidates can be sorted by."""

    KEY = "key"
    SIZE = "size"
    AGE = "age"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Sort:
    """An order; equals are ordered by id, so one order is the other's exact reverse."""

    column: Column = Column.KEY
    descending: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A filter and an order; ages are counted at `now`, which does not move."""

    now: datetime
    filter: CandidateFilter = CandidateFilter()
    sort: Sort = Sort()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The candidates of one scan as of one moment: those with ids from `first_id` to `last_id`.

    `partial`: the scan had not finished, so that more were to come. `summary` is its JSON.
    """

    scan_id: str
    number: int
    began_at: datetime
    first_id: int
    last_id: int
    partial: bool
    summary: bytes | None


@dataclass(frozen=True, slots=True)
class Newer:
    """There is more to see: `rows` candidates that the snapshot has not, of `scan_id`."""

    scan_id: str
    rows: int
    partial: bool


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One line of the list. `modified` is in microseconds since 1970.

    `layer` names what does not let the object go: the first layer that keeps it, or else the
    first that is unknown, or else `doubt`; None for an orphan.
    """

    id: int
    key: str
    size: int
    modified: int
    verdict: ObjectVerdict
    layer: str | None


@dataclass(frozen=True, slots=True)
class FolderRow:
    """One folder with all that lies below it. `oldest` is in microseconds since 1970."""

    id: int
    prefix: str
    objects: int
    bytes: int
    orphans: int
    orphan_bytes: int
    oldest: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What a filter lets through."""

    objects: int
    bytes: int
    orphans: int
    orphan_bytes: int


class IdVector(Sequence[int]):
    """Ids of one snapshot in an order, four bytes each."""

    __slots__ = ("_base", "_offsets")

    def __init__(self, base: int = 0, ids: Iterable[int] = ()) -> None:
        # Ids grow with every scan for ever; within one scan they lie close together.
        self._base = base
        self._offsets = array("I", (id_ - base for id_ in ids))

    @property
    def base(self) -> int:
        """What every id is counted from."""
        return self._base

    def extend_offsets(self, offsets: Iterable[int]) -> None:
        """Add ids, each less `base`."""
        self._offsets.extend(offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        if isinstance(at, slice):
            return [self._base + offset for offset in self._offsets[at]]
        return self._base + self._offsets[at]

    def position(self, id_: int) -> int | None:
        """Where an id stands, None where it is not in here."""
        try:
            return self._offsets.index(id_ - self._base)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Children:
    """What lies directly within a folder, each in the order asked for."""

    folders: IdVector
    objects: IdVector
