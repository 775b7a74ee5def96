"""Takes the tuples of pgoutput apart, by a plan made once for each relation. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from s3gc_core.databases.changes import UNCHANGED, UNTOLD, Untold
from s3gc_core.databases.naming import LARGEST_INTEGER, row_id
from s3gc_core.databases.protocol import RowId, Value
from s3gc_core.errors import StreamLost

# The values of a tuple: its bytes, NULL, or an unchanged TOAST value.
Raw = bytes | None | Untold
_NULL, _TEXT, _UNCHANGED = b"ntu"
_unsigned = struct.Struct(">I").unpack_from
_short = struct.Struct(">H").unpack_from

# Stands for an identity that the stream did not tell; no identity is equal to it.
UNKNOWN = cast(RowId, object())


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the stream announces it: whether it identifies rows, type, modifier."""

    name: str
    is_key: bool
    type: int
    modifier: int


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed table as the catalogue had it when the stream was opened.

    `key` and `values` give, for the primary key's and the wanted columns, the name and what makes
    of the stream's text what a read gives; None where the stream's text cannot stand for a read.
    `fills` says that an old tuple holds all values (REPLICA IDENTITY FULL).
    """

    table: str
    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]
    key: tuple[tuple[str, Callable[[bytes], RowId]], ...]
    values: tuple[tuple[str, Callable[[bytes], Value | Untold] | None], ...]
    fills: bool


class Plan:
    """How a relation's tuples are taken apart: which columns to keep, and what to make of them."""

    __slots__ = ("fills", "key", "one", "steps", "table", "values", "width")

    def __init__(self, followed: Followed) -> None:
        names = [column.name for column in followed.columns]
        needed = {name for name, _ in (*followed.key, *followed.values)}
        kept = [name for name in names if name in needed]
        last = max(names.index(name) for name in kept) + 1
        self.table = followed.table
        self.width = len(names)
        self.steps = tuple(name in needed for name in names[:last])
        self.key = tuple((kept.index(name), convert) for name, convert in followed.key)
        self.one = self.key[0] if len(self.key) == 1 else None
        self.values = tuple(
            (kept.index(name), convert or _untold) for name, convert in followed.values
        )
        self.fills = followed.fills


def taken(data: bytes, at: int, plan: Plan, whole: bool = False) -> tuple[list[Raw], int]:
    """The kept columns of the tuple that begins at `at`, and (with `whole`) where it ends."""
    if _short(data, at)[0] != plan.width:
        raise not_understood(f"a row of {plan.table} with another number of columns")
    at += 2
    raws: list[Raw] = []
    for is_kept in plan.steps:
        kind = data[at]
        if kind == _TEXT:
            begin = at + 5
            at = begin + _unsigned(data, at + 1)[0]
            if is_kept:
                raws.append(data[begin:at])
        elif kind in (_NULL, _UNCHANGED):
            if is_kept:
                raws.append(None if kind == _NULL else UNCHANGED)
            at += 1
        else:
            raise not_understood(f"a value of the kind {data[at : at + 1]!r}")
    if at > len(data):
        raise not_understood("a row that is cut off")
    if whole:
        for _ in range(plan.width - len(plan.steps)):
            at += 5 + _unsigned(data, at + 1)[0] if data[at] == _TEXT else 1
    return raws, at


def identity_of(plan: Plan, raws: list[Raw]) -> RowId:
    """The row's identity, as `naming.row_id` has it; `UNKNOWN` where a part of it is missing."""
    if plan.one is not None:
        place, convert = plan.one
        raw = raws[place]
        if raw.__class__ is not bytes:
            return UNKNOWN
        part = convert(raw)
        if part.__class__ is int and part < -LARGEST_INTEGER:
            return row_id((part,))
        return part
    parts = []
    for place, convert in plan.key:
        raw = raws[place]
        if raw.__class__ is not bytes:
            return UNKNOWN
        parts.append(convert(raw))
    return row_id(parts)


def values_of(plan: Plan, raws: list[Raw]) -> tuple[Value | Untold, ...]:
    """The wanted columns."""
    return tuple(
        [
            convert(raw) if (raw := raws[place]).__class__ is bytes else raw
            for place, convert in plan.values
        ]
    )


def _untold(_: bytes) -> Untold:
    return UNTOLD


def not_understood(what: str) -> StreamLost:
    """What the decoder raises rather than to guess."""
    return StreamLost("decoding", f"the change stream has {what}, which is not understood")
