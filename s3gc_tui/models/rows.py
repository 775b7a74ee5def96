"""The rows of the list as ids: flat, or as a tree of what is open; and the few that are at hand.

A row's id is a candidate's, or a folder's with a minus sign.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

from s3gc_core.judgement import CandidateRow, Children, FolderRow

BLOCK = 128


@dataclass(frozen=True, slots=True)
class Gone:
    """A row whose object was listed again since, so that it is no longer this one."""

    id: int


Row = CandidateRow | FolderRow | Gone


class RowCache:
    """The rows last seen, by id; never more than `capacity`, whatever the list's length."""

    def __init__(self, capacity: int = 32 * BLOCK) -> None:
        self._capacity = capacity
        self._rows: OrderedDict[int, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._rows

    def get(self, id_: int) -> Row | None:
        """A row, if it is at hand."""
        row = self._rows.get(id_)
        if row is not None:
            self._rows.move_to_end(id_)
        return row

    def put(self, ids: Sequence[int], rows: Iterable[Row | None]) -> None:
        """Keep rows, forgetting those not seen for longest."""
        for id_, row in zip(ids, rows, strict=True):
            self._rows[id_] = row if row is not None else Gone(id_)
            self._rows.move_to_end(id_)
        while len(self._rows) > self._capacity:
            self._rows.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()


def missing(
    rows: Sequence[int], first: int, last: int, at_hand: RowCache, *, around: int = 1
) -> list[int]:
    """Ids to fetch next so that `first` to `last` can be drawn: one block's worth at most.

    Blocks that are seen come first, then those around them, so that scrolling finds them ready.
    """
    low, high = first // BLOCK, last // BLOCK
    order = [*range(low, high + 1), *range(high + 1, high + 1 + around)]
    order += range(low - 1, low - 1 - around, -1)
    for block in order:
        if block >= 0:
            ids = rows[block * BLOCK : (block + 1) * BLOCK]
            if absent := [id_ for id_ in ids if id_ not in at_hand]:
                return absent
    return []


class TreeRows(Sequence[int]):
    """The open part of the tree, nine bytes a row."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._depths = bytearray()
        self._open: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        return list(self._ids[at]) if isinstance(at, slice) else self._ids[at]

    def depth(self, at: int) -> int:
        """How deep a row lies; 0 for the bucket's own folders and objects."""
        return self._depths[at]

    def is_open(self, at: int) -> bool:
        """Whether a folder's contents are rows."""
        return self._ids[at] in self._open

    def position(self, id_: int) -> int | None:
        """Where a row stands."""
        try:
            return self._ids.index(id_)
        except ValueError:
            return None

    def open_at(self, at: int | None, inside: array[int]) -> None:
        """Put a folder's contents (see `contents`) below it; None is the bucket."""
        depth = 0
        if at is not None:
            if self.is_open(at):
                return
            self._open.add(self._ids[at])
            depth = self._depths[at] + 1
        below = 0 if at is None else at + 1
        self._ids[below:below] = inside
        self._depths[below:below] = bytes((depth,)) * len(inside)

    def close_at(self, at: int) -> None:
        """Take a folder's contents away, with whatever is open in there."""
        found = self._outside(at).find(0, at + 1)
        end = found if found >= 0 else len(self)
        self._open.difference_update(self._ids[at:end])
        del self._ids[at + 1 : end]
        del self._depths[at + 1 : end]

    def parent(self, at: int) -> int | None:
        """Where the folder around a row stands; None: it lies in the bucket itself."""
        if self._depths[at] == 0:
            return None
        return self._outside(at, self._depths[at] - 1).rfind(0, 0, at)

    def _outside(self, at: int, depth: int | None = None) -> bytearray:
        """A zero for each row that lies no deeper: a million rows are looked through at once."""
        level = self._depths[at] if depth is None else depth
        return self._depths.translate(bytes(one > level for one in range(256)))


def contents(children: Children) -> array[int]:
    """What lies in a folder, as rows: folders first."""
    return array("q", chain((-id_ for id_ in children.folders), children.objects))
