"""Rows of the tree beside a plain nested model; the cache's bound; what is fetched first."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.judgement import CandidateRow, Children, IdVector, ObjectVerdict
from s3gc_tui.models.rows import BLOCK, Gone, RowCache, TreeRows, contents, missing


def row(id_: int) -> CandidateRow:
    return CandidateRow(id_, f"{id_}", 1, 1, ObjectVerdict.ORPHAN, None)


def test_never_more_rows_than_the_capacity_are_at_hand() -> None:
    cache = RowCache(capacity=10)
    cache.put(range(1, 9), [row(id_) for id_ in range(1, 9)])
    assert cache.get(1) == row(1)
    cache.put(range(9, 13), [None] + [row(id_) for id_ in range(10, 13)])
    assert len(cache) == 10
    # The two not seen for longest went; 1 had been looked at.
    assert [id_ for id_ in range(1, 13) if id_ in cache] == [1, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert cache.get(9) == Gone(9)
    assert cache.get(2) is None


def test_what_is_seen_is_fetched_before_what_is_around_it() -> None:
    rows = IdVector(0, range(10 * BLOCK))
    cache = RowCache()
    fetched = []
    while absent := missing(rows, 2 * BLOCK - 5, 2 * BLOCK + 5, cache):
        assert len(absent) <= BLOCK
        fetched.append(absent[0] // BLOCK)
        cache.put(absent, [row(id_) for id_ in absent])
    assert fetched == [1, 2, 3, 0]
    assert len(cache) == 4 * BLOCK
    assert missing(IdVector(), 0, 0, RowCache()) == []


class Model:
    """The same tree, each open folder with its contents."""

    def __init__(self) -> None:
        self.inside: dict[int, list[int]] = {0: [-1, -2, 3]}

    def lines(self, folder: int = 0, depth: int = 0) -> list[tuple[int, int]]:
        found = []
        for id_ in self.inside.get(folder, []):
            found.append((id_, depth))
            found += self.lines(id_, depth + 1)
        return found

    def close(self, folder: int) -> None:
        for id_ in self.inside.pop(folder, []):
            self.close(id_)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200), st.integers(0, 3)), max_size=25))
def test_the_open_tree_is_its_folders_one_inside_the_other(
    steps: list[tuple[bool, int, int]],
) -> None:
    tree, model, following = TreeRows(), Model(), 10
    tree.open_at(None, array("q", [-1, -2, 3]))
    for opening, place, size in steps:
        at = place % len(tree)
        id_ = tree[at]
        if id_ > 0:
            continue
        if opening:
            # Every id is new: folders with a minus, then objects.
            new = [*range(-following - size, -following), *range(following, following + size)]
            following += 2 * size + 1
            already = id_ in model.inside
            tree.open_at(at, array("q", new))
            if not already:
                model.inside[id_] = new
        else:
            tree.close_at(at)
            model.close(id_)
    lines = model.lines()
    assert [(tree[at], tree.depth(at)) for at in range(len(tree))] == lines
    assert tree[1:] == [id_ for id_, _ in lines[1:]]
    for at, (id_, depth) in enumerate(lines):
        assert tree.is_open(at) == (id_ in model.inside)
        assert tree.position(id_) == at
        above = [n for n in range(at) if lines[n][1] == depth - 1]
        assert tree.parent(at) == (above[-1] if above else None)
    assert tree.position(-9_999) is None


def test_a_folders_contents_are_its_folders_and_then_its_objects() -> None:
    assert contents(Children(IdVector(5, [7, 6]), IdVector(1, [3, 2]))).tolist() == [-7, -6, 3, 2]
