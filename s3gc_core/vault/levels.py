"""Which zstd level is used: the strongest that does not hold the whole pipeline back.

Level 19 costs 12 to 33 times the CPU of level 9 for 0 to 11 % less space (vault notes, section 1),
so what it costs is looked at after each batch.
"""

from __future__ import annotations

from typing import NamedTuple

# Each costs about two to six times as much as the next (vault notes, section 1).
_STEPS = (22, 19, 15, 12, 9, 6, 3, 1)
# Above the first share of its time in the encoder the pipeline waits for it; below the second the
# next stronger level, six times as dear at worst, still stays under the first: it cannot swing.
_HELD_BACK = 0.5
_AT_EASE = 0.08
# What is larger is a batch of its own, so no batch after it could react: bytes, and its level.
_HUGE = 64 << 20
_HUGE_LEVEL = 9


class Spent(NamedTuple):
    """What a batch took: `encoding` seconds of processor time inside zstd, all threads together,
    for `objects` objects; `elapsed` seconds by the clock, from the end of the batch before to the
    end of its backups.
    """

    encoding: float
    objects: int
    elapsed: float


def next_level(level: int, spent: Spent, *, cores: int, highest: int, floor: int) -> int:
    """The level of the next batch: a step down where encoding took more than half of what the
    cores could do in that time; a step up where it took hardly any; never under `floor`, never
    over `highest`. A floor that is not under `highest` keeps the level as it is.
    """
    lanes = min(cores, spent.objects)
    if floor >= highest or not lanes or spent.elapsed <= 0:
        return level
    share = spent.encoding / (spent.elapsed * lanes)
    if share > _HELD_BACK:
        return max([floor, *(step for step in _STEPS if step < level)])
    if share < _AT_EASE:
        return min([highest, *(step for step in _STEPS if step > level)])
    return level


def level_of(size: int, level: int, floor: int) -> int:
    """The level for an object of `size` bytes: one of gigabytes would take hours at 19."""
    return min(level, max(floor, _HUGE_LEVEL)) if size > _HUGE else level
