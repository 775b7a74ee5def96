"""Marks beside a plain dict of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_tui.models.marks import Marks

ids = st.lists(st.integers(100, 140), max_size=10)


def rows(some: list[int]) -> list[tuple[int, int]]:
    return [(id_, id_ * 3) for id_ in some]


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "copy"]), ids)))
def test_marks_are_a_set_of_ids_with_their_bytes(steps: list[tuple[str, list[int]]]) -> None:
    marks, model = Marks(100), dict[int, int]()
    for what, some in steps:
        if what == "add":
            marks.add(rows(some))
            model |= dict(rows(some))
        elif what == "remove":
            marks.remove(rows(some))
            model = {id_: size for id_, size in model.items() if id_ not in some}
        else:
            before, marks = marks, marks.copy()
            before.add(rows(some))
    assert list(marks) == sorted(model)
    assert (len(marks), marks.count, marks.bytes) == (len(model), len(model), sum(model.values()))
    assert [id_ in marks for id_ in range(90, 150)] == [id_ in model for id_ in range(90, 150)]


def test_a_million_marks_take_a_bit_each() -> None:
    marks = Marks(5)
    marks.add((id_, 1) for id_ in range(5, 1_000_005))
    assert marks.count == 1_000_000
    assert len(marks._bits) == 125_000


def test_an_id_from_before_the_snapshot_is_no_mark() -> None:
    marks = Marks(10)
    assert 9 not in marks
    with pytest.raises(ValueError, match="before the snapshot"):
        marks.add([(9, 1)])


def test_prefixes_say_the_same_only_while_they_do() -> None:
    empty = Marks()
    marks = Marks()
    marks.add([(1, 1), (2, 1)])
    marks.add_prefix("a/", to=empty)
    assert marks.prefixes == ("a/",)
    assert (marks.covers("a/"), marks.covers("a/b/"), marks.covers("b/")) == (True, True, False)
    more = marks.copy()
    more.add([(3, 1)])
    more.add_prefix("b/", to=marks)
    assert more.prefixes == ("a/", "b/")
    more.add([(3, 1)])
    assert more.prefixes == ("a/", "b/")
    single = more.copy()
    single.add([(4, 1)])
    assert list(single.prefixes) == []
    # On top of single marks a prefix is not all there is.
    further = single.copy()
    further.add([(5, 1)])
    further.add_prefix("c/", to=single)
    assert further.prefixes == ()
    more.remove([(1, 1)])
    assert list(more.prefixes) == []
