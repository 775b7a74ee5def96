"""The coverage ledger: every text-like column is tracked, cleared by a person, or unknown. Pure.

A column that a migration adds is unknown by itself, and so is one whose type changed after it was
cleared. Closes incident group b of the field notes: a kind of reference nobody told us about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from s3gc_core.references.discovery import ColumnId, Finding


class Standing(StrEnum):
    """How a column stands in the ledger."""

    TRACKED = "tracked"
    CLEARED = "cleared"
    UNKNOWN = "unknown"


class Clearance(msgspec.Struct, frozen=True):
    """A named person says that a column of this type holds no keys. `at` is UTC."""

    type: str
    actor: str
    at: datetime
    reason: str


class Covered(msgspec.Struct, frozen=True):
    """One column in the ledger, with what was last seen in it."""

    id: ColumnId
    table: str
    type: str
    standing: Standing
    clearance: Clearance | None = None
    finding: Finding | None = None

    @property
    def is_open(self) -> bool:
        """An unknown column that holds keys of this bucket: it trips the guard `coverage`."""
        unknown = self.standing is Standing.UNKNOWN
        return unknown and self.finding is not None and self.finding.holds_keys


def standing(
    column: ColumnId, type_name: str, tracked: Collection[ColumnId], clearance: Clearance | None
) -> Standing:
    """How one column stands. Tracked wins: what is read needs nobody's word."""
    if column in tracked:
        return Standing.TRACKED
    if clearance is not None and clearance.type == type_name:
        return Standing.CLEARED
    return Standing.UNKNOWN


def ledger(
    columns: Iterable[tuple[ColumnId, str, str]],
    tracked: Collection[ColumnId],
    cleared: Mapping[ColumnId, Clearance],
    findings: Mapping[ColumnId, Finding],
) -> list[Covered]:
    """Every column given as (id, table to configure, type), with its standing, by name.

    And those besides from which keys were found to be made, such as a number that is the row's id.
    """
    given = sorted(columns)
    tables = {(id_.database, id_.table) for id_, _, _ in given}
    names = {id_ for id_, _, _ in given}
    given += [
        (id_, finding.table, finding.type)
        for id_, finding in findings.items()
        if finding.templates and id_ not in names and (id_.database, id_.table) in tables
    ]
    return [
        Covered(
            id_,
            table,
            type_name,
            standing(id_, type_name, tracked, cleared.get(id_)),
            cleared.get(id_),
            findings.get(id_),
        )
        for id_, table, type_name in sorted(given)
    ]


def columns_named(columns: Iterable[Covered], name: str) -> list[Covered]:
    """The columns that `name` means: `[database:]table`, or `[database:]table.column`."""
    return [column for column in columns if name in _names(column)]


def _names(column: Covered) -> set[str]:
    tables = {column.table, column.id.table}
    places = {form for table in tables for form in (table, f"{table}.{column.id.column}")}
    return {form for place in places for form in (place, f"{column.id.database}:{place}")}
