"""What the orphans of a scan mean: what they cost, where they came from, how fast new ones come.

Pure: takes pages of orphans, keeps sums only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from s3gc_core.bucket import ListedObject

# How far back new orphans are counted for the rate at which they come.
LEAK_WINDOW = timedelta(days=30)
# Folders that are told apart; a bucket of one folder per user has millions.
_MOST_FOLDERS = 10_000
_OTHER_FOLDERS = "(other folders)"
_GIBIBYTE = 1 << 30


class Sum(msgspec.Struct):
    """Objects, their bytes, and what these cost a month."""

    objects: int = 0
    bytes: int = 0
    monthly: float = 0.0

    def add(self, size: int, price: float) -> None:
        """One object more; `price` is that of a GiB for a month."""
        self.objects += 1
        self.bytes += size
        self.monthly += size / _GIBIBYTE * price


class Leak(msgspec.Struct):
    """New orphans of one folder within the window."""

    objects: int = 0
    bytes: int = 0

    @property
    def per_day(self) -> float:
        """Objects a day."""
        return self.objects / LEAK_WINDOW.days


class UploadSum(msgspec.Struct):
    """Unfinished uploads: how many, their bytes as far as those are told, the oldest's begin (UTC).

    The parts of `unmeasured` ones were not told.
    """

    uploads: int = 0
    bytes: int = 0
    unmeasured: int = 0
    oldest: datetime | None = None

    def add(self, began_at: datetime, size: int | None) -> None:
        """One upload more, with its bytes where they are known."""
        self.uploads += 1
        self.bytes += size or 0
        self.unmeasured += size is None
        self.oldest = began_at if self.oldest is None else min(self.oldest, began_at)


class UnfinishedUploads(msgspec.Struct):
    """Uploads in parts that nobody completed or aborted: paid for, and in no listing of objects."""

    total: UploadSum = msgspec.field(default_factory=UploadSum)
    folders: dict[str, UploadSum] = {}

    def add(self, key: str, began_at: datetime, size: int | None) -> None:
        """One upload more, with its bytes where they are known."""
        folder = _first_folder(key, self.folders)
        for of in (self.total, self.folders.setdefault(folder, UploadSum())):
            of.add(began_at, size)


@dataclass(slots=True)
class Report:
    """Sums over the orphans of one scan.

    `classes` by storage class, `origins` by the source that held the key last (None: no row was
    ever seen to), `leaks` by the first folder. `window_end` (UTC): what became an orphan later
    is not judged yet. `prices` are those of `[prices]`, in whatever currency they are written.
    """

    prices: Mapping[str, float]
    window_end: datetime
    total: Sum = field(default_factory=Sum)
    classes: dict[str | None, Sum] = field(default_factory=dict)
    origins: dict[str | None, Sum] = field(default_factory=dict)
    leaks: dict[str, Leak] = field(default_factory=dict)

    def add(self, orphans: Iterable[tuple[ListedObject, str | None, datetime | None]]) -> None:
        """Count orphans, each with the source that held it last, and when that was (UTC)."""
        for entry, source, released_at in orphans:
            price = self.prices.get(entry.storage_class, self.prices["STANDARD"])
            for of in (
                self.total,
                self.classes.setdefault(entry.storage_class, Sum()),
                self.origins.setdefault(source, Sum()),
            ):
                of.add(entry.size, price)
            since = released_at or entry.last_modified
            if self.window_end - LEAK_WINDOW < since <= self.window_end:
                leak = self._leak(entry.key)
                leak.objects += 1
                leak.bytes += entry.size

    def _leak(self, key: str) -> Leak:
        return self.leaks.setdefault(_first_folder(key, self.leaks), Leak())

    def requests_cost(self, listed: int) -> float:
        """What listing the bucket once, and reading and deleting the orphans, costs in requests."""
        listing = -(-listed // 1_000) * self.prices["LIST"]
        return (listing + self.total.objects * (self.prices["GET"] + self.prices["DELETE"])) / 1_000


def _first_folder(key: str, known: Collection[str]) -> str:
    head, slash, _ = key.partition("/")
    folder = head + slash if slash else ""
    return folder if folder in known or len(known) < _MOST_FOLDERS else _OTHER_FOLDERS
