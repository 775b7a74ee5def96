"""Short ways for these tests to follow a database: read a stream, and keep what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from s3gc_core.databases import (
    UNCHANGED,
    UNTOLD,
    Beat,
    Change,
    ChangeStream,
    Commit,
    Following,
    RowChange,
    RowId,
    TableEmptied,
    Untold,
    Value,
)

SECONDS = 30.0
Rows = dict[RowId, tuple[Value | Untold, ...]]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def drained(stream: ChangeStream) -> None:
    """Read until an error ends it."""
    async with asyncio.timeout(SECONDS):
        while True:
            await stream.read(1.0)


async def heard(following: Following, stream: ChangeStream) -> list[Change]:
    """Everything that the stream tells up to a beat made now, that beat and its commit included."""
    beat = await following.beat()
    found: list[Change] = []
    async with asyncio.timeout(SECONDS):
        while not any(isinstance(c, Beat) and c.token == beat.token for c in found) or not (
            isinstance(found[-1], Commit)
        ):
            found += await stream.read(1.0)
    return found


def rows_of(changes: Sequence[Change]) -> list[Change]:
    """Without beats and commits."""
    return [change for change in changes if not isinstance(change, (Beat, Commit))]


def last_beat(changes: Sequence[Change]) -> Beat:
    """The last beat among them."""
    return [change for change in changes if isinstance(change, Beat)][-1]


def applied(changes: Sequence[Change], tables: dict[str, Rows]) -> None:
    """Bring `tables` up to date. What did not change stays what it was."""
    for change in changes:
        match change:
            case RowChange(table, before, after, values):
                rows = tables.setdefault(table, {})
                width = len(values)
                was = rows.pop(before, None) if before is not None else None
                if after is not None:
                    was = was or (UNTOLD,) * width
                    rows[after] = tuple(
                        old if new is UNCHANGED else new
                        for old, new in zip(was, values, strict=True)
                    )
            case TableEmptied(table):
                tables[table] = {}
            case Beat() | Commit():
                pass
            case _:
                raise AssertionError(change)
