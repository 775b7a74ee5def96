"""Candidates added up by folder: what a key's slashes make of a flat bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# Deeper folders are not opened: a key of a thousand slashes is no tree anyone walks.
MAXIMUM_DEPTH = 64
_NEVER = (1 << 63) - 1


@dataclass(slots=True)
class FolderTotals:
    """What lies under a prefix (ending in `/`, or empty: the bucket), folders below included.

    `bytes` and `orphan_bytes` are sizes; `oldest` the earliest modification in microseconds since
    1970. `parent` is the prefix around it, None for the bucket.
    """

    prefix: str
    parent: str | None
    objects: int = 0
    bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    oldest: int = field(default=_NEVER)

    def add(self, size: int, modified: int, orphan: int) -> None:
        """Count one object."""
        self.objects += 1
        self.bytes += size
        self.oldest = min(self.oldest, modified)
        if orphan:
            self.orphans += 1
            self.orphan_bytes += size

    def absorb(self, below: FolderTotals) -> None:
        """Count everything of a folder below."""
        self.objects += below.objects
        self.bytes += below.bytes
        self.orphans += below.orphans
        self.orphan_bytes += below.orphan_bytes
        self.oldest = min(self.oldest, below.oldest)


def roll_up(candidates: Iterable[tuple[str, int, int, int]]) -> Iterator[FolderTotals]:
    """Totals of every folder, from (key, size, modified, is an orphan) in the keys' byte order.

    Holds one open folder per level only; a folder comes after those within it, the bucket last.
    Yields nothing where there is no candidate.
    """
    open_folders = [FolderTotals("", None)]
    for key, size, modified, orphan in candidates:
        while not key.startswith(open_folders[-1].prefix):
            yield _closed(open_folders)
        _open_down_to(open_folders, key)
        open_folders[-1].add(size, modified, orphan)
    while len(open_folders) > 1:
        yield _closed(open_folders)
    if open_folders[0].objects:
        yield open_folders[0]


def _open_down_to(open_folders: list[FolderTotals], key: str) -> None:
    while len(open_folders) <= MAXIMUM_DEPTH:
        around = open_folders[-1].prefix
        slash = key.find("/", len(around))
        if slash < 0:
            return
        open_folders.append(FolderTotals(key[: slash + 1], around))


def _closed(open_folders: list[FolderTotals]) -> FolderTotals:
    folder = open_folders.pop()
    open_folders[-1].absorb(folder)
    return folder
