"""What a plan, or the chosen part of it, comes to: added up object by object, in bounded memory."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from s3gc_core.judgement import PlanItem
from s3gc_core.vault import is_called_picture, may_be_lossy

SHOWN = 20
# Folders told apart; what lies in others is added up together.
_FOLDERS = 1_000


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One object of a plan as it is looked at."""

    key: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in one folder at the top of the bucket; "" is beside all folders."""

    prefix: str
    objects: int
    bytes: int


@dataclass(slots=True)
class Review:
    """Add every object of a plan in its order. With prefixes or keys only those are chosen; the
    others are counted as excluded. `seed` (the plan's hash) fixes which ones the random are.
    """

    seed: str
    prefixes: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    objects: int = 0
    bytes: int = 0
    excluded_objects: int = 0
    excluded_bytes: int = 0
    done: bool = False
    # Objects that could be stored LOSSY, by their size, and those of them called pictures.
    may_be_lossy: int = 0
    called_pictures: int = 0
    _found: int = 0
    _folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    _elsewhere: tuple[int, int] = (0, 0)
    _largest: list[tuple[float, int, Reviewed]] = field(default_factory=list)
    _oldest: list[tuple[float, int, Reviewed]] = field(default_factory=list)
    _sample: list[Reviewed] = field(default_factory=list)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        # Not for secrecy: everybody who looks at this plan is shown the same objects.
        self._random = random.Random(self.seed)

    @property
    def seen(self) -> int:
        """Objects added so far, chosen or not."""
        return self.objects + self.excluded_objects

    @property
    def not_in_plan(self) -> int:
        """Chosen keys that the plan does not hold (as far as it was added)."""
        return len(self.keys) - self._found

    def add(self, items: Iterable[PlanItem]) -> None:
        """Add the next objects."""
        for item in items:
            if item.key in self.keys:
                self._found += 1
            elif (self.prefixes or self.keys) and not item.key.startswith(self.prefixes):
                self.excluded_objects += 1
                self.excluded_bytes += item.size
                continue
            self._choose(Reviewed(item.key, item.size, item.last_modified))

    def _choose(self, one: Reviewed) -> None:
        self.objects += 1
        self.bytes += one.size
        if may_be_lossy(one.size):
            self.may_be_lossy += 1
            self.called_pictures += is_called_picture(one.key)
        # Of equals the first by key stays: numbers fall, and no two are the same.
        order = -self.objects
        _keep(self._largest, (one.size, order, one))
        _keep(self._oldest, (-one.last_modified.timestamp(), order, one))
        if len(self._sample) < SHOWN:
            self._sample.append(one)
        elif (place := self._random.randrange(self.objects)) < SHOWN:
            self._sample[place] = one
        self._add_folder(one)

    def _add_folder(self, one: Reviewed) -> None:
        head, slash, _ = one.key.partition("/")
        folder = head + slash if slash else ""
        if folder in self._folders or len(self._folders) < _FOLDERS:
            objects, size = self._folders.get(folder, (0, 0))
            self._folders[folder] = (objects + 1, size + one.size)
        else:
            self._elsewhere = (self._elsewhere[0] + 1, self._elsewhere[1] + one.size)

    def folders(self) -> list[Folder]:
        """Folders at the top, those with most bytes first."""
        found = [Folder(prefix, *counted) for prefix, counted in self._folders.items()]
        return sorted(found, key=lambda f: (-f.bytes, -f.objects, f.prefix))

    @property
    def elsewhere(self) -> tuple[int, int]:
        """Objects and bytes in folders beyond those told apart."""
        return self._elsewhere

    def largest(self) -> list[Reviewed]:
        """The largest, largest first."""
        return [one for _, _, one in sorted(self._largest, reverse=True)]

    def oldest(self) -> list[Reviewed]:
        """Those longest unchanged, oldest first."""
        return [one for _, _, one in sorted(self._oldest, reverse=True)]

    def sample(self) -> list[Reviewed]:
        """Any, by key; the same for the same plan and choice."""
        return sorted(self._sample, key=lambda one: one.key)


def _keep(heap: list[tuple[float, int, Reviewed]], entry: tuple[float, int, Reviewed]) -> None:
    if len(heap) < SHOWN:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)


def review_of(seed: str, prefixes: Sequence[str] = (), keys: Iterable[str] = ()) -> Review:
    """An empty review of a plan, or of the part with these prefixes and keys."""
    return Review(seed, tuple(prefixes), frozenset(keys))
