"""Which zstd level comes next, by numbers alone; and how much memory any level takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.vault import Spent, level_of, next_level
from s3gc_core.vault.encoding import parameters

# Milliseconds of CPU for a MB of JSON, from the vault notes (section 1); 6 and 15 between.
COST = {22: 879, 19: 879, 15: 150, 12: 51, 9: 27, 6: 10, 3: 4.4, 1: 2.9}


def after(level: int, encoding: float, *, objects: int = 100, floor: int = 3) -> int:
    """The next level where, of 10 s on two cores, so many were spent encoding."""
    spent = Spent(encoding, objects, 10.0)
    return next_level(level, spent, cores=2, highest=19, floor=floor)


@pytest.mark.parametrize(
    ("level", "encoding", "then"),
    [
        (19, 20.0, 15),
        (19, 10.1, 15),
        (19, 10.0, 19),
        (19, 0.0, 19),
        (15, 10.1, 12),
        (15, 1.7, 15),
        (15, 1.5, 19),
        (9, 60.0, 6),
        (3, 60.0, 3),
        (3, 0.1, 6),
        (7, 20.0, 6),
        (7, 0.1, 9),
    ],
)
def test_a_step_at_a_time(level: int, encoding: float, then: int) -> None:
    assert after(level, encoding) == then


def test_the_floor_and_a_fixed_level() -> None:
    assert after(9, 60.0, floor=8) == 8
    assert after(19, 60.0, floor=19) == 19
    assert next_level(2, Spent(60.0, 9, 1.0), cores=2, highest=2, floor=3) == 2


def test_one_object_has_one_lane_however_many_cores_there_are() -> None:
    assert next_level(19, Spent(6.0, 1, 10.0), cores=64, highest=19, floor=3) == 15
    assert next_level(19, Spent(6.0, 64, 10.0), cores=64, highest=19, floor=3) == 19


def test_nothing_encoded_says_nothing() -> None:
    assert next_level(9, Spent(0.0, 0, 10.0), cores=2, highest=19, floor=3) == 9
    assert next_level(9, Spent(0.0, 5, 0.0), cores=2, highest=19, floor=3) == 9


@given(
    st.integers(1, 22), st.integers(1, 22), st.integers(1, 22), st.floats(0, 1e6), st.floats(0, 1e6)
)
def test_never_out_of_its_bounds(
    first: int, second: int, third: int, encoding: float, elapsed: float
) -> None:
    floor, level, highest = sorted((first, second, third))
    then = next_level(level, Spent(encoding, 5, elapsed), cores=2, highest=highest, floor=floor)
    assert floor <= then <= highest


@pytest.mark.parametrize("other", [0.001, 0.05, 0.2, 1.0, 10.0])
def test_the_same_batches_end_at_one_level(other: float) -> None:
    """Batches of 64 MB, and so many seconds of everything else: no swinging to and fro."""
    levels = [19]
    for _ in range(20):
        encoding = 64 * COST[levels[-1]] / 1000
        levels.append(after_batch(levels[-1], encoding, encoding / 2 + other))
    assert levels == sorted(levels, reverse=True)
    assert all(one == last for one, last in pairwise(levels[8:]))


def after_batch(level: int, encoding: float, elapsed: float) -> int:
    return next_level(level, Spent(encoding, 100, elapsed), cores=2, highest=19, floor=3)


def test_a_huge_object_does_not_take_hours() -> None:
    assert level_of(64 << 20, 19, 3) == 19
    assert level_of((64 << 20) + 1, 19, 3) == 9
    assert level_of(5 << 30, 6, 3) == 6
    # Fixed is fixed.
    assert level_of(5 << 30, 19, 19) == 19


@pytest.mark.parametrize("size", [None, 1, 100_000, 1 << 20, 8 << 20, 5 << 30])
def test_no_level_takes_more_than_its_share_of_memory(size: int | None) -> None:
    """Without the bound of the window level 19 takes 81 MB, and 22 takes 641."""
    assert all(
        parameters(level, size).estimated_compression_context_size() < 42 << 20
        for level in range(1, 23)
    )
    assert parameters(19, size).estimated_compression_context_size() < 26 << 20
